"""Loops over points by the cubes of space that they lie in, found by a hash table."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_HALF = 1 << 20  # cubes along an axis, to either side of the origin; what is farther lies in the last one
_BLOCK = 1024  # points that are worked on at a time
_MIX = np.uint64(0x9E3779B97F4A7C15)


@compiled
def _table(count):
    """An empty table (n,) of the numbers of up to `count` cubes, n a power of two and at least twice as many."""
    size = 4
    while size < 2 * count:
        size *= 2
    return np.full(size, -1, np.int32)


@compiled
def _along(place, per_cube, origin):
    """Which cube along an axis, from 0 on."""
    cell = np.floor(place * per_cube + origin)
    return np.int64(np.int32(min(max(cell, np.float32(-_HALF)), np.float32(_HALF - 1)))) + _HALF


@compiled
def _cube(x, y, z, per_cube, origin):
    """One number for the cube of a point."""
    key = 0
    for axis, place in enumerate((x, y, z)):
        key = (key << 21) | _along(place, per_cube, origin[axis])
    return key


@compiled
def _keys(points, per_cube, origin, x, keys):
    """Fill keys (n,) int64 with the number of the cube of each of points (n, 3) float32, as of `_cube`; axis by axis,
    so that vector units can. x (n,) float32 is to work in."""
    for axis in range(3):
        for point in range(len(points)):
            x[point] = points[point, axis]
        for point in range(len(points)):
            keys[point] = ((keys[point] if axis else 0) << 21) | _along(x[point], per_cube, origin[axis])


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
    last, x, own = -1, np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.int64)
    for begin in range(0, count, _BLOCK):
        size = min(_BLOCK, count - begin)
        _keys(points[begin : begin + size], per_cube, shift, x, own)
        for row in range(begin, begin + size):
            key = own[row - begin]
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
    last, cube, place, own = -1, 0, np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.int64)
    for begin in range(0, count, _BLOCK):
        size = min(_BLOCK, count - begin)
        _keys(points[begin : begin + size], per_cube, shift, place, own)
        for row in range(begin, begin + size):
            x, y, z = points[row, 0], points[row, 1], points[row, 2]
            if not x * x + y * y + z * z < squared:
                continue
            near += 1
            key = own[row - begin]
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


@compiled
def means_of_each(values, number, count):
    """(count, 3) float64, the mean of those of values (N, 3) that bear each `number` (N,)."""
    sums, size = np.zeros((count, 3)), np.zeros(count, np.int64)
    for row in range(len(values)):
        own = number[row]
        size[own] += 1
        sums[own, 0] += values[row, 0]
        sums[own, 1] += values[row, 1]
        sums[own, 2] += values[row, 2]
    for own in range(count):
        for axis in range(3):
            sums[own, axis] /= size[own]
    return sums


@compiled
def _root(parent, row):
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def chained(points, velocity, distance, alike, share):
    """Number (N,) int32 of the chain that holds each of points (N, 3) m, in the order of their first points.

    A chain's neighbours lie within `distance` m, and their velocities (N, 3) differ by less than `alike` m/s or than
    that `share` of the greater speed.
    """
    count, found = len(points), 0
    table, keys, key = _table(count), np.empty(count, np.int64), np.empty(count, np.int64)
    newest, before = np.empty(count, np.int32), np.empty(count, np.int32)  # points of a cube, the last one first
    parent, speed = np.arange(count), np.empty(count)
    per_cube, origin = 0.999 / distance, np.zeros(3)
    for row in range(count):
        speed[row] = np.sqrt(velocity[row, 0] ** 2 + velocity[row, 1] ** 2 + velocity[row, 2] ** 2)
        key[row] = _cube(points[row, 0], points[row, 1], points[row, 2], per_cube, origin)
        slot = _slot(table, keys, key[row])
        if table[slot] < 0:
            table[slot], keys[found], newest[found] = found, key[row], -1
            found += 1
        before[row], newest[table[slot]] = newest[table[slot]], row
    for row in range(count):
        other = before[row]
        for beside in range(14):  # its own cube, and half of those about it: of the other half they find each other
            if beside:
                i, j, k = (beside + 13) // 9 - 1, (beside + 13) // 3 % 3 - 1, (beside + 13) % 3 - 1
                slot = _slot(table, keys, key[row] + (i << 42) + (j << 21) + k)
                other = newest[table[slot]] if table[slot] >= 0 else -1
            while other >= 0:
                dx, dy, dz = (
                    points[other, 0] - points[row, 0],
                    points[other, 1] - points[row, 1],
                    points[other, 2] - points[row, 2],
                )
                if dx * dx + dy * dy + dz * dz <= distance * distance:
                    dx, dy, dz = (
                        velocity[other, 0] - velocity[row, 0],
                        velocity[other, 1] - velocity[row, 1],
                        velocity[other, 2] - velocity[row, 2],
                    )
                    most = max(alike, share * max(speed[row], speed[other]))
                    if dx * dx + dy * dy + dz * dz < most * most:
                        one, two = _root(parent, row), _root(parent, other)
                        parent[max(one, two)] = min(one, two)
                other = before[other]
    number, chains = np.empty(count, np.int32), 0
    for row in range(count):
        root = _root(parent, row)
        if root == row:
            number[row] = chains
            chains += 1
        else:
            number[row] = number[root]
    return number


@compiled
def clustered(points, velocity, rows, size, most, distance, alike, share, fewest):
    """Number (n,) int32 of the cluster of each of the `rows` (n,) of points (N, 3) m, -1 of those that are in none.

    The points are gathered in cubes of `size` m, or larger ones of which there are no more than `most`; a cluster is a
    chain of these, as of `chained`, within `distance` m or two cubes, that holds `fewest` points or more.
    """
    count = len(rows)
    own, motion = np.empty((count, 3), np.float32), np.empty((count, 3), velocity.dtype)
    for place in range(count):
        for axis in range(3):
            own[place, axis], motion[place, axis] = points[rows[place], axis], velocity[rows[place], axis]
    cube, first = cubes(own, size, np.zeros(3))
    while len(first) > most:
        size *= 1.5
        cube, first = cubes(own, size, np.zeros(3))
    chain = chained(
        means_of_each(own, cube, len(first)),
        means_of_each(motion, cube, len(first)),
        max(distance, 2 * size),
        alike,
        share,
    )
    number, held = np.full(count, -1, np.int32), np.zeros(len(first), np.int64)
    for place in range(count):
        held[chain[cube[place]]] += 1
    for place in range(count):
        if held[chain[cube[place]]] >= fewest:
            number[place] = chain[cube[place]]
    return number


@compiled
def thinned(points, counts, older, older_counts, seen_ns, oldest_ns, size, most):
    """Rows (n,) int64 that are kept of K groups, and how many of each, (K,): at most `most`, evenly chosen of those
    points that are the first of their group in a cube of `size` m.

    A group's are first `counts` (K,) of points (N, 3) float32 m, then `older_counts` (K,) of older (M, 3) float32 m, as
    far as they were seen, `seen_ns` (M,), at `oldest_ns` or later. The rows of the latter go on from N.
    """
    rows, left = np.empty(len(counts) * most, np.int64), np.empty(len(counts), np.int64)
    found, begin, begin_older = 0, 0, 0
    per_cube, origin = np.float32(1 / size), np.zeros(3, np.float32)
    for group in range(len(counts)):
        new, old = counts[group], older_counts[group]
        table, keys, first, own = _table(new + old), np.empty(new + old, np.int64), np.empty(new + old, np.int64), 0
        last = -1
        for place in range(new + old):
            if place < new:
                row = begin + place
                x, y, z = points[row, 0], points[row, 1], points[row, 2]
            else:
                row = begin_older + place - new
                if seen_ns[row] < oldest_ns:
                    continue
                x, y, z = older[row, 0], older[row, 1], older[row, 2]
                row += len(points)
            key = _cube(x, y, z, per_cube, origin)
            if key == last:  # as many are, along a beam's way
                continue
            last = key
            slot = _slot(table, keys, key)
            if table[slot] < 0:
                table[slot], keys[own], first[own] = own, key, row
                own += 1
        few = min(own, most)
        for place in range(few):
            rows[found] = first[place * (own - 1) // max(few - 1, 1)]
            found += 1
        left[group] = few
        begin, begin_older = begin + new, begin_older + old
    return rows[:found].copy(), left
