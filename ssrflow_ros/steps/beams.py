"""Beams of a sweep by direction: whether what comes back stands together, or other beams pass beside it.

A body fills the directions in which it is seen: beams side by side end on it, at about one range. A flake, a drop or a
grain of dust ends one beam; those beside it go on.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..kernels.beams import beside, by_direction, is_beside_the_next
from ..kernels.outliers import directions
from ..kernels.returns import rows_of

_CONE = np.float32(0.011)  # rad that two beams side by side are apart, at most
_WIDEST = 4  # times as much, where the sensor sends fewer than ...
_FEWEST = 4  # others about a beam
# m, and share of the range, by which company, and what is of one body, lies nearer or farther.
_COMPANY, _BODY = (0.15, 0.02), (0.06, 0.01)
_FAR = 32.0  # m, beyond which the air returns nothing
_MANY = 1 << 20


class Beams:
    """The beams of the points (N, 3) m of a sweep, seen from the origin."""

    def __init__(self, points: np.ndarray):
        self._points = np.ascontiguousarray(points, np.float32)

    @cached_property
    def _directions(self) -> tuple[np.ndarray, np.ndarray]:
        return directions(self._points)

    @cached_property
    def _by_direction(self) -> tuple[np.ndarray, np.ndarray]:
        """Made when somebody asks: where nothing is proposed nobody does."""
        return by_direction(self._points, *self._directions)

    def are_alone(self) -> np.ndarray:
        """(N,) bool of the sweep's points: no beam beside it ended at about its range, and not two in a wider cone, for
        what is thin may be met by one beam of each ring; none beyond 32 m."""
        alone, reach = np.zeros(len(self._points), bool), self._directions[1]
        depth, share = map(np.float32, _COMPANY)
        # Most have the one before or after them beside them.
        rows = np.flatnonzero(~is_beside_the_next(self._points, reach, _CONE, depth, share) & (reach < _FAR))
        for narrowest, fewest in (1, 1), (_WIDEST, 2):
            company = self._beside(rows_of(self._points, rows), _COMPANY, fewest, narrowest)[:, 0]
            rows = rows[company < fewest]
        alone[rows] = True
        return alone

    def share_beside(self, points: np.ndarray) -> np.ndarray:
        """(M,) float64, of the returns beside some of the sweep's points (M, 3) m that are not nearer, the share at
        its range; 1 where there are none."""
        at, beyond = self._beside(points, _BODY, _MANY).T
        return np.where(at + beyond > 0, at / np.maximum(at + beyond, 1), 1.0)

    def _beside(self, points: np.ndarray, off: tuple[float, float], enough: int, narrowest: int = 1) -> np.ndarray:
        """(M, 2) of the sweep's points (M, 3) m, as of the kernel `beside`."""
        points, (depth, share) = np.ascontiguousarray(points, np.float32), map(np.float32, off)
        direction, reach = directions(points)
        return beside(
            points, direction, reach, *self._by_direction, _CONE, narrowest, _WIDEST, _FEWEST, depth, share, enough
        )
