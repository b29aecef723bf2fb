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
from .cells import by_cell, thin

VOXEL = 0.2  # metres; finer than any level of the network
FOCUS = 0.5  # share of the points that goes to the changed parts of the scene
_FEWEST = 3  # points below which there is nothing to match
_EXPLAINED, _WIDENING = 1.5 * VOXEL, 0.01  # m, and m a metre of range, that sampling alone explains
_EXPLAINED_WITHIN = (np.sqrt(3) * VOXEL - _EXPLAINED) / _WIDENING  # m; farther out one cube is one place


def sample_pair(source: np.ndarray, target: np.ndarray, n_points: int, seed: int = 0,
                focus: float = FOCUS) -> tuple[Sample, Sample]:
    """What the network sees of `source` (N, 3) and of `target` (M, 3).

    Both clouds in the source's frame, ego-motion removed, metres. `n_points` of each, or fewer where
    the thinned clouds hold fewer. Deterministic for a given seed, which shifts the voxel grid.
    """
    origin = np.random.default_rng(seed).uniform(0.0, VOXEL, 3).astype(np.float32)
    rows = [thin(points, VOXEL, origin) for points in (source, target)]
    thinned = [points.take(kept, axis=0) for points, kept in zip((source, target), rows)]
    if min(map(len, thinned)) < _FEWEST:
        chosen = [_spread(points, n_points, None, focus) for points in thinned]
        return tuple(Sample(kept[some], np.zeros((len(some), 3), np.float32)) for kept, some in zip(rows, chosen))
    samples = []
    for kept, points, others, alone in zip(rows, thinned, reversed(thinned), _alone(*thinned, origin)):
        nearest = KdTree(others)
        change = np.zeros(len(points), np.float32)
        reach = np.sqrt(np.einsum('ij,ij->i', points, points))
        unsure = np.flatnonzero(alone | (reach < _EXPLAINED_WITHIN))
        # Neighbouring beams diverge, so two samplings of one wall differ more the farther it is.
        change[unsure] = (nearest.search(points.take(unsure, axis=0), 1)[1][:, 0]
                          / (_EXPLAINED + _WIDENING * reach[unsure]))
        chosen = _spread(points, n_points, change, focus)
        seen = points.take(chosen, axis=0)
        samples.append(Sample(kept[chosen], others.take(nearest.search(seen, 1)[0][:, 0], axis=0) - seen))
    return tuple(samples)


def _alone(source: np.ndarray, target: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,), (M,) bool, which points of the thinned clouds have none of the other cloud in their cube."""
    rows, begins = by_cell(np.concatenate([source, target]), VOXEL, origin)
    second = np.flatnonzero(~begins)
    alone = np.ones(len(rows), bool)
    alone[rows[second]] = alone[rows[second - 1]] = False
    return alone[:len(source)], alone[len(source):]


def _spread(points: np.ndarray, n: int, change: np.ndarray | None, focus: float) -> np.ndarray:
    """`n` rows of `points`: a share `focus` among the most changed, above 1, the rest over everything."""
    if len(points) <= n:
        return np.arange(len(points))
    if change is None or focus == 0.0:
        return _cover(points, n)
    changed = np.flatnonzero(change > 1.0)
    share = min(int(n * focus), len(changed))
    # What changed beyond need is mostly noise of sampling: the strongest changes go first.
    changed = changed[np.argsort(-change[changed], kind='stable')[:2 * share]]
    chosen = changed[farthest_points(points[changed], share)]
    free = np.ones(len(points), dtype=bool)
    free[chosen] = False
    rest = np.flatnonzero(free)
    return np.concatenate([chosen, rest[_cover(points.take(rest, axis=0), n - share)]])


def _cover(points: np.ndarray, n: int) -> np.ndarray:
    """`n` < N rows that leave no gap: farthest points of a thinning twice as coarse, or all of it and some between."""
    coarse = thin(points, 2 * VOXEL)
    if n <= len(coarse):
        return coarse[farthest_points(points.take(coarse, axis=0), n)]
    between = np.ones(len(points), dtype=bool)
    between[coarse] = False
    between = np.flatnonzero(between)
    return np.concatenate([coarse, between[np.linspace(0, len(between) - 1, n - len(coarse)).astype(np.int64)]])


def farthest_points(points: np.ndarray, n: int) -> np.ndarray:
    """Rows (min(n, N),) int64 of a farthest point sample of `points` (N, 3)."""
    if n == 0 or len(points) <= n:
        return np.arange(min(n, len(points)))
    return farthest_point_order(torch.from_numpy(points)[None], n)[0].numpy()
