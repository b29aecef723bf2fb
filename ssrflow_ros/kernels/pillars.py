"""Neighbours by pillars: the points of each square of a map from above lie side by side.

For clouds that stand on the ground, and queries among them, which look at the one or two pillars about them. There is
nothing to be built but one sort: a kd-tree takes ten times as long, but does not care how points lie.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_SIDE = 256  # pillars of the map's side
_SPACING = 2.0  # sides of a pillar, by how far points would lie apart, spread evenly over the map
_NOTHING = (0x7F800000 << 32) | 0x7FFFFFFF  # infinitely far, after every row
_FARTHER = np.float32(1.000001)  # than a square root may be rounded to
_LINE = 0.01  # of the squared spread, what a patch must have of two directions
_POWERS = 3  # of the adjugate, after which its largest direction is all that is left


@compiled
def _pillar(value, corner, per_size):
    """The pillar along one axis; what lies beyond the map is in its outermost ones."""
    return int(min(max((value - corner) * per_size, np.float32(0)), np.float32(_SIDE - 1)))


@compiled
def _sorted(points):
    """The points (3, N) and their rows (N,) pillar by pillar, and where each pillar begins (_SIDE² + 1,); the map's
    corner (2,) m, and pillars a metre."""
    count = len(points)
    middle, spread = np.zeros(2), 0.0
    for axis in range(2):
        for row in range(count):
            middle[axis] += points[row, axis]
        middle[axis] /= count
    for row in range(count):
        spread += abs(points[row, 0] - middle[0]) + abs(points[row, 1] - middle[1])
    size = max(_SPACING * spread / count / np.sqrt(count), 1e-3)
    per_size, corner = np.float32(1 / size), (middle - size * _SIDE / 2).astype(np.float32)
    first, own = np.zeros(_SIDE * _SIDE + 1, np.int32), np.empty(count, np.int32)
    for row in range(count):
        x, y = _pillar(points[row, 0], corner[0], per_size), _pillar(points[row, 1], corner[1], per_size)
        own[row] = x * _SIDE + y
        first[own[row] + 1] += 1
    for pillar in range(_SIDE * _SIDE):
        first[pillar + 1] += first[pillar]
    place, ordered, rows = first[:-1].copy(), np.empty((3, count), np.float32), np.empty(count, np.int32)
    for row in range(count):
        at = place[own[row]]
        place[own[row]] += 1
        ordered[0, at], ordered[1, at], ordered[2, at], rows[at] = points[row, 0], points[row, 1], points[row, 2], row
    return ordered, rows, first, corner, per_size


@compiled
def _search(pillars, queries, index, away):
    ordered, rows, first, corner, per_size = pillars
    xs, ys, zs = ordered[0], ordered[1], ordered[2]
    # Squared distance and row in one number, of which the bits of a positive float are the upper half: the nearer
    # point has the lower one, of equals the lower row.
    squared = np.empty(len(rows), np.float32)
    bits = squared.view(np.int32)
    for query in range(len(queries)):
        x, y, z = queries[query, 0], queries[query, 1], queries[query, 2]
        i, j = _pillar(x, corner[0], per_size), _pillar(y, corner[1], per_size)
        # First the square of pillars about the query that holds something, then all that its nearest point reaches.
        west, east, south, north, beyond, nearest, is_last = i, i, j, j, 0, _NOTHING, False
        while True:
            for row in range(west, east + 1):
                begin, end = first[row * _SIDE + south], first[row * _SIDE + north + 1]
                for place in range(begin, end):
                    dx, dy, dz = xs[place] - x, ys[place] - y, zs[place] - z
                    squared[place] = dx * dx + dy * dy + dz * dz
                for place in range(begin, end):
                    nearest = min(nearest, (np.int64(bits[place]) << 32) | np.int64(rows[place]))
            if is_last:
                break
            if nearest == _NOTHING:
                beyond = 2 * beyond + 1
                west, east = max(i - beyond, 0), min(i + beyond, _SIDE - 1)
                south, north = max(j - beyond, 0), min(j + beyond, _SIDE - 1)
                continue
            bits[0] = nearest >> 32
            reach, is_last = np.sqrt(squared[0]) * _FARTHER, True
            low, high = _pillar(x - reach, corner[0], per_size), _pillar(x + reach, corner[0], per_size)
            left, right = _pillar(y - reach, corner[1], per_size), _pillar(y + reach, corner[1], per_size)
            if low >= west and high <= east and left >= south and right <= north:
                break
            west, east, south, north = low, high, left, right
        index[query] = nearest & 0x7FFFFFFF
        bits[0] = nearest >> 32
        away[query] = np.sqrt(squared[0])


@compiled
def _least_direction(xx, xy, xz, yy, yz, zz):
    """(3,) unit vector in which points spread least, by their sums of products; 0 where they form a line."""
    # The adjugate has the covariance's directions; its largest eigenvalue is that of the smallest.
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    if a + d + f < _LINE * (xx + yy + zz) ** 2:
        return 0.0, 0.0, 0.0
    if a >= d and a >= f:
        x, y, z = a, b, c
    elif d >= f:
        x, y, z = b, d, e
    else:
        x, y, z = c, e, f
    for _ in range(_POWERS):
        x, y, z = a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z
        length = max(np.sqrt(x * x + y * y + z * z), 1e-300)
        x, y, z = x / length, y / length, z / length
    return x, y, z


@compiled
def _normals(pillars, centres, fewest):
    """(n, 3) unit normals of the patches about `centres` (n, 3) float32; see `Pillars.normals`."""
    ordered, rows, first, corner, per_size = pillars
    xs, ys, zs = ordered[0], ordered[1], ordered[2]
    size, last, zero = np.float32(1) / per_size, _SIDE - 1, np.float32(0)
    normals = np.zeros((len(centres), 3))
    for centre in range(len(centres)):
        x, y, z = centres[centre, 0], centres[centre, 1], centres[centre, 2]
        i, j = _pillar(x, corner[0], per_size), _pillar(y, corner[1], per_size)
        beyond, held = 0, 0
        sx, sy, sz, xx, xy, xz, yy, yz, zz = zero, zero, zero, zero, zero, zero, zero, zero, zero
        while held < fewest:
            beyond += 1
            west, east, south, north = i - beyond, i + beyond, j - beyond, j + beyond
            if west < 0 and east > last and south < 0 and north > last:
                break  # that is all there is
            west_off, east_off = x - corner[0] - west * size, corner[0] + (east + 1) * size - x
            south_off, north_off = y - corner[1] - south * size, corner[1] + (north + 1) * size - y
            reach = max(min(min(west_off, east_off), min(south_off, north_off)), beyond * size)
            squared, held = reach * reach, 0
            sx, sy, sz, xx, xy, xz, yy, yz, zz = zero, zero, zero, zero, zero, zero, zero, zero, zero
            for row in range(max(west, 0), min(east, last) + 1):
                begin, end = first[row * _SIDE + max(south, 0)], first[row * _SIDE + min(north, last) + 1]
                for place in range(begin, end):
                    dx, dy, dz = xs[place] - x, ys[place] - y, zs[place] - z
                    if dx * dx + dy * dy + dz * dz < squared:
                        held += 1
                        sx, sy, sz = sx + dx, sy + dy, sz + dz
                        xx, xy, xz = xx + dx * dx, xy + dx * dy, xz + dx * dz
                        yy, yz, zz = yy + dy * dy, yz + dy * dz, zz + dz * dz
        if held < fewest:
            continue
        normals[centre] = _least_direction(
            xx - sx * sx / held,
            xy - sx * sy / held,
            xz - sx * sz / held,
            yy - sy * sy / held,
            yz - sy * sz / held,
            zz - sz * sz / held,
        )
    return normals


class Pillars:
    """Nearest neighbours among `points` (N, 3) m, N >= 1, which may hold no nan."""

    def __init__(self, points: np.ndarray):
        self._sorted = _sorted(np.ascontiguousarray(points, np.float32))

    def nearest(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row (M,) int64 of the point nearest to each of the queries (M, 3) m, of equals the lower one, and how far it
        is, (M,) float32 m."""
        index, away = np.empty(len(queries), np.int64), np.empty(len(queries), np.float32)
        _search(self._sorted, np.ascontiguousarray(queries, np.float32), index, away)
        return index, away

    def normals(self, centres: np.ndarray, fewest: int) -> np.ndarray:
        """(n, 3) unit normals of the patches about `centres` (n, 3) m, each of the points in a ball that grows, by the
        pillars' size, until it holds `fewest`.

        0 of a patch that is a line, as that of one ring of a sparse sensor, of which any direction across it would be
        one, and where there are too few points.
        """
        return _normals(self._sorted, np.ascontiguousarray(centres, np.float32), fewest)
