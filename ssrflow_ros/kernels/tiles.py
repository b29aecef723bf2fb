"""Loops over small maps from above, one a cluster: distances to the next point, and sums of them under moved points.

Maps are (K, C, C); a place (x, y) in cells lies in cell [int(x), int(y)], one beyond the border in the nearest cell.
Sums are of whole numbers, and so exact.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def placed(x, y, owner, scale, corner):
    """x, y (n,) in cells from the corner of the map that is the `owner` (n,) of each: times `scale` (K,), plus `corner`
    (K, 2). All float32."""
    across, along = np.empty(len(x), np.float32), np.empty(len(x), np.float32)
    for point in range(len(x)):
        own = owner[point]
        across[point] = x[point] * scale[own] + corner[own, 0]
        along[point] = y[point] * scale[own] + corner[own, 1]
    return across, along


@compiled
def distance_maps(x, y, tile, count, side, truncated):
    """(count, side, side) uint8, squared distance in cells to the next of the points, at most `truncated`².

    x, y (n,) cells of points on the maps `tile` (n,).
    """
    maps = np.full((count, side, side), truncated * truncated, np.uint8)
    for point in range(len(x)):
        own, row, column = maps[tile[point]], int(x[point]), int(y[point])
        if own[row, column] == 0:
            continue  # another point of this cell was here
        for i in range(max(row - truncated + 1, 0), min(row + truncated, side)):
            for j in range(max(column - truncated + 1, 0), min(column + truncated, side)):
                squared = (i - row) ** 2 + (j - column) ** 2
                if squared < own[i, j]:
                    own[i, j] = squared
    return maps


@compiled
def sums_on_grid(maps, x, y, counts, which, step, steps):
    """(k, 2 steps + 1, 2 steps + 1) int64, of the maps `which` (k,): sum at every second of its `counts` (K,) points
    x, y (K, P), moved by multiples of `step` cells to either side."""
    side = maps.shape[1] - 1
    sums = np.zeros((len(which), 2 * steps + 1, 2 * steps + 1), np.int64)
    for place in range(len(which)):
        own = which[place]
        for point in range(0, counts[own], 2):
            row, column = int(x[own, point]), int(y[own, point])
            for i in range(2 * steps + 1):
                moved_row = min(max(row + (i - steps) * step, 0), side)
                for j in range(2 * steps + 1):
                    moved_column = min(max(column + (j - steps) * step, 0), side)
                    sums[place, i, j] += maps[own, moved_row, moved_column]
    return sums


@compiled
def sums_moved(maps, x, y, counts, shift, low, high):
    """Sum (K, Q) int64 of each map at its `counts` (K,) points x, y (K, P), moved by `shift` (K, Q, 2) cells, and how
    many (K, Q) they are: those that then lie between `low` and `high` (K, 2)."""
    side = maps.shape[1] - 1
    sums, numbers = np.zeros(shift.shape[:2], np.int64), np.zeros(shift.shape[:2], np.int64)
    for own in range(len(maps)):
        for asked in range(shift.shape[1]):
            east, north = shift[own, asked]
            for point in range(counts[own]):
                place_x, place_y = x[own, point] + east, y[own, point] + north
                if (low[own, 0] < place_x < high[own, 0]) and (low[own, 1] < place_y < high[own, 1]):
                    row, column = min(max(int(place_x), 0), side), min(max(int(place_y), 0), side)
                    sums[own, asked] += maps[own, row, column]
                    numbers[own, asked] += 1
    return sums, numbers


@compiled
def sorted_into_blocks(points, size, side):
    """Points (M, 3) float32 m block by block, and where each begins, (side² + 1,), of square blocks of `size` m; those
    beyond the map of `side` blocks about the origin lie in its outermost ones."""
    block, first = np.empty(len(points), np.int32), np.zeros(side * side + 1, np.int64)
    per_block, middle, last = np.float32(1 / size), np.float32(side // 2), np.float32(side - 1)
    for point in range(len(points)):
        row = int(min(max(points[point, 0] * per_block + middle, np.float32(0)), last))
        column = int(min(max(points[point, 1] * per_block + middle, np.float32(0)), last))
        block[point] = row * side + column
        first[block[point] + 1] += 1
    for own in range(side * side):
        first[own + 1] += first[own]
    place, ordered = first[:-1].copy(), np.empty_like(points)
    for point in range(len(points)):
        ordered[place[block[point]]] = points[point]
        place[block[point]] += 1
    return ordered, first


@compiled
def within(points, first, size, side, centre, span, floor, ceiling):
    """x, y and number k, (n,) each, of those of `sorted_into_blocks` within `span` (K,) m of `centre` (K, 2) m along
    both axes and between two heights (K,) m, one k after the other. All float32."""
    per_block, middle, last = np.float32(1 / size), np.float32(side // 2), np.float32(side - 1)
    blocks = np.empty((len(centre), 4), np.int64)
    count = 0
    for k in range(len(centre)):
        for axis in range(2):
            for end in range(2):
                place = centre[k, axis] + (span[k] if end else -span[k])
                blocks[k, 2 * axis + end] = int(min(max(place * per_block + middle, np.float32(0)), last))
        for row in range(blocks[k, 0], blocks[k, 1] + 1):
            count += first[row * side + blocks[k, 3] + 1] - first[row * side + blocks[k, 2]]
    x, y, owner = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.int64)
    found = 0
    for k in range(len(centre)):
        for row in range(blocks[k, 0], blocks[k, 1] + 1):
            for point in range(first[row * side + blocks[k, 2]], first[row * side + blocks[k, 3] + 1]):
                east, north, up = points[point, 0], points[point, 1], points[point, 2]
                if (
                    abs(east - centre[k, 0]) < span[k]
                    and abs(north - centre[k, 1]) < span[k]
                    and floor[k] < up < ceiling[k]
                ):
                    x[found], y[found], owner[found] = east, north, k
                    found += 1
    return x[:found], y[:found], owner[:found]
