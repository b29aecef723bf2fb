"""Loops over the near field: which points are close to the sensor, and a cloud without some of them."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def near_cells(points, reach, cell, half):
    """Rows (n,) int64 of points (N, 3) float32 m nearer than `reach` to the vertical through the origin, and no higher
    or lower than that; and the cell (n,) int64 of each, in a cube of 2 * `half` cells a side, `cell` m each."""
    side, per_cell, squared = 2 * half, np.float32(1) / cell, reach * reach
    near = 0
    for row in range(len(points)):  # counted first: mostly few are near, and memory for all takes as long as the rest
        near += (
            points[row, 0] * points[row, 0] + points[row, 1] * points[row, 1] < squared and abs(points[row, 2]) < reach
        )
    rows, cells, count = np.empty(near, np.int64), np.empty(near, np.int64), 0
    for row in range(len(points)):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        if x * x + y * y < squared and abs(z) < reach:
            i, j, k = np.floor(x * per_cell), np.floor(y * per_cell), np.floor(z * per_cell)
            rows[count] = row
            cells[count] = ((int(i) + half) * side + int(j) + half) * side + int(k) + half
            count += 1
    return rows, cells


@compiled
def without_rows(points, numbers, dropped):
    """points (N, 3) float32 and numbers (N,) int64 without the ascending rows `dropped` (d,)."""
    left = len(points) - len(dropped)
    kept_points, kept_numbers = np.empty((left, 3), points.dtype), np.empty(left, numbers.dtype)
    count = next_one = 0
    for row in range(len(points)):
        if next_one < len(dropped) and dropped[next_one] == row:
            next_one += 1
            continue
        for axis in range(3):
            kept_points[count, axis] = points[row, axis]
        kept_numbers[count] = numbers[row]
        count += 1
    return kept_points, kept_numbers


@compiled
def touching(mask, side):
    """(side³,) int32, for each cell of a cube of `side` cells a side that is in the `mask` (side³,) bool the number of
    the body it belongs to, from 0 on, 0 elsewhere too; cells that touch, if only at a corner, are of one body."""
    number, waiting, bodies = np.zeros(len(mask), np.int32), np.empty(len(mask), np.int32), 0
    seen = np.zeros(len(mask), np.bool_)
    for first in range(len(mask)):
        if not mask[first] or seen[first]:
            continue
        waiting[0], seen[first], height = first, True, 1
        while height:
            height -= 1
            cell = waiting[height]
            number[cell] = bodies
            x, y, z = cell // (side * side), cell // side % side, cell % side
            for i in range(max(x - 1, 0), min(x + 2, side)):
                for j in range(max(y - 1, 0), min(y + 2, side)):
                    for k in range(max(z - 1, 0), min(z + 2, side)):
                        beside = (i * side + j) * side + k
                        if mask[beside] and not seen[beside]:
                            waiting[height], seen[beside] = beside, True
                            height += 1
        bodies += 1
    return number
