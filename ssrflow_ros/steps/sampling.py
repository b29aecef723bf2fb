"""Sampling: the points of both sweeps that the network sees.

Voxel thinning evens out the density of the beams, farthest point sampling then covers all there is,
lone objects included (a random choice loses them). Half of the points go where the ego-aligned
sweeps disagree: what did not move explains itself, what did needs points on it.
"""
from __future__ import annotations

import numpy as np
import torch

from ..operators import farthest_point_order
from ..operators.kd_tree import KdTree
from ..sweep import Sample
from .cells import by_cell

VOXEL = 0.2  # metres; finer than any level of the network
FOCUS = 0.5  # share of the points that goes to the changed parts of the scene
_FEWEST = 3  # points below which there is nothing to match


def sample_pair(source: np.ndarray, target: np.ndarray, n_points: int, seed: int = 0,
                focus: float = FOCUS) -> tuple[Sample, Sample]:
    """What the network sees of `source` (N, 3) and of `target` (M, 3).

    Both clouds in the source's frame, ego-motion removed, metres. `n_points` of each, or fewer where
    the thinned clouds hold fewer. Deterministic for a given seed, which shifts the voxel grid.
    """
    origin = np.random.default_rng(seed).uniform(0.0, VOXEL, 3).astype(np.float32)
    rows = [thin(points, VOXEL, origin) for points in (source, target)]
    thinned = [points[kept] for points, kept in zip((source, target), rows)]
    enough = min(map(len, thinned)) >= _FEWEST
    samples = []
    for kept, points, others in zip(rows, thinned, reversed(thinned)):
        offsets = _to_nearest(points, others) if enough else np.zeros_like(points)
        chosen = _spread(points, n_points, _unexplained(points, offsets) if enough else None, focus)
        samples.append(Sample(kept[chosen], offsets[chosen]))
    return tuple(samples)


def thin(points: np.ndarray, voxel: float, origin: np.ndarray | float = 0.0) -> np.ndarray:
    """Rows (n,) of one point in each occupied cube of `voxel` metres, ascending."""
    rows, begins = by_cell(points, voxel, origin)
    return np.sort(rows[begins])


def _to_nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, 3) m from each of `points` (N, 3) to the nearest of `others` (M, 3)."""
    return others[KdTree(others).search(points, 1)[0][:, 0]] - points


def _unexplained(points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(N,) length of the `offsets` to the other sweep, in units of what sampling alone explains there."""
    # Neighbouring beams diverge, so two samplings of one wall differ more the farther it is.
    return np.linalg.norm(offsets, axis=1) / (1.5 * VOXEL + 0.01 * np.linalg.norm(points, axis=1))


def _spread(points: np.ndarray, n: int, change: np.ndarray | None, focus: float) -> np.ndarray:
    """`n` rows of `points`: a share `focus` among the most changed, the rest over everything."""
    if len(points) <= n:
        return np.arange(len(points))
    if change is None or focus == 0.0:
        return farthest_points(points, n)
    changed = np.flatnonzero(change > 1.0)
    share = min(int(n * focus), len(changed))
    # What changed beyond need is mostly noise of sampling: the strongest changes go first.
    changed = changed[np.argsort(-change[changed], kind='stable')[:2 * share]]
    chosen = changed[farthest_points(points[changed], share)]
    free = np.ones(len(points), dtype=bool)
    free[chosen] = False
    rest = np.flatnonzero(free)
    return np.concatenate([chosen, rest[farthest_points(points[rest], n - share)]])


def farthest_points(points: np.ndarray, n: int) -> np.ndarray:
    """Rows (min(n, N),) int64 of a farthest point sample of `points` (N, 3)."""
    if n == 0 or len(points) == 0:
        return np.empty(0, np.int64)
    return farthest_point_order(torch.from_numpy(points)[None], min(n, len(points)))[0].numpy()
