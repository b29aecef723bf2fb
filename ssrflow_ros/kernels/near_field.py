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
