"""Farthest point sampling in buckets: a new point asks only those buckets that it may be nearest to."""

from __future__ import annotations

import numpy as np

from . import curve, returns
from .compiled import compiled

_BUCKET, _GROUP = 64, 16  # points that lie together, and buckets that do
DIRECTION = (0.8017837, 0.5345225, 0.2672612)
"""Points are ordered along it first; no two points of a real cloud are level along it."""


@compiled
def _boxed(low, high, size):
    """Low and high corners (3, n) of each `size` of the boxes that are given so."""
    count = low.shape[1] // size
    lower, higher = np.empty((3, count), np.float32), np.empty((3, count), np.float32)
    for axis in range(3):
        for box in range(count):
            inside = slice(box * size, (box + 1) * size)
            lower[axis, box], higher[axis, box] = low[axis, inside].min(), high[axis, inside].max()
    return lower, higher


@compiled
def _away(low, high, x, y, z, out):
    """Squared distance (n,) of a point to each of the boxes with the corners low, high (3, n)."""
    west, south, bottom, east, north, top = low[0], low[1], low[2], high[0], high[1], high[2]
    for box in range(len(out)):
        dx = max(max(west[box] - x, x - east[box]), np.float32(0))
        dy = max(max(south[box] - y, y - north[box]), np.float32(0))
        dz = max(max(bottom[box] - z, z - top[box]), np.float32(0))
        out[box] = dx * dx + dy * dy + dz * dz


@compiled
def _sample(points, rows, order):
    """Fill `order` (n,) with rows of points (N, 3); order[0] is given, `rows` (N,) lists neighbours together."""
    count, group = len(points), _BUCKET * _GROUP
    groups = (count + group - 1) // group
    # The last bucket is filled up with its last point, which is as good as taken there.
    along = np.empty((3, groups * group), np.float32)
    # Of each point the squared distance to the nearest one taken, and behind it, in one number, how low its row is; -1
    # for those taken. So the greatest is the next one. Of each bucket and group the greatest of its own.
    last = np.zeros(groups * group, np.int64)
    far = np.full(groups * group, -1, np.int64)
    place_of = np.empty(count, np.int32)
    for place in range(groups * group):
        row = rows[min(place, count - 1)]
        along[0, place], along[1, place], along[2, place] = points[row, 0], points[row, 1], points[row, 2]
        if place < count:
            place_of[row] = place
            last[place] = 0x7FFFFFFF - row
            far[place] = (0x7F800000 << 32) | last[place]
    far[place_of[order[0]]] = -1
    low, high = _boxed(along, along, _BUCKET)
    group_low, group_high = _boxed(low, high, _GROUP)
    greatest, group_greatest = np.full(groups * _GROUP, -1, np.int64), np.full(groups, -1, np.int64)
    # The distances within them as floats; -1 is no number, and nothing is less than it.
    most, group_most = np.full(groups * _GROUP, np.inf, np.float32), np.full(groups, np.inf, np.float32)
    bits, group_bits = most.view(np.int32), group_most.view(np.int32)
    group_off, off, squared = np.empty(groups, np.float32), np.empty(_GROUP, np.float32), np.empty(_BUCKET, np.float32)
    squared_bits = squared.view(np.int32)
    for number in range(1, len(order)):
        taken = order[number - 1]
        x, y, z = points[taken, 0], points[taken, 1], points[taken, 2]
        _away(group_low, group_high, x, y, z, group_off)
        for one in range(groups):
            if not group_off[one] <= group_most[one]:
                continue
            first = one * _GROUP
            _away(low[:, first : first + _GROUP], high[:, first : first + _GROUP], x, y, z, off)
            for beside in range(_GROUP):
                bucket = first + beside
                if not off[beside] <= most[bucket]:
                    continue
                begin = bucket * _BUCKET
                east, north, up = (along[0, begin:], along[1, begin:], along[2, begin:])
                for place in range(_BUCKET):
                    dx, dy, dz = east[place] - x, north[place] - y, up[place] - z
                    squared[place] = dx * dx + dy * dy + dz * dz
                own, own_last, best = far[begin : begin + _BUCKET], last[begin : begin + _BUCKET], -1
                for place in range(_BUCKET):
                    own[place] = min(own[place], (np.int64(squared_bits[place]) << 32) | own_last[place])
                    best = max(best, own[place])
                greatest[bucket] = best
                bits[bucket] = best >> 32
            best = -1
            for beside in range(_GROUP):
                best = max(best, greatest[first + beside])
            group_greatest[one] = best
            group_bits[one] = best >> 32
        best = -1
        for one in range(groups):
            best = max(best, group_greatest[one])
        order[number] = 0x7FFFFFFF - (best & 0x7FFFFFFF)
        far[place_of[order[number]]] = -1


def farthest_points(points: np.ndarray, n: int) -> np.ndarray:
    """Rows (min(n, N),) int64 of a farthest point sample of `points` (N, 3) float32, whatever order they stand in."""
    if n == 0 or len(points) <= n:
        return np.arange(min(n, len(points)))
    along = sum(axis * np.float32(share) for axis, share in zip(points.T, DIRECTION))
    # The bits of a float as a number that grows with it.
    bits = along.view(np.int32)
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.uint32) ^ np.uint32(1 << 31)
    own = curve.ascending(ordered).astype(np.int64)
    return own.take(farthest_point_order(returns.rows_of(points, own), n))


def farthest_point_order(points: np.ndarray, n: int, start: int = 0) -> np.ndarray:
    """Rows (n,) int64 of points (N, 3) float32 m, n <= N, from `start` on each the farthest from all before it.

    Of equals the lower row comes first; no row comes twice, not even among duplicates.
    """
    order = np.full(n, start, np.int64)
    if n > 1:
        points = np.ascontiguousarray(points, np.float32)
        _sample(points, curve.along_curve(points), order)
    return order
