"""Neighbours by pillars: the points of each square of a map from above lie side by side.

For clouds that stand on the ground, and queries among them, which look at the one or two pillars about them. There is
nothing to be built but one sort: a kd-tree takes ten times as long, but does not care how points lie.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled
from .lanes import LANES, nearest

_SIDE = 256  # pillars of the map's side
_TOGETHER = 4  # pillars in a row, whose queries go together
_SPACING = 2.0  # sides of a pillar, by how far points would lie apart, spread evenly over the map
_FARTHER = np.float32(1.000001)  # than a square root may be rounded to
_FAR = np.float32(3e38)  # m², beyond which nothing lies
_SURELY = np.float32(0.99999)  # of a squared distance, below which no rounding leads beyond it


@compiled
def _pillar(value, corner, per_size):
    """The pillar along one axis; what lies beyond the map is in its outermost ones."""
    return int(min(max((value - corner) * per_size, np.float32(0)), np.float32(_SIDE - 1)))


@compiled
def _by_pillar(points, corner, per_size):
    """Rows (N,) int32 of points (N, 3), pillar by pillar; the pillar (N,) int32 of each of the points, and where each
    pillar begins, (_SIDE² + 1,)."""
    first, own = np.zeros(_SIDE * _SIDE + 1, np.int32), np.empty(len(points), np.int32)
    for row in range(len(points)):
        x, y = _pillar(points[row, 0], corner[0], per_size), _pillar(points[row, 1], corner[1], per_size)
        own[row] = x * _SIDE + y
        first[own[row] + 1] += 1
    for pillar in range(_SIDE * _SIDE):
        first[pillar + 1] += first[pillar]
    place, rows = first[:-1].copy(), np.empty(len(points), np.int32)
    for row in range(len(points)):
        rows[place[own[row]]] = row
        place[own[row]] += 1
    return rows, own, first


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
    rows, _, first = _by_pillar(points, corner, per_size)
    ordered = np.empty((3, count), np.float32)
    for place in range(count):
        row = rows[place]
        ordered[0, place], ordered[1, place], ordered[2, place] = points[row, 0], points[row, 1], points[row, 2]
    return ordered, rows, first, corner, per_size


@compiled
def _reach(x, y, squared, corner, per_size):
    """Pillars, from and to along both axes, that hold all that is no farther from a point."""
    reach = np.sqrt(squared) * _FARTHER
    low, high = _pillar(x - reach, corner[0], per_size), _pillar(x + reach, corner[0], per_size)
    return low, high, _pillar(y - reach, corner[1], per_size), _pillar(y + reach, corner[1], per_size)


@compiled
def _search(pillars, queries, index, away):
    ordered, rows, first, corner, per_size = pillars
    order, own, _ = _by_pillar(queries, corner, per_size)
    group, squared, found = (
        np.empty((3, LANES), np.float32),
        np.empty((1, LANES), np.float32),
        np.empty((1, LANES), np.int32),
    )
    begin, last = 0, _SIDE - 1
    while begin < len(order):
        # The queries of a few pillars side by side go together.
        pillar, size = own[order[begin]], 1
        while size < LANES and begin + size < len(order) and own[order[begin + size]] - pillar < _TOGETHER:
            size += 1
        for member in range(LANES):
            query = order[begin + min(member, size - 1)]
            for axis in range(3):
                group[axis, member] = queries[query, axis]
        squared[:], found[:] = np.inf, 0x7FFFFFFF
        # First the pillars about them, wider where nothing is there, then all that what was found does not rule out.
        i, j, beyond = pillar // _SIDE, pillar % _SIDE, 1
        low, high, left, right = max(i - 1, 0), min(i + 1, last), max(j - 1, 0), min(j + _TOGETHER, last)
        while True:
            west, east, south, north = low, high, left, right
            for row in range(west, east + 1):
                start, end = first[row * _SIDE + south], first[row * _SIDE + north + 1]
                nearest(ordered, rows, start, end, group, squared, found)
            for member in range(size):
                x, y, reach = group[0, member], group[1, member], np.sqrt(squared[0, member]) * _FARTHER
                if reach == np.inf:
                    beyond *= 2
                    low, high, left, right = i - beyond, i + beyond, j - beyond, j + beyond
                    break
                low = min(low, _pillar(x - reach, corner[0], per_size))
                high = max(high, _pillar(x + reach, corner[0], per_size))
                left = min(left, _pillar(y - reach, corner[1], per_size))
                right = max(right, _pillar(y + reach, corner[1], per_size))
            low, high, left, right = max(low, 0), min(high, last), max(left, 0), min(right, last)
            if low == west and high == east and left == south and right == north:
                break
        for member in range(size):
            query = order[begin + member]
            index[query], away[query] = found[0, member], np.sqrt(squared[0, member])
        begin += size


@compiled
def _around(pillars, queries, index):
    ordered, rows, first, corner, per_size = pillars
    xs, ys, zs = ordered[0], ordered[1], ordered[2]
    k, size, last = index.shape[1], np.float32(1) / per_size, _SIDE - 1
    squared, away, found = (
        np.empty(len(rows), np.float32),
        np.empty(len(rows) + 1, np.float32),
        np.empty(len(rows) + 1, np.int32),
    )
    for query in range(len(queries)):
        x, y, z = queries[query, 0], queries[query, 1], queries[query, 2]
        i, j = _pillar(x, corner[0], per_size), _pillar(y, corner[1], per_size)
        # A square of pillars about the query, and in it a ball, that holds as many points as are asked for.
        beyond, held = 0, 0
        while held < k:
            beyond, total = beyond + 1 + beyond // 4, 0
            west, east = max(i - beyond, 0), min(i + beyond, last)
            south, north = max(j - beyond, 0), min(j + beyond, last)
            for row in range(west, east + 1):
                total += first[row * _SIDE + north + 1] - first[row * _SIDE + south]
            if total < k:
                continue
            reach = np.float32(np.inf)  # to the sides beyond which there are more pillars
            if west > 0:
                reach = min(reach, x - corner[0] - west * size)
            if east < last:
                reach = min(reach, corner[0] + (east + 1) * size - x)
            if south > 0:
                reach = min(reach, y - corner[1] - south * size)
            if north < last:
                reach = min(reach, corner[1] + (north + 1) * size - y)
            reach = max(reach, np.float32(0))
            limit, held = min(reach * reach * _SURELY, _FAR), 0
            for row in range(west, east + 1):
                begin, end = first[row * _SIDE + south], first[row * _SIDE + north + 1]
                for place in range(begin, end):
                    dx, dy, dz = xs[place] - x, ys[place] - y, zs[place] - z
                    squared[place] = dx * dx + dy * dy + dz * dz
                for place in range(begin, end):
                    found[held], away[held] = rows[place], squared[place]
                    held += squared[place] < limit
        # The nearest of them: those below a bound, found by halving, that so many are.
        low, high, bound, count = np.float32(0), limit, limit, held
        while count != k:
            if count < k:
                low = bound
            else:
                high = bound
            bound, count = low + (high - low) / 2, 0
            if bound <= low or bound >= high:
                bound = low
                break
            for place in range(held):
                count += away[place] < bound
        taken = 0
        for place in range(held):
            if away[place] < bound:
                index[query, taken] = found[place]
                taken += 1
        for place in range(held):  # of those that lie equally far as many as are left
            if taken < k and bound <= away[place] < high:
                index[query, taken] = found[place]
                taken += 1


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

    def around(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Rows (M, k) int64 of the k <= N nearest points to each of the queries (M, 3) m; of equals some, in no
        order."""
        index = np.empty((len(queries), k), np.int64)
        _around(self._sorted, np.ascontiguousarray(queries, np.float32), index)
        return index
