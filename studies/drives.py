"""Judge scan matching on hard drives: `python -m studies.drives [--drives N]`.

Plays N simulated drives of at least 5 m/s as a live node does, the stamps up to 0.9 of a period late, a fifth of the
sweeps lost; prints how many pairs are refused, how many are wrong by 0.15 m or more, and how many of these say that
they may be. False objects of such pairs are told apart. The figures stand in docs/limits.md.
"""

from __future__ import annotations

import argparse
from typing import Iterator

import numpy as np

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, LabelledSweep, simulate
from ssrflow_ros.simulator.disturbances import restamped
from ssrflow_ros.sweep import SweepPair
from ssrflow_ros.transforms import invert
from studies.object_scores import Labels, Tally

_SEED = 4_970_000  # nothing was fitted or chosen on the recordings from here on
_SWEEPS, _FAST, _LATE, _LOST, _WRONG = 10, 5.0, 0.9, 0.2, 0.15
_SCENES = 'street', 'yard'


def drives(count: int, seed: int = _SEED) -> Iterator[list[LabelledSweep]]:
    """`count` drives, the sensors in turn, without the sweeps that are lost."""
    found = 0
    while found < count:
        sensor, scene = list(SENSORS)[seed % len(SENSORS)], _SCENES[seed % 3 // 2]
        kept = np.flatnonzero(np.random.default_rng([seed, 7]).random(_SWEEPS) >= _LOST)
        recording = list(restamped(simulate(seed, _SWEEPS, sensor, scene, kept=kept.tolist()), _LATE, seed))
        way = recording[-1].pose[:3, 3] - recording[0].pose[:3, 3]
        if np.linalg.norm(way) >= _FAST * (kept[-1] - kept[0]) * recording[0].dt:
            found += 1
            yield recording
        seed += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--drives', type=int, default=100, metavar='N')
    method = SceneFlow(Settings())
    errors, doubtful, false, refused = [], [], [], 0
    for recording in drives(parser.parse_args().drives):
        stream, known = method.stream(), dict[int, int]()
        for newer, older in zip(recording[1:], recording):
            try:
                flow = stream.estimate(stream.sample(stream.observe(SweepPair(newer.sweep, older.sweep))))
            except SSRFlowError:
                refused += 1
                continue
            off = flow.ego_motion.target_from_source @ invert(invert(older.pose) @ newer.pose)
            errors.append(np.linalg.norm(off[:3, 3]))
            doubtful.append(bool(flow.ego_motion.doubt))
            # The truth of motions is by the time between two sweeps of the recording, of which some are lost.
            moved = np.where(newer.object_id[:, None] >= 0, newer.velocity * flow.pair.dt, 0)
            tally = Tally()
            tally.add(flow, Labels(moved, ~newer.ground, newer.object_id, newer.class_id, newer.boxes), known)
            false.append(sum(kind is None for _, kind in tally.claimed))
    error, doubt, invented = np.array(errors), np.array(doubtful), np.array(false)
    wrong = error >= _WRONG
    middle, most, nearly_all = 1e3 * np.percentile(error, (50, 90, 99))
    print(
        f'{len(error)} pairs answered, {refused} refused; error of the way, mm: median {middle:.1f}, 90 % {most:.1f}, '
    )
    print(f'99 % {nearly_all:.0f}, worst {1e3 * error.max():.0f}')
    print(f'wrong by {_WRONG} m or more: {wrong.sum()}, of which {(wrong & doubt).sum()} say that they may be')
    print(f'right, and doubtful: {(~wrong & doubt).sum()}')
    print(f'false objects: {invented[wrong].sum()} in wrong pairs, {invented[~wrong].sum()} in the others; ', end='')
    print(f'most in one pair {invented.max()}')


if __name__ == '__main__':
    main()
