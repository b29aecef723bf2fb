"""Judge the ground removals: `python -m ssrflow_ros.evaluation.ground DATA_FOLDER`.

DATA_FOLDER/ground/*.npz hold `points` (N, 3+) and `sem` (N,), SemanticKITTI training ids (0 and
below: unknown); DATA_FOLDER/pairs/*.npz hold `pc1`, `dynamic`, `valid` and tell how many returns of
moving objects would be lost.
"""
from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Callable

import numpy as np

from ..settings import Settings
from ..steps.ground import make_ground

_GROUND = (9, 10, 11, 12, 17)   # road, parking, sidewalk, other ground, terrain
_THINGS = tuple(range(1, 9))    # cars ... riders


def score(mask: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Precision, recall and IoU of the ground, and the share of other returns that is lost to it."""
    hit, false, missed = (mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum()
    return {'precision': hit / max(hit + false, 1), 'recall': hit / max(hit + missed, 1),
            'IoU': hit / max(hit + false + missed, 1), 'lost': false / max((~truth).sum(), 1)}


def timed(function: Callable, *arguments, repeats: int = 5) -> tuple[object, float]:
    """Result and median milliseconds of some calls."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        spent.append(1e3 * (time.perf_counter() - start))
    return result, statistics.median(spent)


def main(folder: Path) -> None:
    for method in ('polar_grid', 'patchwork'):
        print(f'\n{method:12s} {"precision":>9s} {"recall":>9s} {"IoU":>9s} {"lost":>9s} {"things lost":>12s} {"ms":>6s}')
        ground = make_ground(Settings(ground=method))
        for path in sorted(folder.glob('ground/*.npz')):
            data = np.load(path)
            known = data['sem'] > 0
            mask, spent = timed(ground, data['points'][:, :3])
            row = score(mask[known], np.isin(data['sem'][known], _GROUND))
            lost = mask[np.isin(data['sem'], _THINGS)].mean()
            print(f'{path.stem[:12]:12s} ' + ' '.join(f'{v:9.3f}' for v in row.values()) + f' {lost:12.3f} {spent:6.1f}')
        for path in sorted(folder.glob('pairs/*.npz')):
            data = np.load(path)
            moving = data['dynamic'] & data['valid']
            if 'note' in data and 'z up' not in str(data['note']) and 'LiDAR' not in str(data['note']):
                pass
            if moving.any():
                mask, spent = timed(ground, data['pc1'])
                print(f'{path.stem:24s} ground {mask.mean():.3f} of {len(mask)}, '
                      f'lost {mask[moving].mean():.3f} of {moving.sum()} moving, {spent:.1f} ms')


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
