"""A cloud thinned out by voxels, and the nearest of what is left: each made once, and only if asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..kernels.pillars import Pillars
from ..kernels.returns import rows_of
from .cells import by_cell

VOXEL = 0.2  # metres; finer than any level of the network


class ThinnedCloud:
    """One point of each voxel of a `cloud` (N, 3) float32 m; `seed` shifts the voxels' grid."""

    def __init__(self, cloud: np.ndarray, seed: int = 0):
        self.cloud, self._seed = cloud, seed

    @cached_property
    def voxels(self) -> tuple[np.ndarray, np.ndarray]:
        """The voxel (N,) int32 that each point lies in, and the first row (n,) int64 of each, ascending."""
        origin = np.random.default_rng(self._seed).uniform(0.0, VOXEL, 3).astype(np.float32)
        return by_cell(self.cloud, VOXEL, origin)

    @property
    def rows(self) -> np.ndarray:
        """(n,) int64 of the points that are left, the first of each voxel."""
        return self.voxels[1]

    @cached_property
    def points(self) -> np.ndarray:
        """(n, 3) float32 m, at these rows."""
        return rows_of(self.cloud, self.rows)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Place (m,) in `self.points` of the one that is nearest to each of `points` (m, 3) m, and how far off it is,
        (m,) float32 m."""
        return self._pillars.nearest(points)

    @cached_property
    def _pillars(self) -> Pillars:
        return Pillars(self.points)
