"""Cells: which points share a cube of space, to thin clouds and to ask once for all of them."""

from __future__ import annotations

import numpy as np


def by_cell(points: np.ndarray, size: float, origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of points (N, 3) cube by cube of `size` metres, and whether each begins a new cube.

    (N,) int64, ascending within a cube, and (N,) bool. The cubes along the three axes, multiplied, and N must
    stay below 2^63: a kilometre each way in steps of 0.1 m is far from it.
    """
    return _sorted(_keys(points, size, origin), np.arange(len(points)), len(points))


def thin(points: np.ndarray, size: float, origin: np.ndarray | float = 0.0) -> np.ndarray:
    """Rows (n,) of the first point in each occupied cube of `size` metres, ascending; limits as of `by_cell`."""
    keys = _keys(points, size, origin)
    # Along a beam's way most points share the cube of the one before: they need not be sorted.
    rows = np.flatnonzero(_begins(keys))
    rows, begins = _sorted(keys.take(rows), rows, len(points))
    return np.sort(rows[begins])


def _keys(points: np.ndarray, size: float, origin: np.ndarray | float) -> np.ndarray:
    """(N,) int64, one number for each cube."""
    keys = np.zeros(len(points), np.int64)
    for axis, corner in enumerate(np.zeros(3) + origin):
        place = points[:, axis] * np.float32(1 / size)
        place += np.float32(corner / size)
        place -= np.floor(place.min(initial=0))
        cell = place.astype(np.int64)
        keys *= cell.max(initial=0) + 1
        keys += cell
    return keys


def _sorted(keys: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`rows` (n,) < `count` in the order of their `keys` (n,), which are used up, and whether each begins a new key."""
    # Key and row in one number: numpy sorts numbers far faster than it finds the order of numbers.
    bits = count.bit_length()
    keys <<= bits
    keys |= rows
    keys.sort()
    rows = keys & (1 << bits) - 1
    keys >>= bits
    return rows, _begins(keys)


def _begins(keys: np.ndarray) -> np.ndarray:
    """(n,) bool, whether each number differs from the one before it."""
    begins = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    return begins
