"""Nearest neighbours by a kd-tree: built and searched by plain loops that hold no lock.

The tree is balanced: a node splits its points at the median along the longest side of its space, so its
shape follows from the number of points alone and no pointers are kept. Points of a leaf lie side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import compiled

_LEAF = 24  # points; fewer make the tree deeper, more make each visit longer
_DEEPEST = 48  # levels, more than any number of points asks for
_NOTHING = (0x7F800000 << 32) | 0x7FFFFFFF  # infinitely far, after every row


class Tree(NamedTuple):
    """Nodes in the order of a heap: those of node i are 2i + 1 and 2i + 2; the last level are leaves.

    points  (3, N) float32 m, leaf by leaf.   rows (N,) int32 of them in what the tree was made of.
    first   (nodes + 1,) int32: leaf l holds the points first[l] to first[l + 1].
    axis    (nodes,) int8, split (nodes,) float32: where an inner node is split.
    """

    points: np.ndarray
    rows: np.ndarray
    first: np.ndarray
    axis: np.ndarray
    split: np.ndarray


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
        space[one], space[other] = space[node], space[node]
        space[one, along + 3] = space[other, along] = points[middle, along]
    first = np.empty((1 << depth) + 1, np.int32)
    first[:-1] = begin[inner : inner + (1 << depth)]
    first[-1] = count
    return rows, first, axis, split


@compiled
def _search(tree, queries, k, index, squared):
    points, rows, first, axis, split = tree
    leaves = len(first) - 1
    inner = leaves - 1
    # A branch that was put off: its node, and how far the query is from its half along each axis.
    nodes = np.empty(_DEEPEST, np.int32)
    gaps = np.empty((_DEEPEST, 4), np.float32)
    # Squared distance and row in one number, of which the bits of a positive float are the upper half: the nearer
    # point has the lower one, of equals the lower row.
    nearest = np.empty(k, np.int64)
    away = np.empty(len(rows) // leaves + 1, np.float32)
    bits = away.view(np.int32)
    for query in range(len(queries)):
        x, y, z = queries[query, 0], queries[query, 1], queries[query, 2]
        worst = np.float32(np.inf)
        nearest[:] = _NOTHING
        waiting, node = 1, 0
        nodes[0] = 0
        gaps[0] = 0
        while waiting:
            waiting -= 1
            node = nodes[waiting]
            if gaps[waiting, 3] > worst:
                continue
            gx, gy, gz = gaps[waiting, 0], gaps[waiting, 1], gaps[waiting, 2]
            while node < inner:
                along = axis[node]
                off = queries[query, along] - split[node]
                near = 2 * node + 1 if off < 0 else 2 * node + 2
                far = 4 * node + 3 - near
                ox, oy, oz = gx, gy, gz
                if along == 0:
                    ox = off
                elif along == 1:
                    oy = off
                else:
                    oz = off
                reach = ox * ox + oy * oy + oz * oz
                if reach <= worst:
                    nodes[waiting] = far
                    gaps[waiting, 0], gaps[waiting, 1], gaps[waiting, 2], gaps[waiting, 3] = ox, oy, oz, reach
                    waiting += 1
                node = near
            leaf = node - inner
            begin, end = first[leaf], first[leaf + 1]
            east, north, up, row = points[0, begin:end], points[1, begin:end], points[2, begin:end], rows[begin:end]
            for place in range(len(row)):
                dx, dy, dz = east[place] - x, north[place] - y, up[place] - z
                away[place] = dx * dx + dy * dy + dz * dz
            for place in range(len(row)):
                found = (np.int64(bits[place]) << 32) | np.int64(row[place])
                if found < nearest[k - 1]:
                    for slot in range(k - 1, 0, -1):
                        nearest[slot] = min(nearest[slot], max(nearest[slot - 1], found))
                    nearest[0] = min(nearest[0], found)
            bits[0] = nearest[k - 1] >> 32
            worst = away[0]
        for place in range(k):
            index[query, place] = nearest[place] & 0x7FFFFFFF
            bits[0] = nearest[place] >> 32
            squared[query, place] = away[0]


class KdTree:
    """Nearest neighbours among `points` (N, 3) m, N >= 1, which may hold no nan."""

    def __init__(self, points: np.ndarray):
        ordered = np.array(points, np.float32, order='C')
        built = _build(ordered)
        self.tree = Tree(np.ascontiguousarray(ordered.T), *built)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows (M, k) int64 of the k <= N nearest points to each of the queries (M, 3) m, nearest first, of equals the
        lower row, and their distances (M, k) float32 m."""
        index, squared = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        _search(self.tree, np.ascontiguousarray(queries, np.float32), k, index, squared)
        return index, np.sqrt(squared)
