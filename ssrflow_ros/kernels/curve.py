"""The order of points along a Z-order curve (Morton 1966), on which neighbours mostly lie together."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_CELLS = 1024  # along an axis


@compiled
def _every_third(bits):
    """Ten bits, each followed by two that are 0."""
    bits = (bits | (bits << 16)) & 0x030000FF
    bits = (bits | (bits << 8)) & 0x0300F00F
    bits = (bits | (bits << 4)) & 0x030C30C3
    return (bits | (bits << 2)) & 0x09249249


@compiled
def ascending(numbers):
    """Rows (N,) int32 of numbers (N,) uint32 in their order, of equals the lower row first: NumPy sorts them by
    comparing, which takes three times as long."""
    rows, other = np.arange(len(numbers)).astype(np.int32), np.empty(len(numbers), np.int32)
    for shift in (np.uint32(0), np.uint32(11), np.uint32(22)):
        begin = np.zeros(2049, np.int32)
        for row in range(len(numbers)):
            begin[((numbers[row] >> shift) & np.uint32(2047)) + 1] += 1
        for digit in range(2048):
            begin[digit + 1] += begin[digit]
        for place in range(len(numbers)):
            digit = (numbers[rows[place]] >> shift) & np.uint32(2047)
            other[begin[digit]] = rows[place]
            begin[digit] += 1
        rows, other = other, rows
    return rows


@compiled
def along_curve(points):
    """Rows (N,) int32 of points (N, 3) float32, cell by cell along the curve, in a cell the lower row first."""
    count = len(points)
    if count == 0:
        return np.empty(0, np.int32)
    low, extent = np.empty(3, np.float32), np.float32(1e-30)
    for axis in range(3):
        least, most = points[0, axis], points[0, axis]
        for row in range(count):
            least, most = min(least, points[row, axis]), max(most, points[row, axis])
        low[axis], extent = least, max(extent, most - least)
    keys, scale = np.empty(count, np.uint32), np.float32(_CELLS - 1) / extent
    for row in range(count):
        key = 0
        for axis in range(3):
            key |= _every_third(int((points[row, axis] - low[axis]) * scale)) << axis
        keys[row] = key
    return ascending(keys)
