"""Clusters: points that move alike and lie together."""

from __future__ import annotations

import numpy as np

from ..kernels.cubes import chained, means_of_each
from ..settings import Settings
from ..steps.cells import by_cell

_ALIKE = 1.0  # m/s, velocities that differ less may belong to one object ...
_ALIKE_SHARE = 0.3  # ... or by less than this share of the speed
_MAX_VOXELS = 8000  # clustered in place of their points; with more, the voxels are made coarser


def find_clusters(points: np.ndarray, velocity: np.ndarray, moving: np.ndarray, settings: Settings) -> np.ndarray:
    """Number (N,) int32 of the cluster of each point, -1 for none.

    points (N, 3) m and velocity (N, 3) m/s, ego-motion removed, in one frame; moving (N,) bool.

    Points belong together if a chain of neighbours within `object_distance` with like velocities
    joins them; two movers side by side stay two, since over-segmenting is safer than merging.
    """
    clusters = np.full(len(points), -1, dtype=np.int32)
    rows = np.flatnonzero(moving)
    if len(rows):
        found = _cluster(points.take(rows, axis=0), velocity.take(rows, axis=0), settings.object_distance)
        large = np.bincount(found)[found] >= settings.object_points
        clusters[rows[large]] = found[large]
    return clusters


def _cluster(points: np.ndarray, velocity: np.ndarray, distance: float) -> np.ndarray:
    """(n,) number of the cluster of each moving point."""
    # Thinned first: dense near objects would otherwise have thousands of neighbours a point.
    size = distance / 2
    while True:
        voxel, first = by_cell(points, size)
        if len(first) <= _MAX_VOXELS:
            break
        size *= 1.5
    centre, motion = (means_of_each(values, voxel, len(first)) for values in (points, velocity))
    return chained(centre, motion, max(distance, 2 * size), _ALIKE, _ALIKE_SHARE)[voxel]
