"""Evidence: which clusters are believed to move.

Light travels through free space only. What moves stands where the other sweep saw through, or has
left a place through which this sweep sees; what seems to move and did neither is an accident of
sampling, or came into view from behind something. What this costs and gains is in docs/accuracy.md.
"""
from __future__ import annotations

import numpy as np

from ..operators.kd_tree import KdTree
from ..sweep import EgoMotion, SweepPair

_FREE_SHARE = 0.05  # of a cluster's points, that must have taken or left free space
_AZIMUTH, _ELEVATION = np.radians(0.7), np.radians(1.5)  # cells of a view
_DEPTH, _DEPTH_SHARE = 0.3, 0.01  # m, and share of the range, by which a beam must have passed beyond
_PARTNER = 0.5  # m, within which a moved point has its partner in the target
_MOST_POINTS = 256  # of a cluster that are asked


class View:
    """What a sensor saw from the origin: the nearest range in each direction."""

    _ROWS = round(np.pi / _ELEVATION)
    _COLUMNS = round(2 * np.pi / _AZIMUTH)

    def __init__(self, points: np.ndarray):
        """points (N, 3) of a whole sweep in its own frame, ground included, metres."""
        self._nearest = np.full(self._ROWS * self._COLUMNS, np.inf, dtype=np.float32)
        cell, reach = self._cells(points)
        np.minimum.at(self._nearest, cell, reach)

    def is_free(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool: all returns from the direction of a point (N, 3) lay clearly beyond it."""
        cell, reach = self._cells(points)
        nearest = self._nearest[cell]  # inf: nothing came back from there, so nothing is known
        return np.isfinite(nearest) & (nearest > reach * (1 + _DEPTH_SHARE) + _DEPTH)

    def _cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, z = points.T
        flat = np.hypot(x, y)
        column = ((np.arctan2(y, x) + np.pi) / _AZIMUTH).astype(np.int64) % self._COLUMNS
        row = np.minimum(((np.arctan2(z, flat) + np.pi / 2) / _ELEVATION).astype(np.int64), self._ROWS - 1)
        return row * self._COLUMNS + column, np.hypot(flat, z).astype(np.float32)


def standing_still(pair: SweepPair, ego: EgoMotion, target: np.ndarray, residual: np.ndarray,
                   clusters: np.ndarray) -> np.ndarray:
    """(N,) bool, the points of the clusters for whose motion there is no evidence.

    target (M, 3) m: the target's points without ground, in the source's frame; residual displacement
    (N, 3) m and clusters (N,) int32, -1 for none, of the source's points.
    """
    rows = _some_rows_of_each(clusters)
    if not len(rows):
        return np.zeros(len(clusters), dtype=bool)
    numbers, owner = np.unique(clusters[rows], return_inverse=True)
    points = pair.source.points[rows]

    taken = View(pair.target.points).is_free(points + ego.displacement(points))
    left = np.zeros(len(rows), dtype=bool)
    if len(target):
        index, gap = KdTree(target).search(points + residual[rows], 1)
        left = View(pair.source.points).is_free(target[index[:, 0]]) & (gap[:, 0] < _PARTNER)

    share = [np.bincount(owner, free) / np.bincount(owner) for free in (taken, left)]
    return np.isin(clusters, numbers[np.maximum(*share) < _FREE_SHARE])


def _some_rows_of_each(clusters: np.ndarray) -> np.ndarray:
    """Rows of at most `_MOST_POINTS` points of each cluster, spread evenly over them."""
    rows = np.flatnonzero(clusters >= 0)
    rows = rows[np.argsort(clusters[rows], kind='stable')]
    _, first, count = np.unique(clusters[rows], return_index=True, return_counts=True)
    return np.concatenate([rows[:0], *(rows[start:start + n:-(-n // _MOST_POINTS)] for start, n in zip(first, count))])
