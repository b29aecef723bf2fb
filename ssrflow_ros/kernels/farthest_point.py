"""Farthest point sampling with a tree of boxes: a new point asks only those boxes that it may be nearest to."""

from __future__ import annotations

import numpy as np

from .compiled import compiled
from .kd_tree import KdTree

_LEAF = 16  # points of a box of the last level
_DEEPEST = 64  # levels, more than any number of points asks for
DIRECTION = (0.8017837, 0.5345225, 0.2672612)
"""Points are ordered along it first; no two points of a real cloud are level along it."""


@compiled
def _boxes(points, first):
    """(nodes, 6) least and greatest corner of each node of a tree; leaf l begins at first[l] of the points."""
    leaves = len(first) - 1
    inner = leaves - 1
    boxes = np.empty((inner + leaves, 6), np.float32)
    for leaf in range(leaves):
        box = boxes[inner + leaf]
        box[:3], box[3:] = np.inf, -np.inf
        for place in range(first[leaf], first[leaf + 1]):
            for axis in range(3):
                box[axis] = min(box[axis], points[place, axis])
                box[axis + 3] = max(box[axis + 3], points[place, axis])
    for node in range(inner - 1, -1, -1):
        for axis in range(3):
            boxes[node, axis] = min(boxes[2 * node + 1, axis], boxes[2 * node + 2, axis])
            boxes[node, axis + 3] = max(boxes[2 * node + 1, axis + 3], boxes[2 * node + 2, axis + 3])
    return boxes


@compiled
def _sample(points, rows, first, boxes, order):
    """Fill `order` (n,) with rows; order[0] is given."""
    leaves = len(first) - 1
    inner = leaves - 1
    nodes = inner + leaves
    # Of each point the squared distance to the nearest one taken, -1 for those taken; of each node the most of them,
    # and of equals the lowest row.
    away = np.full(len(points), np.inf, np.float32)
    most = np.full(nodes, np.inf, np.float32)
    best = np.zeros(nodes, np.int32)
    x, y, z = np.float32(0), np.float32(0), np.float32(0)
    for place in range(len(points)):
        if rows[place] == order[0]:
            x, y, z = points[place, 0], points[place, 1], points[place, 2]
            away[place] = -1
            break
    waiting, changed = np.empty(_DEEPEST, np.int32), np.empty(nodes, np.int32)
    for number in range(1, len(order)):
        waiting[0], count, visited = 0, 1, 0
        while count:
            count -= 1
            node = waiting[count]
            box = boxes[node]
            dx, dy, dz = max(box[0] - x, x - box[3]), max(box[1] - y, y - box[4]), max(box[2] - z, z - box[5])
            dx, dy, dz = max(dx, np.float32(0)), max(dy, np.float32(0)), max(dz, np.float32(0))
            if dx * dx + dy * dy + dz * dz > most[node]:
                continue
            changed[visited] = node
            visited += 1
            if node < inner:
                waiting[count], waiting[count + 1] = 2 * node + 1, 2 * node + 2
                count += 2
        # Children come after their parents: backwards, each node finds its children as they are now.
        for place in range(visited - 1, -1, -1):
            node = changed[place]
            if node < inner:
                one, other = 2 * node + 1, 2 * node + 2
                if most[other] > most[one] or (most[other] == most[one] and rows[best[other]] < rows[best[one]]):
                    one = other
                most[node], best[node] = most[one], best[one]
                continue
            leaf = node - inner
            farthest, where = np.float32(-2), first[leaf]
            for point in range(first[leaf], first[leaf + 1]):
                dx, dy, dz = points[point, 0] - x, points[point, 1] - y, points[point, 2] - z
                squared = dx * dx + dy * dy + dz * dz
                if squared < away[point]:
                    away[point] = squared
                if away[point] > farthest or (away[point] == farthest and rows[point] < rows[where]):
                    farthest, where = away[point], point
            most[node], best[node] = farthest, where
        taken = best[0]
        order[number] = rows[taken]
        x, y, z = points[taken, 0], points[taken, 1], points[taken, 2]
        away[taken] = -1


def farthest_points(points: np.ndarray, n: int) -> np.ndarray:
    """Rows (min(n, N),) int64 of a farthest point sample of `points` (N, 3) float32, whatever order they stand in."""
    if n == 0 or len(points) <= n:
        return np.arange(min(n, len(points)))
    along = sum(axis * np.float32(share) for axis, share in zip(points.T, DIRECTION))
    own = along.argsort(kind='stable')
    return own.take(farthest_point_order(points.take(own, axis=0), n))


def farthest_point_order(points: np.ndarray, n: int, start: int = 0) -> np.ndarray:
    """Rows (n,) int64 of points (N, 3) float32 m, n <= N, from `start` on each the farthest from all before it.

    Of equals the lower row comes first; no row comes twice, not even among duplicates.
    """
    order = np.full(n, start, np.int64)
    if n > 1:
        tree = KdTree(points, _LEAF).tree
        _sample(tree.points, tree.rows, tree.first, _boxes(tree.points, tree.first), order)
    return order
