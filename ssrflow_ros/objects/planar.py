"""Rigid motions seen from above: all that moves turns about the vertical and goes along the ground."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.bodies import displaced


class PlanarMotion(NamedTuple):
    """Of K clusters: `displacement` (K, 2) m in x and y, `turn` (K,) rad counter-clockwise about `centre` (K, 2) m."""

    centre: np.ndarray
    displacement: np.ndarray
    turn: np.ndarray

    @property
    def inverse(self) -> PlanarMotion:
        """The motion back, of what has moved."""
        return PlanarMotion(self.centre + self.displacement, -self.displacement, -self.turn)

    def of(self, points: np.ndarray, counts: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """(n, 3) m, displacement of points (n, 3) m, of which each cluster has `counts` (K,), one cluster after the
        other, along a ground that rises by `slope` (2,) in x and in y."""
        return displaced(points, counts, *self, slope)


def level_axes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(K, 3, 3), rows: ahead in the direction of the unit vectors (x, y), (K,) each, across to the left, up."""
    nothing, up = np.zeros_like(x), np.ones_like(x)
    return np.stack([x, y, nothing, -y, x, nothing, nothing, nothing, up], axis=-1).reshape(-1, 3, 3)
