"""Judge the ground removals: `python -m studies.ground [DATA_FOLDER] [--seeds N]`.

DATA_FOLDER/ground/*.npz hold `points` (N, 3+) and `sem` (N,), SemanticKITTI training ids (0 and
below: unknown); DATA_FOLDER/pairs/*.npz hold `pc1`, `dynamic` and `valid`, and tell how many returns
of moving objects are lost. N simulated sweeps of each sensor and scene, with exact labels, follow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, simulate
from ssrflow_ros.simulator.scenes import SHARES
from ssrflow_ros.steps.ground import make_ground

_GROUND = (9, 10, 11, 12, 17)  # road, parking, sidewalk, other ground, terrain
_THINGS = tuple(range(1, 9))  # car ... motorcyclist
_COLUMNS = ('precision', 'recall', 'IoU', 'lost', 'movers lost')


def score(mask: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Precision, recall and IoU of the ground, and the share of the other returns that is lost to it."""
    hit, false, missed = (mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum()
    return {
        'precision': hit / max(hit + false, 1),
        'recall': hit / max(hit + missed, 1),
        'IoU': hit / max(hit + false + missed, 1),
        'lost': false / max((~truth).sum(), 1),
    }


def timed(function: Callable, *arguments, repeats: int = 5):
    """Result and median milliseconds of some calls."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        spent.append(1e3 * (time.perf_counter() - start))
    return result, statistics.median(spent)


def _row(name: str, values: list[float], spent: float) -> str:
    cells = ('           -' if np.isnan(value) else f'{value:12.3f}' for value in values)
    return f'{name:24s}{"".join(cells)}{spent:9.1f}'


def judge_labelled(method: str, folder: Path) -> Iterator[str]:
    """One row a labelled sweep; `movers lost` is then the share of all returns of cars and people."""
    for path in sorted(folder.glob('ground/*.npz')):
        data = np.load(path)
        known, things = data['sem'] > 0, np.isin(data['sem'], _THINGS)
        mask, spent = timed(make_ground(Settings(ground=method)), data['points'][:, :3])
        values = [*score(mask[known], np.isin(data['sem'][known], _GROUND)).values(), mask[things].mean()]
        yield _row(path.stem, values, spent)
    for path in sorted(folder.glob('pairs/*.npz')):
        data = np.load(path)
        moving = data['dynamic'] & data['valid']
        if moving.any() and 'already removed' not in str(data['note']):
            mask, spent = timed(make_ground(Settings(ground=method)), data['pc1'])
            yield _row(path.stem, [np.nan] * 4 + [mask[moving].mean()], spent)


def judge_simulated(method: str, seeds: range) -> Iterator[str]:
    """One row a sensor, one a scene: means over their sweeps."""
    rows: dict[str, list[list[float]]] = {}
    for sensor in SENSORS:
        for scene in SHARES:
            for seed in seeds:
                sweep = next(iter(simulate(seed, 1, sensor, scene)))
                mask, spent = timed(make_ground(Settings(ground=method)), sweep.sweep.points, repeats=1)
                movers = mask[sweep.moving].mean() if sweep.moving.sum() > 50 else np.nan
                values = list(score(mask, sweep.ground).values())
                if sweep.ground.sum() < 100:  # no ground in view: only what is lost to it counts
                    values[:3] = [np.nan] * 3
                for name in (sensor, scene, 'all'):
                    rows.setdefault(name, []).append([*values, movers, spent])
    for name, entries in rows.items():
        mean = np.nanmean(entries, axis=0)
        yield _row(name, list(mean[:-1]), mean[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', type=Path, help='labelled sweeps')
    parser.add_argument('--seeds', type=int, default=2, help='simulated sweeps of each sensor and scene')
    arguments = parser.parse_args()
    for method in ('polar_grid', 'patchwork'):
        print(f'\n{method:24s}' + ''.join(f'{name:>12s}' for name in _COLUMNS) + '       ms', flush=True)
        if arguments.folder:
            print('\n'.join(judge_labelled(method, arguments.folder)), flush=True)
        print('\n'.join(judge_simulated(method, range(100, 100 + arguments.seeds))), flush=True)


if __name__ == '__main__':
    main()
