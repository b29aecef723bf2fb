"""A kd-tree over one cloud of numpy points: small_gicp's where its wheel is installed, else scipy's."""
from __future__ import annotations

import numpy as np

try:
    from small_gicp import KdTree as _Tree
except ImportError:  # scipy is always there and 1.5 times slower
    _Tree = None
    from scipy.spatial import cKDTree


class KdTree:
    """Nearest neighbours among `points` (N, 3), metres; built and searched with so many `threads`."""

    def __init__(self, points: np.ndarray, threads: int = 1):
        self._threads = threads
        self._tree = _Tree(points.astype(np.float64), self._threads) if _Tree else cKDTree(points)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(M, k) int64 indices, nearest first, and (M, k) float64 distances in metres; k <= N."""
        if _Tree:
            index, squared = self._tree.batch_knn_search(queries.astype(np.float64), k, self._threads)
            return np.asarray(index).astype(np.int64).reshape(-1, k), np.sqrt(squared).reshape(-1, k)
        distance, index = self._tree.query(queries, k, workers=self._threads)
        return index.reshape(-1, k).astype(np.int64), distance.reshape(-1, k)
