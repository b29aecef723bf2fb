"""Objects: the moving points, clustered by where they are and how they move."""
from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..settings import Settings
from ..sweep import MovingObject

_ALIKE = 1.0             # m/s, velocities that differ less may belong to one object ...
_ALIKE_SHARE = 0.3       # ... or by less than this share of the speed
_HEADING_SPEED = 1.5     # m/s, faster ones face where they go
_NETWORK_ERROR = 1.0     # m/s, of a cluster's velocity
_NETWORK_TURN = 0.5      # rad/s, of what is taken not to turn
_MAX_VOXELS = 8000       # clustered in place of their points; with more, the voxels are made coarser


def find_clusters(points: np.ndarray, velocity: np.ndarray, moving: np.ndarray, settings: Settings) -> np.ndarray:
    """Number (N,) int32 of the cluster of each point, -1 for none.

    points (N, 3) m and velocity (N, 3) m/s, ego-motion removed, in one frame; moving (N,) bool.

    Points belong together if a chain of neighbours within `object_distance` with like velocities
    joins them; two movers side by side stay two, since over-segmenting is safer than merging.
    """
    clusters = np.full(len(points), -1, dtype=np.int32)
    rows = np.flatnonzero(moving)
    if len(rows):
        found = _cluster(points[rows].astype(np.float64), velocity[rows].astype(np.float64), settings.object_distance)
        large = np.bincount(found)[found] >= settings.object_points
        clusters[rows[large]] = found[large]
    return clusters


def describe_objects(points: np.ndarray, velocity: np.ndarray,
                     clusters: np.ndarray) -> tuple[np.ndarray, tuple[MovingObject, ...]]:
    """The clusters as objects: ids (N,) int32, -1 for none, and the objects 0, 1, 2 ..., nearest first."""
    ids = np.full(len(points), -1, dtype=np.int32)
    rows = np.flatnonzero(clusters >= 0)
    if not len(rows):
        return ids, ()
    points, velocity = points.astype(np.float64), velocity.astype(np.float64)
    rows = rows[np.argsort(clusters[rows], kind='stable')]
    groups = np.split(rows, np.flatnonzero(np.diff(clusters[rows])) + 1)
    groups.sort(key=lambda group: (float(np.linalg.norm(points[group].mean(axis=0))), group[0]))
    for number, group in enumerate(groups):
        ids[group] = number
    return ids, tuple(_describe(number, points[group], velocity[group])
                      for number, group in enumerate(groups))


def _cluster(points: np.ndarray, velocity: np.ndarray, distance: float) -> np.ndarray:
    """(n,) number of the cluster of each moving point."""
    # Thinned first: dense near objects would otherwise have thousands of neighbours a point.
    size = distance / 3
    while True:
        corner = np.floor((points - points.min(axis=0)) / size).astype(np.int64)
        wide, deep, _ = corner.max(axis=0) + 1
        key = (corner[:, 2] * deep + corner[:, 1]) * wide + corner[:, 0]
        _, voxel, count = np.unique(key, return_inverse=True, return_counts=True)
        if len(count) <= _MAX_VOXELS:
            break
        size *= 1.5

    def mean(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(voxel, column) for column in values.T], axis=1) / count[:, None]

    centre, motion = mean(points), mean(velocity)
    pairs = cKDTree(centre).query_pairs(max(distance, 2 * size), output_type='ndarray')
    first, second = pairs.T
    speed = np.linalg.norm(motion, axis=1)
    tolerance = np.maximum(_ALIKE, _ALIKE_SHARE * np.maximum(speed[first], speed[second]))
    alike = np.linalg.norm(motion[first] - motion[second], axis=1) < tolerance
    first, second = first[alike], second[alike]
    graph = coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(count),) * 2)
    return connected_components(graph, directed=False)[1][voxel]


def _describe(number: int, points: np.ndarray, velocity: np.ndarray) -> MovingObject:
    """Box and velocity of the points (n, 3) of one object."""
    middle = np.median(velocity, axis=0)     # robust to points that were matched with something else
    fast = np.hypot(middle[0], middle[1]) > _HEADING_SPEED
    yaw = float(np.arctan2(middle[1], middle[0])) if fast else _longest_side(points[:, :2])
    axes = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    turned = points @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    spread = np.cov(velocity.T) if len(points) > 1 else np.eye(3)
    return MovingObject(
        number, (low + high) / 2 @ axes, high - low, yaw, middle, len(points), track_id=number,
        position_covariance=axes.T @ np.diag((0.1 * (high - low) + 0.05) ** 2) @ axes,
        velocity_covariance=spread + _NETWORK_ERROR ** 2 * np.eye(3), yaw_rate_variance=_NETWORK_TURN ** 2)


def _longest_side(points: np.ndarray) -> float:
    """Direction of the greatest spread of (n, 2), rad in (-pi/2, pi/2]."""
    spread = np.cov(points.T) if len(points) > 1 else np.eye(2)
    direction = np.linalg.eigh(spread)[1][:, 1]
    return float(np.arctan(direction[1] / direction[0])) if direction[0] else np.pi / 2
