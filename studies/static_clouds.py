"""How clean `~/static` is, sensor family by sensor family: `python -m studies.static_clouds [--recordings N]`.

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
from ssrflow_ros.simulator import LabelledSweep, simulate
from studies.fit_calibration import FAMILIES

_SEED = 9_000_000
_FEWEST = 500  # moving points of a recording, from which its share says something


def split(
    method: SceneFlow, recording: Iterator[LabelledSweep]
) -> Iterator[tuple[LabelledSweep, np.ndarray, np.ndarray]]:
    """Of each sweep but the first: the points that are taken out, (N,) bool, and those that move by `~/flow` alone."""
    stream, movers, margin = method.stream(), MovingPoints(), method.settings.static_margin
    for number, labelled in enumerate(recording):
        flow = None
        try:
            flow = stream.push(labelled.sweep)
        except SSRFlowError:
            pass
        if flow is not None:
            movers.note(flow)
            lay = flow.pair.source.to_rows
            yield labelled, lay(movers.answered(flow, margin), missing=False), lay(flow.moving, missing=False)
        elif number:
            yield labelled, movers.expected(labelled.sweep, margin), np.zeros(len(labelled), bool)


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
    parser.add_argument('--recordings', type=int, default=12, metavar='N', help='of each family')
    parser.add_argument('--sweeps', type=int, default=12, help='of each recording')
    args = parser.parse_args()
    method = SceneFlow(Settings())
    print(f'{"":27}{"moving points gone, %":>20}{"static points lost, %":>22}')
    print(f'{"":22}{"n":>5}{"all":>10}{"median":>10}{"all":>12}{"median":>10}', flush=True)
    of_all: dict[str, list[np.ndarray]] = {'~/static': [], 'moving of ~/flow': []}
    for place, (family, sensors) in enumerate(FAMILIES.items()):
        of_family: list[np.ndarray] = []
        for number in range(args.recordings):
            seed = _SEED + 1000 * place + number
            recording = simulate(seed, args.sweeps, sensors[number % len(sensors)])
            sums = np.zeros((2, 4))
            for labelled, taken, moving in split(method, recording):
                sums += counted(labelled, taken), counted(labelled, moving)
            of_family.append(sums[0])
            of_all['~/static'].append(sums[0])
            of_all['moving of ~/flow'].append(sums[1])
        print(row(family, of_family), flush=True)
    for name, counts in of_all.items():
        print(row(f'all: {name}', counts))


if __name__ == '__main__':
    main()
