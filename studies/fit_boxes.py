"""Fit how far things reach beyond what is seen of them: `python -m studies.fit_boxes [--recordings N] [--detected N]`.

Two kinds of samples: what simulated sweeps show of every mover, in its true axes; and the objects that the method
finds in simulated recordings, as it finds them, in pieces where it does. Seeds that no report uses. Fits how far the
centre of the whole lies beyond that of what is seen to the mean distance that is left, then the variance of the centre
of the completed boxes, of found objects alone; and says of recordings that were not fitted how far off both are, by
class.
The shipped models are of

    python -m studies.fit_boxes --recordings 420 --detected 100
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np
from scipy.optimize import minimize

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.features import stacked
from ssrflow_ros.objects.models import Linear
from ssrflow_ros.objects.whole_box import (
    FEATURES,
    SHIPPED,
    BoxModels,
    SeenBoxes,
    away_from_sensor,
    centre_features,
    hidden_features,
    view_axes,
)
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import CLASSES, SENSORS, LabelledSweep, simulate
from ssrflow_ros.sweep import MovingObject, SweepPair

from .fitting import fit_log_variance

_SEEN_SEED, _DETECTED_SEED = 9_200_000, 9_000_000
_SWEEPS = 8  # of a recording whose objects are detected
_FEWEST, _SLOWEST = 8, 0.5  # points and m/s of a mover
_OWN = 0.5  # share of an object's points that are one mover's, from which it is that mover's
_HELD_OUT = 4  # one in so many recordings is not fitted
_DECAY = 1e-3  # of the weights, of features that are brought to spread 1
_SHORTEST = 0.01  # m, below which errors count alike


class Sample(NamedTuple):
    """An object with the box of its points, `centre` (3,) m of the whole mover, its class, and whether it was found by
    the method."""

    item: MovingObject
    centre: np.ndarray
    kind: str
    found: bool
    recording: int


def shown(seed: int, number: int) -> Iterator[Sample]:
    """What the first sweep of a recording and the one a second later show of every mover."""
    for sweep in simulate(seed + number, 12, list(SENSORS)[number % len(SENSORS)], kept={0, 11}):
        for mover in sweep.movers():
            if mover.n_points >= _FEWEST and mover.speed >= _SLOWEST:
                rows = sweep.object_id == mover.id
                inside = sweep.sweep.points[rows].astype(float) @ mover.axes
                low, high = inside.min(axis=0), inside.max(axis=0)
                item = dataclasses.replace(mover, centre=mover.axes @ (low + high) / 2, size=high - low)
                yield Sample(item, mover.centre, _kind(sweep, rows), False, number)


def found(method: SceneFlow, seed: int, number: int) -> Iterator[Sample]:
    """The objects of one recording that are a mover's."""
    stream, sweeps = method.stream(), list(simulate(seed + number, _SWEEPS))
    for newer, older in zip(sweeps[1:], sweeps):
        try:
            flow = stream.flow(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            continue
        for item in flow.objects:
            rows = flow.object_ids == item.id
            owners, counts = np.unique(newer.object_id[rows], return_counts=True)
            owner = owners[np.argmax(counts)]
            if owner >= 0 and counts.max() >= _OWN * rows.sum():
                its = rows & (newer.object_id == owner)
                yield Sample(item.seen, newer.boxes[owner, :3], _kind(newer, its), True, number)


def _kind(sweep: LabelledSweep, rows: np.ndarray) -> str:
    return CLASSES[sweep.class_id[np.flatnonzero(rows)[0]]]


def fit_hidden(samples: list[Sample]) -> Linear:
    """Weights with which the centre is nearest to that of the whole, in the mean, seen from above."""
    names = FEATURES['hidden']
    seen = SeenBoxes.of([sample.item for sample in samples])
    features, away = stacked(hidden_features(seen), names), away_from_sensor(seen)
    off = np.array([(sample.centre - sample.item.centre) @ sample.item.axes[:, :2] for sample in samples])
    middle, scale = features[:, 1:].mean(axis=0), features[:, 1:].std(axis=0)
    scaled = np.column_stack([features[:, :1], (features[:, 1:] - middle) / scale])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(2, -1)
        beyond = np.exp(np.clip(scaled @ weights.T, -8, 3))
        error = away * beyond - off
        length = np.sqrt((error**2).sum(axis=1) + _SHORTEST**2)
        slope = (error / length[:, None] * away * beyond).T @ scaled / len(scaled)
        held = weights * ([0] + [1] * (len(names) - 1))
        return length.mean() + _DECAY * (held**2).sum(), (slope + 2 * _DECAY * held).ravel()

    start = np.zeros((2, len(names)))
    start[:, 0] = np.log(0.1)
    weights = minimize(loss, start.ravel(), jac=True, method='L-BFGS-B').x.reshape(2, -1)
    plain = weights[:, 1:] / scale
    return Linear(names, np.column_stack([weights[:, 0] - plain @ middle, plain]))


def fit_variance(samples: list[Sample], models: BoxModels) -> Linear:
    """The likeliest log-linear variances of the centres of completed boxes; their mean NEES then is 1."""
    names, items = FEATURES['centre_variance'], [sample.item for sample in samples]
    whole, seen = SeenBoxes.of(models.completed(items, [0.0] * len(items))), SeenBoxes.of(items)
    shift = np.linalg.norm((whole.centre - seen.centre)[:, :2], axis=1)
    rows = stacked(centre_features(whole.n_points, whole.size, whole.centre, shift), names)
    off = np.array([sample.centre for sample in samples]) - whole.centre
    squared = np.einsum('kij,kj->ki', view_axes(whole.centre), off) ** 2
    return Linear(names, np.array([fit_log_variance(rows, column) for column in squared.T]))


def report(samples: list[Sample], models: BoxModels) -> None:
    """Mean distance of the centre, seen from above, of the points' box and of the whole one, by class, and NEES."""
    print(f'{"class":14}{"n":>6}{"points, m":>11}{"whole, m":>10}{"NEES":>8}')
    for kind in ('all', *sorted({sample.kind for sample in samples})):
        chosen = [sample for sample in samples if kind in ('all', sample.kind)]
        before = [np.linalg.norm((sample.centre - sample.item.centre)[:2]) for sample in chosen]
        items = models.completed([sample.item for sample in chosen], [0.0] * len(chosen))
        whole = [(sample.centre, item) for sample, item in zip(chosen, items)]
        after = [np.linalg.norm((centre - item.centre)[:2]) for centre, item in whole]
        off = [(centre - item.centre, item.position_covariance) for centre, item in whole]
        nees = [error @ np.linalg.solve(spread, error) / 3 for error, spread in off]
        print(f'{kind:14}{len(chosen):6}{np.mean(before):11.3f}{np.mean(after):10.3f}{np.mean(nees):8.2f}')


def fit(samples: list[Sample]) -> BoxModels:
    """Both models."""
    first = BoxModels(fit_hidden(samples), Linear(FEATURES['centre_variance'], np.zeros((3, 5))))
    detected = [sample for sample in samples if sample.found] or samples
    return dataclasses.replace(first, centre_variance=fit_variance(detected, first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=420, help='of two sweeps, as they show movers')
    parser.add_argument('--detected', type=int, default=100, help=f'of {_SWEEPS} sweeps, as objects are found')
    parser.add_argument('-o', '--output', type=Path, default=SHIPPED)
    args = parser.parse_args()
    from tqdm import tqdm

    samples = [sample for number in tqdm(range(args.recordings), disable=None) for sample in shown(_SEEN_SEED, number)]
    if args.detected:
        method = SceneFlow(Settings())
        for number in tqdm(range(args.detected), disable=None):
            samples += found(method, _DETECTED_SEED, number)
    report_on(samples)
    fit(samples).save(args.output)
    print(f'written: {args.output}')


def report_on(samples: list[Sample]) -> None:
    """Of models fitted without one in four recordings, on these."""
    models = fit([sample for sample in samples if sample.recording % _HELD_OUT])
    for title, is_found in (('as they are shown', False), ('as they are found', True)):
        held_out = [sample for sample in samples if not sample.recording % _HELD_OUT and sample.found == is_found]
        if held_out:
            print(f'\nnot fitted, {title}:')
            report(held_out, models)


if __name__ == '__main__':
    main()
