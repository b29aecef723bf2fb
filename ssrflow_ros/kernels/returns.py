"""The loops over the returns of one cloud: which are usable, and where a rigid motion takes them."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def usable_returns(points, min_range, low, high):
    """The points (n, 3) and the rows (n,) int64 of those of points (N, 3) float32 m that are finite, farther from the
    origin than `min_range` m, and not in the box from `low` to `high`, (3,) each."""
    count, found = len(points), 0
    kept, rows = np.empty((count, 3), np.float32), np.empty(count, np.int64)
    for row in range(count):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        squared = x * x + y * y + z * z
        inside = low[0] <= x <= high[0] and low[1] <= y <= high[1] and low[2] <= z <= high[2]
        if squared < np.inf and squared > min_range * min_range and not inside:
            kept[found, 0], kept[found, 1], kept[found, 2] = x, y, z
            rows[found] = row
            found += 1
    return kept[:found], rows[:found]


@compiled
def rows_in_range(points, reach, left_out):
    """Rows (n,) int64 of those of points (N, 3) float32 m that lie no farther than `reach` m from the origin, and are
    not `left_out` (N,) bool."""
    rows, found, most = np.empty(len(points), np.int64), 0, reach * reach
    for row in range(len(points)):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        rows[found] = row
        found += (x * x + y * y + z * z <= most) & (not left_out[row])
    return rows[:found].copy()


@compiled
def transformed_returns(points, transform):
    """(N, 3) float32 of points (N, 3) float32, by transform (3, 4) float32."""
    out = np.empty((len(points), 3), np.float32)
    (a, b, c, d), (e, f, g, h), (i, j, k, m) = transform[0], transform[1], transform[2]
    for row in range(len(points)):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        out[row, 0] = a * x + b * y + c * z + d
        out[row, 1] = e * x + f * y + g * z + h
        out[row, 2] = i * x + j * y + k * z + m
    return out


@compiled
def put_rows(out, rows, values):
    """Fill the `rows` (n,) of out (N, 3) with values (n, 3)."""
    for place in range(len(rows)):
        row = rows[place]
        out[row, 0], out[row, 1], out[row, 2] = values[place, 0], values[place, 1], values[place, 2]


@compiled
def rows_of(points, rows):
    """(n, 3), the `rows` (n,) of points (N, 3): as NumPy's `take`, which takes six times as long."""
    out = np.empty((len(rows), 3), points.dtype)
    for place in range(len(rows)):
        row = rows[place]
        out[place, 0], out[place, 1], out[place, 2] = points[row, 0], points[row, 1], points[row, 2]
    return out


@compiled
def displacements(points, moved, transform):
    """(N, 3) float32, by how much points (N, 3), `moved` (N, 3) and then displaced by transform (3, 4), have gone from
    where they were; all float32."""
    out = np.empty((len(points), 3), np.float32)
    (a, b, c, d), (e, f, g, h), (i, j, k, m) = transform[0], transform[1], transform[2]
    for row in range(len(points)):
        dx, dy, dz = moved[row, 0], moved[row, 1], moved[row, 2]
        x, y, z = points[row, 0] + dx, points[row, 1] + dy, points[row, 2] + dz
        out[row, 0] = a * x + b * y + c * z + d + dx
        out[row, 1] = e * x + f * y + g * z + h + dy
        out[row, 2] = i * x + j * y + k * z + m + dz
    return out
