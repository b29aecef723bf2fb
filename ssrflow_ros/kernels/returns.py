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
def answers(points, rows, moved, asked, by_network, ground, ids, probability, displacing, turn, dt):
    """What was found of some `rows` (n,) int64, ascending, of the points (N, 3) m of a sweep, for all of them: flow
    (N, 3) m, velocity and that `by_network` (N, 3) m/s, moving and ground (N,) bool, ids (N,) int32 and probability
    (N,) float32. Points of no row stand, are of no object, and no ground.

    moved, by_network  (n, 3) m in `dt` s, besides the sensor's own motion, in axes from which `turn` (3, 3) leads to
                       those of the points; of the latter nothing is made where the network was not `asked`.
    displacing         (3, 4), by which a point p that stands is displaced: it times (p, 1).
    All but rows, ids and marks are float32.
    """
    count = len(points)
    flow, velocity = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    by_its = np.empty((count if asked else 0, 3), np.float32)
    moving, is_ground = np.empty(count, np.bool_), np.empty(count, np.bool_)
    of_object, likely = np.empty(count, np.int32), np.empty(count, np.float32)
    (a, b, c, d), (e, f, g, h), (i, j, k, m) = displacing[0], displacing[1], displacing[2]
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = turn[0], turn[1], turn[2]
    place, none = 0, np.float32(0)
    for row in range(count):
        if place < len(rows) and rows[place] == row:
            u, v, w = moved[place, 0], moved[place, 1], moved[place, 2]
            velocity[row, 0], velocity[row, 1] = xx * u + xy * v + xz * w, yx * u + yy * v + yz * w
            velocity[row, 2] = zx * u + zy * v + zz * w
            moving[row], is_ground[row] = u * u + v * v + w * w > 0, ground[place]
            of_object[row], likely[row] = ids[place], probability[place]
            if asked:
                u, v, w = by_network[place, 0], by_network[place, 1], by_network[place, 2]
                by_its[row, 0], by_its[row, 1] = xx * u + xy * v + xz * w, yx * u + yy * v + yz * w
                by_its[row, 2] = zx * u + zy * v + zz * w
            place += 1
        else:
            velocity[row, 0], velocity[row, 1], velocity[row, 2] = none, none, none
            moving[row], is_ground[row], of_object[row], likely[row] = False, False, -1, none
            if asked:
                by_its[row, 0], by_its[row, 1], by_its[row, 2] = none, none, none
    for row in range(count):
        dx, dy, dz = velocity[row, 0], velocity[row, 1], velocity[row, 2]
        x, y, z = points[row, 0] + dx, points[row, 1] + dy, points[row, 2] + dz
        flow[row, 0] = a * x + b * y + c * z + d + dx
        flow[row, 1] = e * x + f * y + g * z + h + dy
        flow[row, 2] = i * x + j * y + k * z + m + dz
    for way in (velocity.reshape(-1), by_its.reshape(-1)):  # by themselves, so that vector units can
        for one in range(len(way)):
            way[one] /= dt
    return flow, velocity, by_its, moving, is_ground, of_object, likely
