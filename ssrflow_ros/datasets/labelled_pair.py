"""A pair of sweeps with its truth, whatever data set it comes from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..sweep import EgoMotion, Sweep, SweepPair

FLOWNET3D, ARGOVERSE2 = 'FlowNet3D', 'Argoverse 2'
"""The two ways of scoring that the field has, by those who began them."""
PER = 0.1
"""Seconds that displacements are scaled to where they are compared: one turn at 10 Hz."""
DYNAMIC = 0.05
"""Metres per 0.1 s from which on a point is called dynamic."""
CATEGORIES = ('background', 'car', 'pedestrian', 'wheeled_vru', 'other_vehicle', 'unknown')
"""Kinds of things, as Argoverse 2 groups them, and foreground of unknown kind; -1 is not scored."""
BACKGROUND, UNKNOWN = 0, len(CATEGORIES) - 1


class Preparation(NamedTuple):
    """How pairs were made ready to be scored, and by which protocol they are.

    text      what was cut and kept, a line for people.
    protocol  FLOWNET3D: the sensor's motion is part of the flow; ARGOVERSE2: it is removed first.
    n_points  points of each sweep that the protocol draws at random; 0: all of them.
    """

    text: str
    protocol: str
    n_points: int = 0


@dataclass(frozen=True, eq=False)
class LabelledPair:
    """A pair and its truth; what is (N, ...) is aligned with `pair.source.points`.

    flow      (N, 3) float32 m, displacement until the target, the sensor's own motion included; nan: unlabelled.
    scored    (N,) bool: labelled, and not cut by the protocol (ground, far points).
    moving    (N,) bool: labelled as moving by itself; all False where nobody labelled it.
    category  (N,) int8, index into CATEGORIES, -1: not scored by category.
    ego       the sensor's true motion, None where it is not known.
    mounting  (4, 4) pose of the sensor on the robot, whose z is up; None where it is not known.
    """

    name: str
    pair: SweepPair
    flow: np.ndarray
    scored: np.ndarray
    moving: np.ndarray
    category: np.ndarray
    ego: EgoMotion | None
    preparation: Preparation
    mounting: np.ndarray | None = None

    def residual(self, flow: np.ndarray, ego: EgoMotion) -> np.ndarray:
        """(N, 3) what `flow` leaves when `ego` is taken out, m in the source frame."""
        points = self.pair.source.points
        return ego.into_source(points + flow) - points

    def within(self, metres: float) -> 'LabelledPair':
        """The same pair, scored only as far as this from the sensor."""
        near = np.linalg.norm(self.pair.source.points, axis=1) <= metres
        return dataclasses.replace(self, scored=self.scored & near)

    def sampled(self, seed: int) -> 'LabelledPair':
        """The same pair with the number of points that its protocol draws of each sweep, independently."""
        n, rng = self.preparation.n_points, np.random.default_rng(seed)
        if not n:
            return self
        rows, target_rows = (np.sort(rng.permutation(len(sweep))[:n]) for sweep in (self.pair.source, self.pair.target))
        pair = SweepPair(_take(self.pair.source, rows), _take(self.pair.target, target_rows))
        of_points = {name: getattr(self, name)[rows] for name in ('flow', 'scored', 'moving', 'category')}
        return dataclasses.replace(self, pair=pair, **of_points)


def labelled_pair(
    name: str,
    source: np.ndarray,
    target: np.ndarray,
    flow: np.ndarray,
    preparation: Preparation,
    *,
    scored: np.ndarray | None = None,
    moving: np.ndarray | None = None,
    category: np.ndarray | None = None,
    target_from_source: np.ndarray | None = None,
    dt: float = PER,
    times: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    mounting: np.ndarray | None = None,
) -> LabelledPair:
    """From the arrays of a file, all aligned with `source` (N, 3); what is not known is worked out or left open.

    scored    default: every row with a label.
    moving    default: what moves 0.05 m per 0.1 s where the sensor's motion is known, else nothing.
    category  default: what moves is foreground of unknown kind, the rest background.
    times     of source and target, as of `Sweep`, where they are to be deskewed.
    mounting  as of `LabelledPair`.

    Raises InputError or EgoMotionError where dt or the sensor's motion are none.
    """
    from ..inputs import checked_dt  # here, since a help that lists the data sets waits for no library
    from ..steps.ego_motion import given

    sweep, other = (
        Sweep.from_points(points, stamp_ns, times=its_times)
        for points, stamp_ns, its_times in zip((source, target), (0, round(checked_dt(dt) * 1e9)), times)
    )
    ego = None if target_from_source is None else given(target_from_source)
    flow = np.ascontiguousarray(flow, np.float32)
    labelled = np.isfinite(flow).all(axis=1)
    if moving is None:
        moving = np.zeros(len(flow), bool)
        if ego is not None:
            points = np.asarray(source[:, :3], np.float32)
            own = ego.into_source(points + np.nan_to_num(flow)) - points
            moving = labelled & (np.linalg.norm(own, axis=1) >= DYNAMIC * abs(dt) / PER)
    if category is None:
        category = np.where(moving, UNKNOWN, BACKGROUND)
    scored = labelled if scored is None else scored & labelled
    rows = sweep.rows
    return LabelledPair(
        name,
        SweepPair(sweep, other),
        flow[rows],
        scored[rows],
        moving[rows],
        category[rows].astype(np.int8),
        ego,
        preparation,
        mounting,
    )


def _take(sweep: Sweep, rows: np.ndarray) -> Sweep:
    return dataclasses.replace(sweep, points=sweep.points[rows], rows=sweep.rows[rows])
