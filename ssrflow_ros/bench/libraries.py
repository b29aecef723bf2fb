"""Libraries that could do an operator's job; the alternatives of `alternatives.py`."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ..inference.device import threads

Work = Callable[[], Any]


def nearest_neighbours(queries: np.ndarray, points: np.ndarray, k: int) -> dict[str, Work]:
    """k nearest of points (N, 3) to queries (M, 3), float32: building and asking, each library as it is meant."""
    workers = threads()

    def scipy() -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(points).query(queries, k, workers=workers)

    def small_gicp() -> Any:
        from small_gicp import KdTree

        return KdTree(points.astype(np.float64), workers).batch_knn_search(queries.astype(np.float64), k, workers)

    return {'scipy': scipy, 'small_gicp': small_gicp}


def thinning(points: np.ndarray, voxel: float) -> dict[str, Work]:
    """One point a voxel."""

    def small_gicp() -> Any:
        from small_gicp import voxelgrid_sampling

        return voxelgrid_sampling(points.astype(np.float64), voxel, num_threads=1)

    return {
        'small_gicp': small_gicp,
        'numpy.unique': lambda: np.unique(np.floor(points / voxel).astype(np.int64), axis=0, return_index=True),
    }
