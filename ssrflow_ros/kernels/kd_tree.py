"""Nearest neighbours by a kd-tree: built and searched by plain loops that hold no lock.

The tree is balanced: a node splits its points at the median along the longer side of their box, so its
shape follows from the number of points alone and no pointers are kept. Points of a leaf lie side by side.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import compiled

_LEAF = 8           # points; fewer make the tree deeper, more make each visit longer
_DEEPEST = 48       # levels, more than any number of points asks for


class Tree(NamedTuple):
    """Nodes in the order of a heap: those of node i are 2i + 1 and 2i + 2; the last level are leaves.

    points  (N, 3) float32 m, leaf by leaf.   rows (N,) int32 of them in what the tree was made of.
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
    """Reorder `rows` from low to high (exclusive) so that what lies before `middle` is not greater along `axis`."""
    high -= 1
    while high > low:
        # The median of three keeps sorted input from taking a quadratic time.
        a, b, c = points[rows[low], axis], points[rows[(low + high) >> 1], axis], points[rows[high], axis]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while points[rows[i], axis] < pivot:
                i += 1
            while points[rows[j], axis] > pivot:
                j -= 1
            if i <= j:
                rows[i], rows[j] = rows[j], rows[i]
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
    count = len(points)
    depth = 0
    while (count >> depth) > _LEAF:
        depth += 1
    inner = (1 << depth) - 1
    rows = np.arange(count).astype(np.int32)
    axis = np.zeros(max(inner, 1), np.int8)
    split = np.zeros(max(inner, 1), np.float32)
    begin = np.zeros(2 * inner + 2, np.int32)
    end = np.zeros(2 * inner + 2, np.int32)
    end[0] = count
    for node in range(inner):
        low, high = begin[node], end[node]
        longest, along = np.float32(-1.0), 0
        for column in range(3):
            least, most = points[rows[low], column], points[rows[low], column]
            for place in range(low + 1, high):
                value = points[rows[place], column]
                least, most = min(least, value), max(most, value)
            if most - least > longest:
                longest, along = most - least, column
        middle = (low + high) >> 1
        _select(points, rows, low, high, middle, along)
        axis[node], split[node] = along, points[rows[middle], along]
        begin[2 * node + 1], end[2 * node + 1] = low, middle
        begin[2 * node + 2], end[2 * node + 2] = middle, high
    first = np.empty((1 << depth) + 1, np.int32)
    first[:-1] = begin[inner:inner + (1 << depth)]
    first[-1] = count
    ordered = np.empty((count, 3), np.float32)
    for place in range(count):
        for column in range(3):
            ordered[place, column] = points[rows[place], column]
    return ordered, rows, first, axis, split


@compiled
def _search(tree, queries, k, index, squared):
    points, rows, first, axis, split = tree
    leaves = len(first) - 1
    inner = leaves - 1
    # A branch that was put off: its node, and how far the query is from its half along each axis.
    nodes = np.empty(_DEEPEST, np.int32)
    gaps = np.empty((_DEEPEST, 4), np.float32)
    for query in range(len(queries)):
        x, y, z = queries[query, 0], queries[query, 1], queries[query, 2]
        best, which = squared[query], index[query]
        for place in range(k):
            best[place], which[place] = np.inf, len(rows)
        worst = best[k - 1]
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
            for place in range(first[leaf], first[leaf + 1]):
                dx, dy, dz = points[place, 0] - x, points[place, 1] - y, points[place, 2] - z
                away = dx * dx + dy * dy + dz * dz
                if away <= worst:
                    row = rows[place]
                    if away == worst and row > which[k - 1]:
                        continue
                    slot = k - 1
                    while slot > 0 and (best[slot - 1] > away or (best[slot - 1] == away and which[slot - 1] > row)):
                        best[slot], which[slot] = best[slot - 1], which[slot - 1]
                        slot -= 1
                    best[slot], which[slot] = away, row
                    worst = best[k - 1]


class KdTree:
    """Nearest neighbours among `points` (N, 3) m, N >= 1, which may hold no nan."""

    def __init__(self, points: np.ndarray):
        self.tree = Tree(*_build(np.ascontiguousarray(points, np.float32)))

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows (M, k) int64 of the k <= N nearest points to each of the queries (M, 3) m, nearest first, of equals the
        lower row, and their squared distances (M, k) float32 m²."""
        index, squared = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        _search(self.tree, np.ascontiguousarray(queries, np.float32), k, index, squared)
        return index, squared
