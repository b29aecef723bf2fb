"""Rigid motions seen from above: all that moves turns about the vertical and goes along the ground."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PlanarMotion(NamedTuple):
    """Of a cluster: `displacement` (2,) m in x and y, `turn` rad counter-clockwise about `centre` (2,) m."""

    centre: np.ndarray
    displacement: np.ndarray
    turn: float

    @property
    def inverse(self) -> PlanarMotion:
        """The motion back, of what has moved."""
        return PlanarMotion(self.centre + self.displacement, -self.displacement, -self.turn)

    def of(self, points: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """(n, 3) m, displacement of points (n, 3) m along a ground that rises by `slope` (2,) in x and in y."""
        x, y = (points[:, :2] - self.centre).T
        cos, sin = np.cos(self.turn) - 1, np.sin(self.turn)
        moved = np.column_stack([self.displacement[0] + cos * x - sin * y, self.displacement[1] + sin * x + cos * y])
        return np.column_stack([moved, moved @ slope])


def level_axes(x: float, y: float) -> np.ndarray:
    """(3, 3) rows: ahead in the direction of the unit vector (x, y), across to the left, up."""
    return np.array([[x, y, 0], [-y, x, 0], [0, 0, 1]])
