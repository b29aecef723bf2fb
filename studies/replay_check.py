"""How often the check against later sweeps is right: `python -m studies.replay_check [--recordings N] [--sweeps N]`.

Plays unseen simulated recordings through the method as a live node does, judges the objects by what other sweeps saw
(`evaluation/replay_check.py`) and beside it by the truth. What the figures mean is in docs/objects.md, "In hindsight".
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import suppress

import numpy as np

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.evaluation.replay_check import BESIDE, MOVED, STOOD, UNTOLD, Judged, ReplayCheck
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import LabelledSweep, simulate
from ssrflow_ros.simulator.disturbances import with_own_body
from ssrflow_ros.sweep import FlowField, SweepPair
from studies.object_scores import COVERED, DYNAMIC, SLOWEST_TRUE, Labels, true_movers

_UNSEEN_SEED = 3_100_000


def add(
    judged: Judged, flow: FlowField, truth: LabelledSweep, objects: Counter, movers: Counter, points: Counter
) -> None:
    """Count verdicts by the truth; true movers by whether others see them and they were found; points likewise."""
    kept, dt = flow.pair.source.rows, abs(flow.pair.dt)  # what rides along is left out
    motion, owner = truth.motion_previous[kept], truth.object_id[kept]
    for item, verdict in judged.objects:
        rows = flow.object_ids == item.id
        moves = np.linalg.norm(motion[rows].mean(axis=0)) / dt >= SLOWEST_TRUE
        objects[verdict, bool(moves and (owner[rows] >= 0).mean() >= 0.5)] += 1
    gone = np.zeros(len(motion), bool)
    for rows, _ in judged.movers:
        gone[rows] = True
    points.update(owner[gone] >= 0)
    labels = Labels(motion, ~truth.ground[kept], owner, truth.class_id[kept], truth.boxes)
    for mover in true_movers(flow.pair.source.points, labels, flow.pair.dt).values():
        if mover.speed >= DYNAMIC:
            movers[
                bool(gone[mover.rows].mean() >= COVERED), bool((flow.object_ids[mover.rows] >= 0).mean() >= COVERED)
            ] += 1


def check(recordings: int, sweeps: int, own_body: bool = False) -> tuple[Counter, Counter, Counter]:
    """Of objects, movers and points, as `add` counts them."""
    counts: tuple[Counter, Counter, Counter] = Counter(), Counter(), Counter()
    for seed in range(_UNSEEN_SEED, _UNSEEN_SEED + recordings):
        stream, check_of, answered, judged = SceneFlow(Settings()).stream(), ReplayCheck(Settings()), {}, []
        recording = list(with_own_body(simulate(seed, sweeps), seed) if own_body else simulate(seed, sweeps))
        for newer, older in zip(recording[1:], recording) if own_body else ():
            with suppress(SSRFlowError):  # as `ssrflow bag`, which reads a recording twice
                stream.preparation.learn(SweepPair(newer.sweep, older.sweep))
        known, stream.preparation = stream.own_body, Preparation(Settings())
        stream.own_body = known
        for newer, older in zip(recording[1:], recording):
            try:
                flow = stream.flow(SweepPair(newer.sweep, older.sweep))
            except SSRFlowError:
                continue
            answered[newer.sweep.stamp_ns] = flow, newer
            judged += check_of.add(flow)
        for sweep in [*judged, *check_of.finish()]:
            add(sweep, *answered[sweep.stamp_ns], *counts)
    return counts


def report(objects: Counter, movers: Counter, points: Counter) -> str:
    told, beside = _by_truth(objects, MOVED, STOOD), _by_truth(objects, BESIDE)
    untold = _by_truth(objects, UNTOLD, BESIDE)
    moved = objects[MOVED, True] + objects[MOVED, False]
    found, true = movers[True, True] + movers[False, True], told[True] + untold[True]
    return '\n'.join(
        [
            f'objects                   {objects.total()}, {_share(true, objects.total())} move',
            f'  of which it can be told {sum(told)}: moved by hindsight {_share(moved, sum(told))}, '
            f'by the truth {_share(told[True], sum(told))}',
            f'  moved, but stand        {objects[MOVED, False]}; stood, but move {objects[STOOD, True]}',
            f'  of which it cannot      {sum(untold)}, {_share(untold[True], sum(untold))} move; '
            f'beside the sensor {sum(beside)}, {_share(beside[True], sum(beside))} move',
            f'movers                    {movers.total()}, found {_share(found, movers.total())}',
            f'  that hindsight sees     {movers[True, True] + movers[True, False]}, found '
            f'{_share(movers[True, True], movers[True, True] + movers[True, False])}',
            f'points seen to have moved {points.total()}, of movers {_share(points[True], points.total())}',
        ]
    )


def _by_truth(objects: Counter, *verdicts: str) -> tuple[int, int]:
    """Objects of these verdicts that stand, and that move."""
    stand, move = (sum(objects[verdict, moves] for verdict in verdicts) for moves in (False, True))
    return stand, move


def _share(some: int, of: int) -> str:
    return f'{some / of:.3f}' if of else '-'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=8, metavar='N')
    parser.add_argument('--sweeps', type=int, default=32, help='sweeps of each recording')
    parser.add_argument('--own-body', action='store_true', help='the sensor sees its own robot')
    args = parser.parse_args()
    print(report(*check(args.recordings, args.sweeps, args.own_body)))


if __name__ == '__main__':
    main()
