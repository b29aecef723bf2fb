"""Cells: which points share a cube of space, to thin clouds and to ask once for all of them."""
from __future__ import annotations

import numpy as np


def by_cell(points: np.ndarray, size: float, origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of points (N, 3) cube by cube of `size` metres, and whether each begins a new cube.

    (N,) int64, ascending within a cube, and (N,) bool.
    """
    corner = np.zeros(3) + origin
    keys = np.zeros(len(points), np.int64)
    for axis in range(3):
        cell = np.floor((points[:, axis] + np.float32(corner[axis])) / np.float32(size)).astype(np.int64)
        cell -= cell.min(initial=0)
        keys *= cell.max(initial=0) + 1
        keys += cell
    # Key and row in one number: numpy sorts numbers far faster than it finds the order of numbers.
    bits = len(points).bit_length()
    packed = np.sort(keys << bits | np.arange(len(points)))
    return packed & (1 << bits) - 1, np.diff(packed >> bits, prepend=-1) != 0
