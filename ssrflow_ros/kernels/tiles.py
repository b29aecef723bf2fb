"""Loops over small maps from above, one a cluster: distances to the next point, and sums of them under moved points.

Maps are (K, C, C); a place (x, y) in cells lies in cell [int(x), int(y)], one beyond the border in the nearest cell.
Sums are of whole numbers, and so exact.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled


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
