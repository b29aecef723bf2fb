"""Loops over points by the cubes of space that they lie in, found by a hash table."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_HALF = 1 << 20  # cubes along an axis, to either side of the origin; what is farther lies in the last one
_MIX = np.uint64(0x9E3779B97F4A7C15)


@compiled
def _table(count):
    """An empty table (n,) of the numbers of up to `count` cubes, n a power of two and at least twice as many."""
    size = 4
    while size < 2 * count:
        size *= 2
    return np.full(size, -1, np.int32)


@compiled
def _cube(x, y, z, per_cube, origin):
    """One number for the cube of a point."""
    key = 0
    for axis, place in enumerate((x, y, z)):
        cell = np.floor(place * per_cube + origin[axis])
        key = (key << 21) | (int(min(max(cell, np.float32(-_HALF)), np.float32(_HALF - 1))) + _HALF)
    return key


@compiled
def _slot(table, keys, key):
    """Where in the table the cube `key` is, or belongs; keys (n,) of the cubes by number."""
    slot = int((np.uint64(key) * _MIX) >> np.uint64(32)) & (len(table) - 1)
    while table[slot] >= 0 and keys[table[slot]] != key:
        slot = (slot + 1) & (len(table) - 1)
    return slot


@compiled
def cubes(points, size, origin):
    """The cube (N,) int32 of `size` m that each of points (N, 3) float32 m lies in, numbered in the order of their
    first points, and the rows (n,) int64 of these. A corner of the grid is at minus `origin` (3,) m."""
    count, found = len(points), 0
    table, keys = _table(count), np.empty(count, np.int64)
    number, first = np.empty(count, np.int32), np.empty(count, np.int64)
    per_cube, shift = np.float32(1 / size), (origin / size).astype(np.float32)
    last = -1
    for row in range(count):
        key = _cube(points[row, 0], points[row, 1], points[row, 2], per_cube, shift)
        if key == last:  # as most are, along a beam's way
            number[row] = number[row - 1]
            continue
        last = key
        slot = _slot(table, keys, key)
        if table[slot] < 0:
            table[slot], keys[found], first[found] = found, key, row
            found += 1
        number[row] = table[slot]
    return number, first[:found].copy()


@compiled
def cube_means(points, size, reach):
    """(n, 3) float64 m, the mean of the points (N, 3) float32 m in each cube of `size` m, cubes in the order of their
    first points; of those points that are nearer to the origin than `reach` m, and how many (N' <= N) these are."""
    count, found, near = len(points), 0, 0
    table, keys = _table(count), np.empty(count, np.int64)
    sums, numbers = np.empty((count, 3)), np.empty(count, np.int64)
    per_cube, shift = np.float32(1 / size), np.zeros(3, np.float32)
    squared = np.float32(reach * reach)
    last, cube = -1, 0
    for row in range(count):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        if not x * x + y * y + z * z < squared:
            continue
        near += 1
        key = _cube(x, y, z, per_cube, shift)
        if key != last:
            last = key
            slot = _slot(table, keys, key)
            if table[slot] < 0:
                table[slot], keys[found] = found, key
                sums[found], numbers[found] = 0, 0
                found += 1
            cube = table[slot]
        sums[cube, 0] += x
        sums[cube, 1] += y
        sums[cube, 2] += z
        numbers[cube] += 1
    means = np.empty((found, 3))
    for cube in range(found):
        for axis in range(3):
            means[cube, axis] = sums[cube, axis] / numbers[cube]
    return means, near
