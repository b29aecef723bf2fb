"""Score the method on labelled pairs: numbers of each pair, and of all their points together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..datasets import LabelledPair
from ..datasets.labelled_pair import ARGOVERSE2, FLOWNET3D
from ..errors import SSRFlowError
from ..kernels.kd_tree import KdTree
from ..settings import Settings
from .metrics import PER, SQUARE, ResidualErrors, flow_errors, mean_of_known, moving_iou
from .predictions import METHOD, NETWORK, PREDICTORS, Predictions, predict


@dataclass(frozen=True)
class PairScore:
    """One pair: means over sampling seeds of `values`, by 'ANSWER.METRIC', and their standard deviations, where there
    are several seeds; or `refused`, why there is no answer."""

    name: str
    protocol: str
    values: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    refused: str = ''

    @property
    def group(self) -> str:
        """What stands before the first / of the name, a sensor, a log or a scene; '' if there is none."""
        return self.name.rpartition('/')[0].partition('/')[0]


@dataclass(frozen=True, eq=False)
class Shown:
    """The pair that the picture shows: points (N, 3) m, error (N,) m per 0.1 s of the method, scored, moving (N,)."""

    name: str
    points: np.ndarray
    error: np.ndarray
    scored: np.ndarray
    moving: np.ndarray


class Evaluation:
    """Feed it labelled pairs; it keeps `scores` by pair, and errors of all points, by predictor.

    everywhere, square  {predictor: ResidualErrors}, Argoverse 2 protocol, without limit and within the 35 m square.
    left_in             {predictor: ResidualErrors}, FlowNet3D protocol: by range and by speed, the ego-motion left in.
    groups              {group: {predictor: ResidualErrors}}.
    shown               the pair with the most moving points.
    """

    def __init__(self, settings: Settings, seeds: int = 1, known_pose: bool = False):
        """`known_pose`: hand the true motion of the sensor to the method where it is known."""
        self._settings, self._seeds, self._known_pose = settings, seeds, known_pose
        self.scores: list[PairScore] = []
        self.everywhere, self.square, self.left_in = _errors(np.inf), _errors(SQUARE), _errors(np.inf)
        self.groups: dict[str, dict[str, ResidualErrors]] = {}
        self.shown: Shown | None = None

    def add(self, labelled: LabelledPair) -> PairScore:
        """Score one pair."""
        protocol, rows, ego = labelled.preparation.protocol, [], labelled.ego if self._known_pose else None
        try:
            for seed in range(self._seeds):
                found = predict(labelled, self._settings, seed, ego)
                rows.append(self._values(found))
                if protocol == ARGOVERSE2:
                    ego = found.ego  # scan matching does not depend on the seed
        except SSRFlowError as error:
            return self.refuse(labelled.name, error)
        names = dict.fromkeys(name for row in rows for name in row)
        of_seeds = {name: [row.get(name, np.nan) for row in rows] for name in names}
        means = {name: mean_of_known(values) for name, values in of_seeds.items()}
        spread = {name: float(np.std(values, ddof=1)) for name, values in of_seeds.items()} if len(rows) > 1 else {}
        self.scores.append(PairScore(labelled.name, protocol, means, spread))
        return self.scores[-1]

    def refuse(self, name: str, error: SSRFlowError) -> PairScore:
        """Note a pair that has no answer, or could not even be read."""
        self.scores.append(PairScore(name, '', refused=str(error)))
        return self.scores[-1]

    def _values(self, found: Predictions) -> dict[str, float]:
        labelled = found.labelled
        if not labelled.scored.any():
            return _explained(found)
        values = _whole_flow(found)
        if labelled.preparation.protocol == FLOWNET3D:
            _add(self.left_in, labelled, found.flow, labelled.flow)
            self._show(labelled, found.flow.get(METHOD, found.flow[NETWORK]) - labelled.flow)
            return values
        ego = labelled.ego or found.ego
        assert ego is not None, 'by the Argoverse 2 protocol it was found, or there is no answer'
        truth = labelled.residual(labelled.flow, ego)
        group = self.groups.setdefault(PairScore(labelled.name, ARGOVERSE2).group, _errors(np.inf))
        own = _errors(np.inf)
        for errors in (self.everywhere, self.square, group, own):
            _add(errors, labelled, found.residual, truth)
        self._show(labelled, found.residual[METHOD] - truth)
        return {
            **values,
            **_moving_and_static(found, truth),
            **{
                f'{name}.{part}': value
                for name, errors in own.items()
                for part, value in errors.three_way().by_name().items()
            },
            **{f'{name}.dynamic_iou': errors.dynamic_iou() for name, errors in own.items()},
        }

    def _show(self, labelled: LabelledPair, difference: np.ndarray) -> None:
        moving = labelled.moving & labelled.scored
        if self.shown is None or moving.sum() > self.shown.moving.sum():
            error = np.linalg.norm(difference, axis=1) * PER / abs(labelled.pair.dt)
            self.shown = Shown(labelled.name, labelled.pair.source.points, error, labelled.scored, moving)


def _errors(square: float) -> dict[str, ResidualErrors]:
    return {name: ResidualErrors(square) for name in PREDICTORS}


def _add(
    errors: dict[str, ResidualErrors], labelled: LabelledPair, flows: dict[str, np.ndarray], truth: np.ndarray
) -> None:
    rows, points = labelled.scored, labelled.pair.source.points
    for name, flow in flows.items():
        errors[name].add(points[rows], flow[rows], truth[rows], labelled.category[rows], labelled.pair.dt)


def _whole_flow(found: Predictions) -> dict[str, float]:
    """Errors of the whole displacement, the sensor's own motion included."""
    rows, truth = found.labelled.scored, found.labelled.flow
    values = {'points': float(rows.sum()), 'ms': found.ms}
    for name, flow in found.flow.items():
        errors = flow_errors(flow[rows], truth[rows])
        values |= {f'{name}.{metric}': getattr(errors, metric) for metric in ('epe3d', 'acc3ds', 'acc3dr', 'outliers')}
    if found.ego is not None:
        own = found.ego.displacement(found.labelled.pair.source.points)
        values['ego_motion.epe3d'] = flow_errors(own[rows], truth[rows]).epe3d
    return values


def _moving_and_static(found: Predictions, truth: np.ndarray) -> dict[str, float]:
    """EPE3D over the pair of points labelled as moving and as static, ego-motion removed."""
    labelled = found.labelled
    values = {'moving_points': float((labelled.scored & labelled.moving).sum())}
    for name, residual in found.residual.items():
        for which, rows in (('moving', labelled.moving), ('static', ~labelled.moving)):
            rows = rows & labelled.scored
            values[f'{name}.{which}_epe3d'] = flow_errors(residual[rows], truth[rows]).epe3d
    said = np.linalg.norm(found.residual[METHOD], axis=1) > 0
    values['method.moving_iou'] = (
        moving_iou(said[labelled.scored], labelled.moving[labelled.scored]) if values['moving_points'] else np.nan
    )
    return values


def _explained(found: Predictions) -> dict[str, float]:
    """Without labels: median distance of the points, but the ground, to the nearest one of the target sweep, m."""
    source, target = found.labelled.pair.source.points, found.labelled.pair.target.points
    rows = ~found.ground
    if not rows.any() or not len(target):
        return {}
    tree = KdTree(target)
    moved = {name: source + flow for name, flow in found.flow.items()}
    if found.ego is not None:
        moved['ego_motion'] = source + found.ego.displacement(source)
    return {
        'points': float(rows.sum()),
        'ms': found.ms,
        **{f'{name}.nearest': float(np.median(tree.search(points[rows], 1)[1])) for name, points in moved.items()},
    }
