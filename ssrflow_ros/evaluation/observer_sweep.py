"""What one sweep can say of places at other times: a place that it saw through was free then."""

from __future__ import annotations

import numpy as np

from ..kernels.kd_tree import KdTree
from ..steps.cells import thin
from ..steps.merged import range_image
from ..sweep import Sweep
from ..transforms import invert, transformed

_VOXEL, _MOST = 0.1, 24_000  # m, cubes of which one point is kept, and points kept in all
_NEAR_SHARE, _NEAR = 0.01, 0.15  # share of the range and m within which a surface is the same one


class ObserverSweep:
    """A sweep of which `rows` are kept, points (n, 3) and their places in the world (n, 3), m; all of it is seen by."""

    def __init__(
        self,
        sweep: Sweep,
        ground: np.ndarray,
        pose: np.ndarray,
        max_range: float,
        rng: np.random.Generator,
        wanted: np.ndarray | None = None,
    ):
        """Keeps `wanted`, and of what is neither ground nor beyond `max_range` m a thinned part.

        ground, wanted (N,) bool of the sweep's points; pose (4, 4) world_from_sensor.
        """
        keep = np.flatnonzero(~ground & (np.linalg.norm(sweep.points, axis=1) <= max_range))
        keep = keep[thin(sweep.points[keep], _VOXEL)]
        if len(keep) > _MOST:
            keep = rng.choice(keep, _MOST, replace=False)
        self.pose, self.stamp_ns = pose, sweep.stamp_ns
        self.rows = np.sort(keep) if wanted is None else np.union1d(keep, np.flatnonzero(wanted))
        self.points = sweep.points[self.rows]
        self.world = transformed(self.points, pose)
        self._view = range_image(sweep)
        self._tree = KdTree(self.points) if len(self.rows) else None

    def sees(self, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of places (N, 3) in the world: which it saw through, and which it found taken; (N,) bool each."""
        own = transformed(world, invert(self.pose)).astype(np.float32)
        taken = self.meets(own)
        return self._view.at(own).is_free() & ~taken, taken

    def meets(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool, which of the points (N, 3) m of its own frame lie on something that it saw."""
        if self._tree is None:
            return np.zeros(len(points), bool)
        return self._tree.search(points, 1)[1][:, 0] < _NEAR + _NEAR_SHARE * np.linalg.norm(points, axis=1)
