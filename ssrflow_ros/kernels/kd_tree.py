"""Nearest neighbours by a kd-tree: built and searched by plain loops that hold no lock.

The tree is balanced: a node splits its points at the median along the longest side of its space, so its
shape follows from the number of points alone and no pointers are kept. Points of a leaf lie side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import curve
from .compiled import compiled
from .lanes import LANES, nearest_three

_LEAF = 24  # points; fewer make the tree deeper, more make each visit longer
_GROUP = 16  # queries that lie together and go down the tree together; LANES, where each has three neighbours
_DEEPEST = 48  # levels, more than any number of points asks for
_NOTHING = (0x7F800000 << 32) | 0x7FFFFFFF  # infinitely far, after every row


class Tree(NamedTuple):
    """Nodes in the order of a heap: those of node i are 2i + 1 and 2i + 2; the last level are leaves.

    points  (3, N) float32 m, leaf by leaf.   rows (N,) int32 of them in what the tree was made of.
    first   (nodes + 1,) int32: leaf l holds the points first[l] to first[l + 1].
    axis    (nodes,) int8, split (nodes,) float32: where an inner node is split.
    low, high  (3, leaves) float32 m, corners of the box about the points of each leaf.
    """

    points: np.ndarray
    rows: np.ndarray
    first: np.ndarray
    axis: np.ndarray
    split: np.ndarray
    low: np.ndarray
    high: np.ndarray


@compiled
def _select(points, rows, low, high, middle, axis):
    """Reorder points and `rows` from low to high (exclusive) so that none before `middle` is greater along `axis`."""
    high -= 1
    while high > low:
        # The median of three keeps sorted input from taking a quadratic time.
        a, b, c = points[low, axis], points[(low + high) >> 1, axis], points[high, axis]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while points[i, axis] < pivot:
                i += 1
            while points[j, axis] > pivot:
                j -= 1
            if i <= j:
                rows[i], rows[j] = rows[j], rows[i]
                x, y, z = points[i, 0], points[i, 1], points[i, 2]
                points[i, 0], points[i, 1], points[i, 2] = points[j, 0], points[j, 1], points[j, 2]
                points[j, 0], points[j, 1], points[j, 2] = x, y, z
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@compiled
def _build(points):
    """The members of a `Tree` of points (N, 3), which are reordered."""
    count = len(points)
    depth = 0
    while (count >> depth) > _LEAF:
        depth += 1
    inner = (1 << depth) - 1
    rows = np.arange(count).astype(np.int32)
    axis, split = np.zeros(max(inner, 1), np.int8), np.zeros(max(inner, 1), np.float32)
    begin, end = np.zeros(2 * inner + 2, np.int32), np.zeros(2 * inner + 2, np.int32)
    end[0] = count
    # The part of space that belongs to each node, which is known without a look at its points.
    space = np.empty((2 * inner + 2, 6), np.float32)
    for column in range(3):
        least, most = points[0, column], points[0, column]
        for place in range(1, count):
            least, most = min(least, points[place, column]), max(most, points[place, column])
        space[0, column], space[0, column + 3] = least, most
    for node in range(inner):
        low, high = begin[node], end[node]
        along = 0
        for column in range(1, 3):
            if space[node, column + 3] - space[node, column] > space[node, along + 3] - space[node, along]:
                along = column
        middle = (low + high) >> 1
        _select(points, rows, low, high, middle, along)
        axis[node], split[node] = along, points[middle, along]
        one, other = 2 * node + 1, 2 * node + 2
        begin[one], end[one], begin[other], end[other] = low, middle, middle, high
        for column in range(6):
            space[one, column] = space[other, column] = space[node, column]
        space[one, along + 3] = space[other, along] = points[middle, along]
    first = np.empty((1 << depth) + 1, np.int32)
    for leaf in range(1 << depth):
        first[leaf] = begin[inner + leaf]
    first[-1] = count
    return rows, first, axis, split


@compiled
def _boxes(points, first):
    """Corners (3, leaves) of the boxes about points (3, N), leaf by leaf."""
    leaves = len(first) - 1
    low, high = np.empty((3, leaves), np.float32), np.empty((3, leaves), np.float32)
    for axis in range(3):
        for leaf in range(leaves):
            inside = points[axis, first[leaf] : first[leaf + 1]]
            low[axis, leaf], high[axis, leaf] = inside.min(), inside.max()
    return low, high


@compiled
def _search(tree, queries, order, k, index, squared):
    """Fill index and squared (M, k) for queries (M, 3), of which `order` (M,) lists neighbours together.

    They go down the tree in groups: what may hold a neighbour of one of them is looked at by all that it may concern.
    """
    points, rows, first, axis, split, low, high = tree
    leaves = len(first) - 1
    inner = leaves - 1
    # A branch that was put off: its node, and how far the box about the group is from its half along each axis.
    nodes = np.empty(_DEEPEST, np.int32)
    gaps = np.empty((_DEEPEST, 4), np.float32)
    # Squared distance and row in one number, of which the bits of a positive float are the upper half: the nearer
    # point has the lower one, of equals the lower row.
    nearest, worst = np.empty((_GROUP, k), np.int64), np.empty(_GROUP, np.float32)
    away = np.empty(len(rows) // leaves + 1, np.float32)
    bits, worst_bits = away.view(np.int32), worst.view(np.int32)
    three, three_rows = np.empty((3, LANES), np.float32), np.empty((3, LANES), np.int32)
    group, off, least, most = (
        np.empty((3, _GROUP), np.float32),
        np.empty(_GROUP, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
    )
    size = LANES if k == 3 else _GROUP
    for begin in range(0, len(order), size):
        members = min(size, len(order) - begin)
        for column in range(3):
            for member in range(_GROUP):
                group[column, member] = queries[order[begin + min(member, members - 1)], column]
            least[column], most[column] = group[column].min(), group[column].max()
        nearest[:], worst[:], farthest = _NOTHING, np.inf, np.float32(np.inf)
        three[:], three_rows[:] = np.inf, 0x7FFFFFFF
        waiting = 1
        nodes[0] = 0
        gaps[0] = 0
        while waiting:
            waiting -= 1
            node = nodes[waiting]
            if gaps[waiting, 3] > farthest:
                continue
            gx, gy, gz = gaps[waiting, 0], gaps[waiting, 1], gaps[waiting, 2]
            while node < inner:
                along, place = axis[node], split[node]
                above = least[along] + most[along] >= 2 * place
                near = 2 * node + 2 if above else 2 * node + 1
                far = 4 * node + 3 - near
                gap = max(least[along] - place if above else place - most[along], np.float32(0))
                ox, oy, oz = gx, gy, gz
                if along == 0:
                    ox = max(ox, gap)
                elif along == 1:
                    oy = max(oy, gap)
                else:
                    oz = max(oz, gap)
                reach = ox * ox + oy * oy + oz * oz
                if reach <= farthest:
                    nodes[waiting] = far
                    gaps[waiting, 0], gaps[waiting, 1], gaps[waiting, 2], gaps[waiting, 3] = ox, oy, oz, reach
                    waiting += 1
                node = near
            leaf = node - inner
            if k == 3:
                nearest_three(points, rows, first[leaf], first[leaf + 1], group, three, three_rows)
                farthest = three[2].max()
                continue
            west, south, bottom = low[0, leaf], low[1, leaf], low[2, leaf]
            east, north, top = high[0, leaf], high[1, leaf], high[2, leaf]
            for member in range(_GROUP):
                dx = max(max(west - group[0, member], group[0, member] - east), np.float32(0))
                dy = max(max(south - group[1, member], group[1, member] - north), np.float32(0))
                dz = max(max(bottom - group[2, member], group[2, member] - top), np.float32(0))
                off[member] = dx * dx + dy * dy + dz * dz
            inside = slice(first[leaf], first[leaf + 1])
            px, py, pz, row = points[0, inside], points[1, inside], points[2, inside], rows[inside]
            for member in range(members):
                if off[member] > worst[member]:
                    continue
                x, y, z, own = group[0, member], group[1, member], group[2, member], nearest[member]
                for place in range(len(row)):
                    dx, dy, dz = px[place] - x, py[place] - y, pz[place] - z
                    away[place] = dx * dx + dy * dy + dz * dz
                if k == 1:
                    best = own[0]
                    for place in range(len(row)):
                        best = min(best, (np.int64(bits[place]) << 32) | np.int64(row[place]))
                    own[0] = best
                else:
                    for place in range(len(row)):
                        found = (np.int64(bits[place]) << 32) | np.int64(row[place])
                        if found < own[k - 1]:
                            for slot in range(k - 1, 0, -1):
                                own[slot] = min(own[slot], max(own[slot - 1], found))
                            own[0] = min(own[0], found)
                worst_bits[member] = own[k - 1] >> 32
            farthest = worst[:members].max()
        for member in range(members):
            query = order[begin + member]
            for place in range(k):
                if k == 3:
                    index[query, place], squared[query, place] = three_rows[place, member], three[place, member]
                    continue
                index[query, place] = nearest[member, place] & 0x7FFFFFFF
                bits[0] = nearest[member, place] >> 32
                squared[query, place] = away[0]


class KdTree:
    """Nearest neighbours among `points` (N, 3) m, N >= 1, which may hold no nan."""

    def __init__(self, points: np.ndarray):
        ordered = np.array(points, np.float32, order='C')
        built = _build(ordered)
        columns = np.ascontiguousarray(ordered.T)
        self.tree = Tree(columns, *built, *_boxes(columns, built[1]))

    def search(self, queries: np.ndarray, k: int, order: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows (M, k) int64 of the k <= N nearest points to each of the queries (M, 3) m, nearest first, of equals the
        lower row, and their distances (M, k) float32 m.

        It is quicker where queries that follow each other in `order` (M,) int32 lie close together, as the `rows` of
        their own tree do; None: along a curve.
        """
        index, squared = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        self.search_into(queries, order, index, squared)
        return index, np.sqrt(squared)

    def search_into(
        self, queries: np.ndarray, order: np.ndarray | None, index: np.ndarray, squared: np.ndarray
    ) -> None:
        """As `search`, into index and squared distances (M, k)."""
        queries = np.ascontiguousarray(queries, np.float32)
        order = curve.along_curve(queries) if order is None else order
        _search(self.tree, queries, order, index.shape[1], index, squared)
