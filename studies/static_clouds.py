"""How clean `~/static` is, sensor family by sensor family: `python -m studies.static_clouds [--share S]`.

Plays unseen simulated recordings, one stream each, no pose given, and counts the points that move at 0.5 m/s or more
and are taken out, and the points of what stands that are lost. The first cloud of a recording, of which nothing is
known, is left out. What the figures mean is in docs/slam.md.
"""

from __future__ import annotations

import argparse
from typing import Iterator

import numpy as np

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.moving_points import MovingPoints
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, LabelledSweep, simulate
from ssrflow_ros.sweep import SweepPair
from studies.fit_calibration import FAMILIES

_BLOCKS = ((8_000_000, 140, tuple(SENSORS)), (8_200_000, 100, ('mid360', 'avia')))
"""Recordings: the first one's seed, how many, and the sensors that take turns; every fifth turn on a quiet street."""
_FEWEST = 500  # moving points of a recording, from which its share says something


def split(method: SceneFlow, recording: list[LabelledSweep]) -> Iterator[tuple[LabelledSweep, np.ndarray, np.ndarray]]:
    """Of each sweep but the first: the points that are taken out, (N,) bool, and those that move by `~/flow` alone."""
    stream, movers, margin = method.stream(), MovingPoints(), method.settings.static_margin
    for newer, older in zip(recording[1:], recording):
        try:
            flow = stream.flow(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            yield newer, movers.expected(newer.sweep, margin), np.zeros(len(newer), bool)
            continue
        movers.note(flow)
        yield newer, movers.answered(flow, margin), flow.moving


def counted(labelled: LabelledSweep, taken: np.ndarray) -> np.ndarray:
    """(4,) of the moving points those taken, and all; of the standing ones likewise."""
    stands = labelled.object_id < 0
    return np.array([(taken & labelled.moving).sum(), labelled.moving.sum(), (taken & stands).sum(), stands.sum()])


def row(name: str, counts: list[np.ndarray]) -> str:
    """Shares of all points together, and the median of the recordings."""
    total = np.sum(counts, axis=0)
    gone = [one[0] / one[1] for one in counts if one[1] >= _FEWEST]
    lost = [one[2] / max(one[3], 1) for one in counts]
    return (
        f'{name:22}{len(counts):5}{100 * total[0] / max(total[1], 1):10.1f}{100 * np.median(gone or [np.nan]):10.1f}'
        f'{100 * total[2] / max(total[3], 1):12.2f}{100 * np.median(lost):10.2f}'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--share', type=float, default=1.0, help='of the recordings')
    parser.add_argument('--network-points', type=int, default=4096)
    args = parser.parse_args()
    method = SceneFlow(Settings(network_points=args.network_points))
    families: dict[str, list[np.ndarray]] = {family: [] for family in FAMILIES}
    of_flow: list[np.ndarray] = []
    for first, recordings, sensors in _BLOCKS:
        for number in range(round(args.share * recordings)):
            turn, place = divmod(number, len(sensors))
            recording = list(simulate(first + number, 8, sensors[place], 'quiet_street' if turn % 5 == 4 else None))
            sums = np.zeros((2, 4))
            for labelled, taken, moving in split(method, recording):
                sums += counted(labelled, taken), counted(labelled, moving)
            families[next(name for name, members in FAMILIES.items() if sensors[place] in members)].append(sums[0])
            of_flow.append(sums[1])
    print(table(families, of_flow))


def table(families: dict[str, list[np.ndarray]], of_flow: list[np.ndarray]) -> str:
    """Of the counts of each recording."""
    lines = [
        f'{"":27}{"moving points gone, %":>20}{"static points lost, %":>22}',
        f'{"":22}{"n":>5}{"all":>10}{"median":>10}{"all":>12}{"median":>10}',
        *(row(family, counts) for family, counts in families.items()),
        row('all', [one for counts in families.values() for one in counts]),
        row('moving of ~/flow', of_flow),
    ]
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
