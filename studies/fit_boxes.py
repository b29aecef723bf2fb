"""Fit how far things reach beyond what is seen of them: `python -m studies.fit_boxes [--recordings N] [--detected N]`.

Two kinds of samples: what simulated sweeps show of every mover, in its true axes; and the objects that streams find in
simulated recordings, the network being asked about every second pair, as they find them, in pieces where they do.
Seeds that no report uses; every second of the latter is a street. Fits how far the whole reaches beyond each end of
what is seen, so that its centre and its size are nearest to the true ones, then the variance of the centre of the
completed boxes, of found objects alone; and says of recordings that were not fitted how far off both are, by class.
The shipped models are of 126 recordings in which something was found and of 347 that show movers, not one after the
other; a fit of as many, whose models differ a little, is

    python -m studies.fit_boxes --recordings 386 --detected 140
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np
from scipy.optimize import minimize

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.detector import ObjectDetector
from ssrflow_ros.objects.features import stacked
from ssrflow_ros.objects.models import Linear, Perceptron
from ssrflow_ros.objects.whole_box import (
    FEATURES,
    SHIPPED,
    BoxModels,
    SeenBoxes,
    SeenEnds,
    centre_features,
    end_features,
    view_axes,
)
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import CLASSES, SENSORS, LabelledSweep, simulate
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.sweep import MovingObject, SweepPair

from .fitting import fit_log_variance, spread

_SEEN_SEED, _DETECTED_SEED = 41_002_016, 42_000_500
_SWEEPS = 12  # of a recording
_FEWEST, _SLOWEST = 8, 0.5  # points and m/s of a mover
_OWN = 0.5  # share of an object's points that are one mover's, from which it is that mover's
_HELD_OUT = 4  # one in so many recordings is not fitted
_NETWORKS, _UNITS, _STEPS = 5, 12, 300
_DECAY = 1e-3  # of the weights, of features that are brought to spread 1
_FOUND = 2.0  # that an object counts which was found, for one that is shown
_SIZE = 0.2  # that a metre of the size counts, for one of the centre
_HOPELESS = 2.0  # m, from which errors count ever less: what is a piece of something greater cannot be told
_SHORTEST = 0.01  # m, below which errors count alike
_MOST_LOG = 2.3  # of what is fitted


class Sample(NamedTuple):
    """An object with the box of its points and what is seen at its ends, `points` (4, 5) and `margins` (4, 2, D); m
    that its track knows its `length` to be, 0 for none; `centre` (3,) m and `size` (2,) m, length and width, of the
    whole mover, its class, and whether it was found by the method."""

    item: MovingObject
    points: np.ndarray
    margins: np.ndarray
    length: float
    centre: np.ndarray
    size: np.ndarray
    kind: str
    found: bool
    recording: int


def shown(number: int) -> Iterator[Sample]:
    """What the first sweep of a recording and the one a second later show of every mover."""
    sensor, scene = list(SENSORS)[number % len(SENSORS)], None if number % 3 else 'street'
    for sweep in simulate(_SEEN_SEED + number, _SWEEPS, sensor, scene, kept={0, _SWEEPS - 1}):
        image = RangeImage(sweep.sweep.points)
        for mover in sweep.movers():
            if mover.n_points >= _FEWEST and mover.speed >= _SLOWEST:
                own = sweep.sweep.points[sweep.object_id == mover.id]
                inside = own.astype(float) @ mover.axes
                low, high = inside.min(axis=0), inside.max(axis=0)
                item = mover.but(centre=mover.axes @ (low + high) / 2, size=high - low)
                yield _sample(item, own, image, 0.0, sweep, mover.id, False, number)


def found(method: SceneFlow, number: int) -> Iterator[Sample]:
    """The objects of one recording that are a mover's."""
    street = ('hdl64e', 'street') if number % 2 == 0 else (None, None)
    stream, detector = method.stream(), ObjectDetector(method.classifier)
    sweeps = list(simulate(_DETECTED_SEED + number, _SWEEPS, *street))
    for place, (newer, older) in enumerate(zip(sweeps[1:], sweeps)):
        try:
            prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            continue
        asked = prepared if place % 2 == 0 else dataclasses.replace(prepared, samples=None)
        flow = method.estimate(asked, detector)
        for item in flow.objects:
            rows = flow.object_ids == item.id
            owners, counts = np.unique(newer.object_id[rows], return_counts=True)
            owner = owners[np.argmax(counts)]
            if owner >= 0 and counts.max() >= _OWN * rows.sum():
                length, image = detector.tracks.length(item.track_id), prepared.range_images[0]
                yield _sample(item.seen, newer.sweep.points[rows], image, length, newer, owner, True, number)


def _sample(
    item: MovingObject,
    own: np.ndarray,
    image: RangeImage,
    length: float,
    sweep: LabelledSweep,
    owner: int,
    is_found: bool,
    number: int,
) -> Sample:
    ends = SeenEnds.of(SeenBoxes.of([item]), own, np.array([len(own)]), image)
    centre, size = np.split(sweep.boxes[owner, :5], [3])
    kind = CLASSES[sweep.class_id[np.argmax(sweep.object_id == owner)]]
    return Sample(item, ends.points[0], ends.margins[0], length, centre, size, kind, is_found, number)


def seen_of(samples: list[Sample]) -> tuple[list[MovingObject], SeenEnds]:
    """The objects, and what is seen at their ends."""
    ends = SeenEnds(*(np.array([getattr(sample, name) for sample in samples]) for name in SeenEnds._fields))
    return [sample.item for sample in samples], ends


def fit_beyond(samples: list[Sample]) -> Perceptron:
    """The mean of some networks, with which centre and size are nearest to those of the whole, seen from above."""
    names = FEATURES['beyond']
    items, ends = seen_of(samples)
    features = stacked(end_features(SeenBoxes.of(items), ends), names)
    flat = features.reshape(-1, len(names))
    middle, scale = flat.mean(axis=0), spread(flat)
    given = ((flat - middle) / scale).astype(np.float32)
    off = np.array([(sample.centre - sample.item.centre) @ sample.item.axes[:, :2] for sample in samples])
    more = np.array([sample.size - sample.item.size[:2] for sample in samples])
    weight = np.where([sample.found for sample in samples], _FOUND, 1.0)
    fitted = [_network(given, off, more, weight / weight.sum(), seed) for seed in range(_NETWORKS)]
    line, into, bias, out, offset = zip(*fitted)
    return Perceptron(
        names,
        middle,
        scale,
        np.mean(line, axis=0),
        np.concatenate(into, axis=1),
        np.concatenate(bias),
        np.concatenate(out) / _NETWORKS,
        np.mean(offset),
    )


def _network(
    given: np.ndarray, off: np.ndarray, more: np.ndarray, weight: np.ndarray, seed: int
) -> tuple[np.ndarray, ...]:
    """Weights line (F,), into (F, H), bias, out (H,) and offset () by features (4 n, F) of the ends of n objects whose
    centres are `off` (n, 2) m, and which are `more` (n, 2) m longer and wider than what is seen."""
    width, rng = given.shape[1], np.random.default_rng(seed)
    cuts = np.cumsum([width * _UNITS, _UNITS, _UNITS, width])

    def parts(weights: np.ndarray) -> tuple[np.ndarray, ...]:
        into, bias, out, line, offset = np.split(weights, cuts)
        return line, into.reshape(width, _UNITS), bias, out, offset[0]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        line, into, bias, out, offset = parts(weights.astype(np.float32))
        units = np.tanh(given @ into + bias)
        log = units @ out + given @ line + offset
        beyond = np.exp(np.minimum(log, _MOST_LOG)).reshape(-1, 2, 2)
        centre, size = (beyond[:, :, 1] - beyond[:, :, 0]) / 2 - off, beyond.sum(axis=2) - more
        total, slope = 0.0, np.zeros_like(beyond)
        for error, counts, of_ends in ((centre, 1.0, (-0.5, 0.5)), (size, _SIZE, (1.0, 1.0))):
            length = np.sqrt((error**2).sum(axis=1) + _SHORTEST**2)
            total += counts * _HOPELESS * weight @ np.log1p(length / _HOPELESS)
            share = counts * weight / (1 + length / _HOPELESS) / length
            slope += (share[:, None] * error)[:, :, None] * of_ends
        of_log = ((slope * beyond).ravel() * (log < _MOST_LOG)).astype(np.float32)
        of_units = of_log[:, None] * out * (1 - units**2)
        held = _DECAY * np.concatenate([into.ravel(), np.zeros(_UNITS), out, line, [0.0]])
        steps = given.T @ of_units, of_units.sum(axis=0), units.T @ of_log, given.T @ of_log, of_log.sum()
        return total + weights @ held, np.concatenate([np.ravel(step) for step in steps]).astype(float) + 2 * held

    start = np.zeros(cuts[-1] + 1)
    start[: cuts[0]] = rng.normal(0, width**-0.5, cuts[0])
    start[cuts[0] : cuts[1]] = rng.normal(0, 0.3, _UNITS)
    start[-1] = -2.0
    return parts(minimize(loss, start, jac=True, method='L-BFGS-B', options={'maxiter': _STEPS}).x)


def fit_variance(samples: list[Sample], models: BoxModels) -> Linear:
    """The likeliest log-linear variances of the centres of completed boxes; their mean NEES then is 1."""
    names, (items, ends) = FEATURES['centre_variance'], seen_of(samples)
    wholes = models.completed(items, ends, [sample.length for sample in samples])
    whole, more = SeenBoxes.of(wholes), np.array([item.hidden.sum(axis=1) for item in wholes])
    columns = centre_features(whole.n_points, whole.size, whole.centre, np.linalg.norm(more, axis=1))
    rows, off = stacked(columns, names), np.array([sample.centre for sample in samples]) - whole.centre
    squared = np.einsum('kij,kj->ki', view_axes(whole.centre), off) ** 2
    return Linear(names, np.array([fit_log_variance(rows, column) for column in squared.T]))


def report(samples: list[Sample], models: BoxModels) -> None:
    """Mean distance of the centre, seen from above, and mean errors of length and width, of the points' box and of the
    whole one, by class, and NEES."""
    print(f'{"class":14}{"n":>6}{"centre: points, m":>19}{"whole":>8}{"size: points, m":>17}{"whole":>8}{"NEES":>8}')
    for kind in ('all', *sorted({sample.kind for sample in samples})):
        chosen = [sample for sample in samples if kind in ('all', sample.kind)]
        items, ends = seen_of(chosen)
        wholes = models.completed(items, ends, [sample.length for sample in chosen])
        cells = []
        for of in (items, wholes):
            off = np.array([sample.centre - item.centre for sample, item in zip(chosen, of)])
            size = np.array([np.abs(sample.size - item.size[:2]) for sample, item in zip(chosen, of)])
            cells.append((np.linalg.norm(off[:, :2], axis=1).mean(), size.mean()))
        nees = [error @ np.linalg.solve(item.position_covariance, error) / 3 for error, item in zip(off, wholes)]
        (seen, seen_size), (whole, size) = cells
        print(f'{kind:14}{len(chosen):6}{seen:19.3f}{whole:8.3f}{seen_size:17.3f}{size:8.3f}{np.mean(nees):8.2f}')


def fit(samples: list[Sample]) -> BoxModels:
    """Both models; variances are those of found objects of recordings on which the other was not fitted."""
    unknown, variances = Linear(FEATURES['centre_variance'], np.zeros((3, 5))), []
    halves = [[sample for sample in samples if sample.recording // 2 % 2 == half] for half in (0, 1)]
    for fitted, others in (halves, halves[::-1]):
        detected = [sample for sample in others if sample.found] or others
        variances.append(fit_variance(detected, BoxModels(fit_beyond(fitted), unknown)).weights)
    return BoxModels(fit_beyond(samples), Linear(unknown.names, np.mean(variances, axis=0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=386, help='of two sweeps, as they show movers')
    parser.add_argument('--detected', type=int, default=140, help=f'of {_SWEEPS} sweeps, as objects are found')
    parser.add_argument('-o', '--output', type=Path, default=SHIPPED)
    args = parser.parse_args()
    from tqdm import tqdm

    samples = [sample for number in tqdm(range(args.recordings), disable=None) for sample in shown(number)]
    if args.detected:
        method = SceneFlow(Settings())
        for number in tqdm(range(args.detected), disable=None):
            samples += found(method, number)
    report_on(samples)
    fit(samples).save(args.output)
    print(f'written: {args.output}')


def report_on(samples: list[Sample]) -> None:
    """Of models fitted without one in four recordings, on these."""
    models = fit([sample for sample in samples if sample.recording // 2 % _HELD_OUT])
    for title, is_found in (('as they are shown', False), ('as they are found', True)):
        held_out = [sample for sample in samples if not sample.recording // 2 % _HELD_OUT and sample.found == is_found]
        if held_out:
            print(f'\nnot fitted, {title}:')
            report(held_out, models)


if __name__ == '__main__':
    main()
