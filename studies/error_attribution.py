"""Where the error of what moves comes from: `python -m studies.error_attribution [--pairs N]`.

Answers simulated pairs, each by itself, and asks of every mover at which step it was lost. Prints a table whose
columns add up to the errors of all moving points, means over the pairs.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import defaultdict
from typing import Iterator

import numpy as np

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.detector import ObjectDetector
from ssrflow_ros.objects.observation import observe
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, LabelledSweep, simulate
from ssrflow_ros.sweep import SweepPair
from studies.object_scores import COVERED, DYNAMIC
from studies.truth import network_displacement

_SEED = 5_100_000  # no training, and nothing that is fitted, uses the seeds from here on
_RIGHT, _RIGHT_SHARE = 0.05, 0.1  # m, or share of its displacement, by which a mover's object may be wrong

RIGHT, WRONG, DOUBTED, UNASKED, TINY, UNSEEN, CUT = CAUSES = (
    'an object, moved right',
    'an object, moved wrongly',
    'registered, not believed',
    'proposed, not found worth registering',
    'not proposed: fewer points than an object must have',
    'not proposed: no suspicion, or one with what it touches',
    'cut as ground, or out of range',
)


def attribute(method: SceneFlow, first: LabelledSweep, second: LabelledSweep) -> Iterator[tuple[str, np.ndarray]]:
    """Cause of each mover of a pair, and (4,) what it adds to the pair's means over all moving points: share of the
    points, and error of zero flow, of the network, and of the method, m.

    Raises SSRFlowError where the method gives up.
    """
    prepared = method.prepare(SweepPair(first.sweep, second.sweep))
    flow, dt, motion = method.estimate(prepared), prepared.pair.dt, first.motion_next
    network = flow.network_velocity * np.float32(dt)
    errors = np.linalg.norm(np.stack([motion, network - motion, flow.velocity * dt - motion]), axis=2)
    moving = ~first.ground & (errors[0] >= DYNAMIC * dt)
    every = ObjectDetector(dataclasses.replace(method.classifier, least_log_odds=-np.inf))
    observed = observe(prepared, network_displacement(prepared, flow), method.settings)
    candidates = every.candidates(prepared, observed, every.tracks.inside(observed.points), method.settings)
    groups, asked = list[np.ndarray](), np.zeros(0, bool)
    if candidates is not None:
        groups = candidates.proposals.groups
        asked = method.classifier.prefilter(candidates.proposals.features) >= method.classifier.least_log_odds
    for number in np.unique(first.object_id[moving]):
        own = moving & (first.object_id == number)
        inside = own[prepared.conditioned.rows[prepared.rows]]
        held = [inside[group].sum() >= max(COVERED * own.sum(), len(group) / 2) for group in groups]
        named = own & (flow.object_ids >= 0)
        if 2 * inside.sum() < own.sum():
            cause = CUT
        elif named.sum() >= COVERED * own.sum():
            allowed = max(_RIGHT, _RIGHT_SHARE * errors[0, own].mean())
            cause = RIGHT if errors[2, named].mean() < allowed else WRONG
        elif any(held):
            cause = DOUBTED if any(np.logical_and(held, asked)) else UNASKED
        else:
            cause = TINY if inside.sum() < method.settings.object_points else UNSEEN
        yield cause, np.array([own.sum(), *errors[:, own].sum(axis=1)]) / moving.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pairs', type=int, default=230, metavar='N')
    parser.add_argument('--weights', default=Settings().weights)
    args = parser.parse_args()
    from tqdm import tqdm

    method, movers, pairs = SceneFlow(Settings(weights=args.weights)), defaultdict(list), 0
    for number in tqdm(range(args.pairs), disable=None):
        sensor = list(SENSORS)[number % len(SENSORS)]
        try:
            told = list(attribute(method, *simulate(_SEED + number, 2, sensor)))
        except SSRFlowError:
            continue  # refused: nothing is published there
        pairs += bool(told)
        for cause, values in told:
            movers[cause].append(values)
    print(
        f'{pairs} pairs in which something moves, weights {args.weights}; m, mean over the pairs\n\n'
        '| | movers | share of the points | zero flow | network | method |\n|---|---|---|---|---|---|'
    )
    for title, rows in [(cause, movers[cause]) for cause in CAUSES] + [('all', sum(movers.values(), []))]:
        share, *errors = np.sum(rows, axis=0) / pairs if rows else np.zeros(4)
        print(f'| {title} | {len(rows)} | {share:.2f} | ' + ' | '.join(f'{error:.3f}' for error in errors) + ' |')


if __name__ == '__main__':
    main()
