"""The first triangle that a ray meets: a bounding volume hierarchy, and Möller and Trumbore's test in its leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import compiled

_LEAF = 4  # triangles that are not worth a split
_BINS = 16  # places along an axis where a node may be split
_ROUNDED = 1 + 1e-15  # a ray's way through a box, whose ends are rounded, is taken this much longer


class TriangleTree(NamedTuple):
    """Triangles, and the boxes around ever fewer of them.

    bounds     (B, 6) m: lower corner, upper corner. Box 0 holds all.
    first      (B,) the first of its two boxes, which lie side by side, or of its triangles.
    held       (B,) how many triangles it holds itself; 0: it has boxes.
    triangles  (F, 9) m: a corner and from there the two edges.
    face       (F,) their numbers in what the tree was made of.
    depth      boxes within each other at most.
    """

    bounds: np.ndarray
    first: np.ndarray
    held: np.ndarray
    triangles: np.ndarray
    face: np.ndarray
    depth: int


def triangle_tree(corners: np.ndarray) -> TriangleTree:
    """The tree of triangles with these corners (F, 3, 3) m. Raises ValueError if one is not finite."""
    corners = np.asarray(corners, np.float64)
    if not np.isfinite(corners).all():
        raise ValueError('a corner of a triangle is not finite')
    low, high = corners.min(axis=1), corners.max(axis=1)
    face = np.arange(len(corners), dtype=np.int32)
    bounds, first, count, depth = _split(low, high, (low + high) / 2, face)
    corners = corners[face]
    edges = corners[:, 1:] - corners[:, :1]
    return TriangleTree(bounds, first, count, np.concatenate([corners[:, :1], edges], 1).reshape(-1, 9), face, depth)


def first_hits(
    tree: TriangleTree, origins: np.ndarray, directions: np.ndarray, limit: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What each ray meets first, from either side, ahead of its origin and nearer than its `limit` (R,).

    origins, directions (R, 3) m. Returns distance (R,) in lengths of the direction, inf for nothing, and face (R,)
    int32, -1 for nothing; of faces met at the same distance the one with the lowest number.
    """
    origins, directions = np.asarray(origins, np.float64), np.asarray(directions, np.float64)
    limit = np.full(len(origins), np.inf) if limit is None else np.asarray(limit, np.float64)
    distance, face = np.empty(len(origins)), np.empty(len(origins), np.int32)
    _cast(*tree, origins, directions, limit, distance, face)
    return distance, face


@compiled
def _split(low, high, centre, face):
    """Bounds, first, count and depth of the tree of triangles from `low` to `high` (F, 3); their numbers in `face` are
    put into its order."""
    boxes = max(2 * len(face) - 1, 1)
    bounds, level = np.empty((boxes, 6)), np.zeros(boxes, np.int32)
    first, count = np.zeros(boxes, np.int32), np.zeros(boxes, np.int32)
    count[0], made, box = len(face), 1, 0
    while box < made:
        start, end = first[box], first[box] + count[box]
        inside = face[start:end]
        bounds[box, :3], bounds[box, 3:] = np.inf, -np.inf
        for i in inside:
            _grow(bounds[box], low[i], high[i])
        axis, begins, width, last = _place(low, high, centre, inside)
        if axis >= 0:
            left, right = start, end - 1
            while left <= right:
                if _bin(centre[face[left], axis], begins, width) <= last:
                    left += 1
                else:
                    face[left], face[right] = face[right], face[left]
                    right -= 1
            first[made], count[made] = start, left - start
            first[made + 1], count[made + 1] = left, end - left
            level[made : made + 2] = level[box] + 1
            first[box], count[box] = made, 0
            made += 2
        box += 1
    return bounds[:made].copy(), first[:made].copy(), count[:made].copy(), level.max()


@compiled
def _place(low, high, centre, inside):
    """Where to split the triangles `inside` a box: axis (-1: nowhere), where its bins begin and how far they go, the
    last bin of the first part. There surface times triangles, a ray's expected cost, is least of both parts."""
    best, place = np.inf, (-1, 0.0, 0.0, 0)
    if len(inside) <= _LEAF:
        return place
    bins, in_bin, above, box = np.empty((_BINS, 6)), np.empty(_BINS, np.int64), np.empty(_BINS), np.empty(6)
    for axis in range(3):
        begins, ends = np.inf, -np.inf
        for i in inside:
            begins, ends = min(begins, centre[i, axis]), max(ends, centre[i, axis])
        width = ends - begins
        if not width > 0:
            continue
        bins[:, :3], bins[:, 3:], in_bin[:] = np.inf, -np.inf, 0
        for i in inside:
            k = _bin(centre[i, axis], begins, width)
            in_bin[k] += 1
            _grow(bins[k], low[i], high[i])
        box[:3], box[3:], held = np.inf, -np.inf, 0
        for k in range(_BINS - 1, 0, -1):
            held += in_bin[k]
            _grow(box, bins[k, :3], bins[k, 3:])
            above[k] = held * _surface(box)
        box[:3], box[3:], held = np.inf, -np.inf, 0
        for k in range(_BINS - 1):
            held += in_bin[k]
            _grow(box, bins[k, :3], bins[k, 3:])
            cost = held * _surface(box) + above[k + 1]
            if held < len(inside) and cost < best:
                best, place = cost, (axis, begins, width, k)
    return place


@compiled
def _bin(centre, begins, width):
    return min(int((centre - begins) / width * _BINS), _BINS - 1)


@compiled
def _grow(box, low, high):
    """Take what lies from `low` to `high` into a box (6,)."""
    for axis in range(3):
        box[axis] = min(box[axis], low[axis])
        box[3 + axis] = max(box[3 + axis], high[axis])


@compiled
def _surface(box):
    x, y, z = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    return x * y + y * z + z * x


@compiled
def _entry(box, origin, over, limit):
    """How far a ray is where it enters a box (6,), inf if it does not before `limit`; over (3,): one over its
    direction. A nan, of a ray in the plane of a side, loses every comparison: there the ray is inside."""
    enters, leaves = 0.0, limit
    for axis in range(3):
        near, far = (box[axis] - origin[axis]) * over[axis], (box[3 + axis] - origin[axis]) * over[axis]
        if over[axis] < 0:
            near, far = far, near
        far *= _ROUNDED
        if near > enters:
            enters = near
        if far < leaves:
            leaves = far
    return enters if enters <= leaves else np.inf


@compiled
def _cast(bounds, first, count, triangles, face, depth, origins, directions, limit, distance, hit):
    waiting, enters = np.empty(depth + 2, np.int32), np.empty(depth + 2)
    for ray in range(len(origins)):
        x, y, z = origin = (origins[ray, 0], origins[ray, 1], origins[ray, 2])
        dx, dy, dz = directions[ray]
        over = (1 / dx, 1 / dy, 1 / dz)
        nearest, nearest_face = limit[ray], -1
        waiting[0] = 0
        enters[0] = _entry(bounds[0], origin, over, nearest)
        height = 1 if len(face) else 0
        while height:
            height -= 1
            if not enters[height] <= nearest or enters[height] == np.inf:
                continue
            box = waiting[height]
            while count[box] == 0:
                near, far = first[box], first[box] + 1
                enters_near = _entry(bounds[near], origin, over, nearest)
                enters_far = _entry(bounds[far], origin, over, nearest)
                if enters_far < enters_near:
                    near, far, enters_near, enters_far = far, near, enters_far, enters_near
                if enters_near == np.inf:
                    break
                if enters_far < np.inf:
                    waiting[height], enters[height] = far, enters_far
                    height += 1
                box = near
            if count[box] == 0:
                continue
            for i in range(first[box], first[box] + count[box]):
                ax, ay, az, ux, uy, uz, vx, vy, vz = triangles[i]
                px, py, pz = dy * vz - dz * vy, dz * vx - dx * vz, dx * vy - dy * vx
                size = ux * px + uy * py + uz * pz
                if size == 0:
                    continue
                sx, sy, sz = x - ax, y - ay, z - az
                u = (sx * px + sy * py + sz * pz) / size
                if u < 0 or u > 1:
                    continue
                qx, qy, qz = sy * uz - sz * uy, sz * ux - sx * uz, sx * uy - sy * ux
                v = (dx * qx + dy * qy + dz * qz) / size
                if v < 0 or u + v > 1:
                    continue
                t = (vx * qx + vy * qy + vz * qz) / size
                if t > 0 and (t < nearest or t == nearest and face[i] < nearest_face):
                    nearest, nearest_face = t, face[i]
        distance[ray] = nearest if nearest_face >= 0 else np.inf
        hit[ray] = nearest_face
