"""What the world does to the objects: `python -m studies.limits [KIND ...] [--recordings N] [--keep-outliers]`.

Plays simulated recordings of five sensors as a live node does, dry, disturbed, and mounted another way, and those of
16-beam sensors on robots in halls. Prints one row a kind: movers found, true and false objects, and, where dry comes
before it, how many more are false than there, with the standard error over recordings (most false objects lie in a few
recordings, one after the other), and in how many recordings there are at least two more. The figures stand in
docs/limits.md.
"""

from __future__ import annotations

import argparse
from typing import Iterator

import numpy as np

from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import LabelledSweep, simulate
from ssrflow_ros.simulator.disturbances import Weather, mounted, weathered
from studies.moving_objects import play
from studies.object_scores import Tally

_SEED, _HALL_SEED = 4_910_000, 4_600_000  # nothing was fitted or chosen on the recordings of these here
_SWEEPS, _HALL_SWEEPS = 6, 8
_WORLDS = (
    ('os1_64', 'quiet_street'),
    ('vlp16', 'street'),
    ('hdl32e', 'yard'),
    ('hdl64e', 'street'),
    ('vlp32c', 'quiet_street'),
)
_SIXTEEN = 'vlp16', 'os1_16'
_MANY = 2  # false objects of one recording more than dry
_SLOWEST = 0.3  # m/s, a robot that is slower stands
DRY, HALL = 'dry', 'hall'
_OPTICAL = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # x to the right, y down, z forward
_COS, _SIN = np.cos(np.radians(40)), np.sin(np.radians(40))
WEATHER = {
    DRY: Weather(),
    'rain': Weather(rain=0.01),
    'heavy rain': Weather(rain=0.03),
    'snow': Weather(snow=3000),
    'dust': Weather(dust=2),
    'dual returns': Weather(second_returns=0.08),
}
MOUNTINGS = {
    'upside down': np.diag([1.0, -1, -1]),
    'nose down 40°': np.array([[_COS, 0, -_SIN], [0, 1, 0], [_SIN, 0, _COS]]),
    'optical axes': _OPTICAL,
}
KINDS = *WEATHER, *MOUNTINGS, HALL


def recordings(kind: str, count: int, seed: int = _SEED) -> Iterator[list[LabelledSweep]]:
    """`count` recordings, disturbed as `kind` says; of a hall those in which the robot drives."""
    for number in range(count):
        if kind == HALL:
            sensor = _SIXTEEN[number % len(_SIXTEEN)]
            recording = list(simulate(seed + number, _HALL_SWEEPS, sensor, HALL))
            way = recording[1].pose[:3, 3] - recording[0].pose[:3, 3]
            if np.linalg.norm(way) >= _SLOWEST * recording[0].dt:
                yield recording
        else:
            sensor, scene = _WORLDS[number % len(_WORLDS)]
            sweeps = simulate(seed + number, _SWEEPS, sensor, scene)
            if kind in MOUNTINGS:
                yield list(mounted(sweeps, MOUNTINGS[kind]))
            else:
                yield list(weathered(sweeps, WEATHER[kind], number))


def false_objects(tallies: list[Tally]) -> np.ndarray:
    """How many each recording has."""
    return np.array([sum(kind is None for _, kind in tally.claimed) for tally in tallies])


def row(kind: str, tallies: list[Tally], dry: list[Tally] | None = None) -> str:
    """One row of the table, of the tallies of its recordings and of the same ones `dry`."""
    pairs, refused = sum(tally.pairs for tally in tallies), sum(tally.refused for tally in tallies)
    found = [mover.found for tally in tallies for mover in tally.looked_for]
    false = false_objects(tallies)
    true, more = sum(len(tally.claimed) for tally in tallies) - false.sum(), ' | '
    if dry is not None:
        differ = false - false_objects(dry)
        more = (
            f'{differ.sum():+} ± {np.sqrt(len(differ)) * differ.std():.0f} | {(differ >= _MANY).sum()} of {len(differ)}'
        )
    return f'| {kind} | {pairs} | {refused} | {sum(found)} of {len(found)} | {true} | {false.sum()} | {more} |'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kinds', nargs='*', metavar='KIND', help=f'of {", ".join(KINDS)}; none: all')
    parser.add_argument('--recordings', type=int, default=60, metavar='N')
    parser.add_argument('--keep-outliers', action='store_true', help='as with "remove_outliers: false"')
    args = parser.parse_args()
    if unknown := [kind for kind in args.kinds if kind not in KINDS]:
        parser.error(f"'{unknown[0]}' is no kind: choose from {', '.join(KINDS)}")
    method = SceneFlow(Settings(remove_outliers=not args.keep_outliers))
    print(
        '| | pairs | refused | movers found | true objects | false objects | more than dry | recordings with two more |'
    )
    print('|---|---|---|---|---|---|---|---|')
    dry: list[Tally] | None = None
    for kind in args.kinds or KINDS:
        tallies = []
        for recording in recordings(kind, args.recordings, _HALL_SEED if kind == HALL else _SEED):
            tallies.append(Tally())
            play(method, recording, tallies[-1])
        print(row(kind, tallies, None if kind == HALL else dry), flush=True)
        dry = tallies if kind == DRY else dry


if __name__ == '__main__':
    main()
