"""Cells: which points share a cube of space, to thin clouds and to ask once for all of them."""

from __future__ import annotations

import numpy as np

from ..kernels.cubes import cube_means, cubes


def thin(points: np.ndarray, size: float, origin: np.ndarray | float = 0.0) -> np.ndarray:
    """Rows (n,) of the first of points (N, 3) m in each occupied cube of `size` m, ascending; as `by_cell`."""
    return by_cell(points, size, origin)[1]


def by_cell(points: np.ndarray, size: float, origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The cube (N,) int32 of `size` m that each of points (N, 3) m lies in, and the first row (n,) int64 of each cube.

    Cubes are numbered in the order of their first points. They reach a million times their size from minus `origin`;
    what is farther shares the last ones.
    """
    return cubes(np.ascontiguousarray(points, np.float32), size, np.zeros(3) + origin)


def means(points: np.ndarray, size: float, reach: float) -> tuple[np.ndarray, int]:
    """(n, 3) float64 m, the mean of the points (N, 3) m in each occupied cube of `size` m, as far as they are within
    `reach` m of the origin, and how many of them are."""
    return cube_means(np.ascontiguousarray(points, np.float32), size, reach)
