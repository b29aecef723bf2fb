"""Take the live error apart, without a clock: `python -m studies.live_error [--network-share 2/5] [--latency 0.17]`.

Plays simulated recordings as the live node does, the network being asked about a share of the pairs and every answer
coming `latency` s after its sweep, so that the same comes out however busy the machine is. Of the movers of which the
answers tell by an object of theirs, what is left of the error without that of the box's centre, without that of the
velocity, and if nothing were faster or slower than it was: means over movers and sweeps, by class.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Iterable, Iterator, NamedTuple

import numpy as np

from ssrflow_ros.cli.demo import SEED
from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.evaluation.live_error import Answer, TrueSweep, live_error, looked_for
from ssrflow_ros.formats.object_cloud import rows_of
from ssrflow_ros.objects.detector import ObjectDetector
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import CLASSES, LabelledSweep, simulate
from ssrflow_ros.steps.prepared import PreparedPair
from ssrflow_ros.sweep import MovingObject, SweepPair
from ssrflow_ros.transforms import transformed

_OWN = 0.5  # share of an object's points that are one mover's, from which it is that mover's


class Told(NamedTuple):
    """An answer: the number of its sweep, its objects, those that are only predicted included, and whose they are (-1:
    of nothing that moves)."""

    number: int
    objects: list[MovingObject]
    owners: list[int]


@dataclass(frozen=True, eq=False)
class Truth:
    """A sweep: stamp s, pose (4, 4), `whole` centres (K, 3) m in the world by number of mover, and the classes of those
    that are looked for."""

    stamp: float
    pose: np.ndarray
    whole: np.ndarray
    kinds: dict[int, str]

    @classmethod
    def of(cls, sweep: LabelledSweep) -> Truth:
        kinds = {}
        for number in looked_for(rows_of(sweep.movers()))['id'].tolist():
            kinds[number] = CLASSES[sweep.class_id[np.argmax(sweep.object_id == number)]]
        return cls(sweep.sweep.stamp_ns * 1e-9, sweep.pose, transformed(sweep.boxes[:, :3], sweep.pose), kinds)


class _Once(SceneFlow):
    """Asks the network once for each pair, however many detectors are fed."""

    last: tuple[PreparedPair, np.ndarray] | None = None

    def _network_flow(self, prepared: PreparedPair, *rest: Any) -> np.ndarray:
        if self.last is None or self.last[0] is not prepared:
            self.last = prepared, super()._network_flow(prepared, *rest)
        return self.last[1]


def play(
    method: SceneFlow, recording: Iterable[LabelledSweep], shares: list[Fraction]
) -> tuple[list[Truth], list[list[Told]]]:
    """The truth, and the answers for each share of the pairs that the network is asked about."""
    stream, truth = method.stream(), list[Truth]()
    detectors, answers = [ObjectDetector(method.classifier) for _ in shares], [list[Told]() for _ in shares]
    before = None
    for number, newer in enumerate(recording):
        truth.append(Truth.of(newer))
        older, before = before, newer
        if older is None:
            continue
        try:
            prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            continue
        from_tracks, owner_of = dataclasses.replace(prepared, samples=None), {}
        for share, detector, told in zip(shares, detectors, answers):
            asked = int((number - 1) * share) != int(number * share) or number == 1
            flow = method.estimate(prepared if asked else from_tracks, detector)
            owners = []
            for item in flow.objects:
                numbers, counts = np.unique(newer.object_id[flow.object_ids == item.id], return_counts=True)
                owners.append(int(numbers[counts.argmax()]) if counts.max() >= _OWN * counts.sum() else -1)
                owner_of[item.track_id] = owners[-1]
            objects = [*flow.objects, *flow.predicted]
            told.append(Told(number, objects, owners + [owner_of.get(item.track_id, -1) for item in flow.predicted]))
    return truth, answers


def parts(truth: list[Truth], answers: list[Told], latency: float) -> Iterator[tuple[str, np.ndarray | None]]:
    """For each mover at each sweep its class, and (3, 2) m in the world that its nearest own object is off by its
    centre, by its velocity, and because the mover's velocity changed; None where none is told of."""
    for now in truth:
        heard = [told for told in answers if truth[told.number].stamp + latency <= now.stamp + 1e-6]
        if not heard:
            continue
        last = heard[-1]
        then, before = truth[last.number], truth[last.number - 1]
        age, turn = now.stamp - then.stamp, then.pose[:3, :3]
        for mover, kind in now.kinds.items():
            here, was = now.whole[mover], then.whole[mover]
            velocity = (was - before.whole[mover]) / (then.stamp - before.stamp)
            own = [
                (
                    transformed(item.centre[None], then.pose)[0] - was,
                    (turn @ item.velocity - velocity) * age,
                    was + velocity * age - here,
                )
                for item, owner in zip(last.objects, last.owners)
                if owner == mover
            ]
            yield kind, min((np.array(off)[:, :2] for off in own), key=_length, default=None)


def _length(off: np.ndarray) -> float:
    return float(np.linalg.norm(off.sum(axis=0)))


def overall(truth: list[Truth], answers: list[Told], latency: float) -> str:
    """As `ssrflow demo` tells it."""
    moments = [
        TrueSweep(
            now.stamp,
            round(now.stamp * 1e9),
            np.eye(4),
            np.array([now.whole[mover] for mover in now.kinds]).reshape(-1, 3),
        )
        for now in truth
    ]
    heard = []
    for told in answers:
        then, rows = truth[told.number], rows_of(told.objects)
        rows['centre'] = transformed(rows['centre'], then.pose)
        rows['velocity'] = rows['velocity'] @ then.pose[:3, :3].T
        heard.append(Answer(then.stamp + latency - 1e-6, round(then.stamp * 1e9), rows))
    found = live_error(moments, heard)
    return (
        'no movers' if found is None else f'live error {found.mean:.3f} m, told of {found.told:.3f} of {found.movers}'
    )


def report(rows: list[tuple[str, np.ndarray | None]]) -> str:
    """The table by class."""
    of = f'{"centre":>8}{"velocity":>10}{"change":>8}'
    lines = [f'{"class":12}{"movers":>8}{"told":>7}{"error, m":>10}{"alone:":>12}{of}{"without:":>12}{of}']
    by_kind = defaultdict(list)
    for kind, off in rows:
        by_kind[kind].append(off)
        by_kind['all'].append(off)
    for kind in sorted(by_kind, key=lambda kind: -len(by_kind[kind])):
        off = np.array([off for off in by_kind[kind] if off is not None]).reshape(-1, 3, 2)
        if not len(off):
            lines.append(f'{kind:12}{len(by_kind[kind]):8}{0:7.2f}')
            continue
        alone = np.linalg.norm(off, axis=2).mean(axis=0)
        without = [np.linalg.norm(np.delete(off, k, axis=1).sum(axis=1), axis=1).mean() for k in range(3)]
        whole = np.linalg.norm(off.sum(axis=1), axis=1).mean()
        lines.append(
            f'{kind:12}{len(by_kind[kind]):8}{len(off) / len(by_kind[kind]):7.2f}{whole:10.3f}{"":12}'
            f'{alone[0]:8.3f}{alone[1]:10.3f}{alone[2]:8.3f}{"":12}{without[0]:8.3f}{without[1]:10.3f}{without[2]:8.3f}'
        )
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, nargs='+', default=[SEED], help="of the recordings (default: the demo's)")
    parser.add_argument('--sweeps', type=int, default=100)
    parser.add_argument('--sensor', default='hdl64e')
    parser.add_argument('--scene', default='street')
    parser.add_argument('--network-share', type=Fraction, nargs='+', default=[Fraction(2, 5)], metavar='N/M')
    parser.add_argument('--latency', type=float, nargs='+', default=[0.17], metavar='S')
    args = parser.parse_args()
    method = _Once(Settings())
    for seed in args.seed:
        recording = simulate(seed, args.sweeps, args.sensor, args.scene)
        truth, answers = play(method, recording, args.network_share)
        for share, told in zip(args.network_share, answers):
            for latency in args.latency:
                print(f'\nseed {seed}, {share} of the pairs by the network, answers after {latency:g} s')
                print(overall(truth, told, latency))
                print(report(list(parts(truth, told, latency))), flush=True)


if __name__ == '__main__':
    main()
