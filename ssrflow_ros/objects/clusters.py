"""Clusters: points that move alike and lie together."""

from __future__ import annotations

import numpy as np

from ..kernels.cubes import clustered
from ..settings import Settings
from .groups import rows_of_each

_ALIKE = 1.0  # m/s, velocities that differ less may belong to one object ...
_ALIKE_SHARE = 0.3  # ... or by less than this share of the speed
_MAX_VOXELS = 8000  # clustered in place of their points; with more, the voxels are made coarser


def find_clusters(points: np.ndarray, velocity: np.ndarray, moving: np.ndarray, settings: Settings) -> list[np.ndarray]:
    """Rows of each cluster, ascending.

    points (N, 3) m and velocity (N, 3) m/s, ego-motion removed, in one frame; moving (N,) bool.

    Points belong together if a chain of neighbours within `object_distance` with like velocities
    joins them; two movers side by side stay two, since over-segmenting is safer than merging.
    """
    distance, rows = settings.object_distance, np.flatnonzero(moving)
    # Thinned first: dense near objects would otherwise have thousands of neighbours a point.
    numbers = clustered(
        points, velocity, rows, distance / 2, _MAX_VOXELS, distance, _ALIKE, _ALIKE_SHARE, settings.object_points
    )
    return [rows[places] for places in rows_of_each(numbers)]
