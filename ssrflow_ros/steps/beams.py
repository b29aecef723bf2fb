"""Beams of a sweep by direction: whether what comes back stands together, or other beams pass beside it.

A body fills the directions in which it is seen: beams side by side end on it, at about one range. A flake, a drop or a
grain of dust ends one beam; those beside it go on.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..kernels.beams import beside, by_direction, filled, is_beside_the_next, passing
from ..kernels.returns import rows_of
from ..transforms import transformed32

_CONE = np.float32(0.011)  # rad that two beams side by side are apart, at most
_WIDEST = 4  # times as much, where the sensor sends fewer than ...
_FEWEST = 4  # others about a beam
# m, and share of the range, by which company, and what is of one body, lies nearer or farther.
_COMPANY, _BODY = np.array([0.15, 0.02], np.float32), np.array([0.06, 0.01], np.float32)
_FAR = 32.0  # m, beyond which the air returns nothing
_LEVEL = np.eye(3)
_ASIDE = np.float32(0.007)  # rad of azimuth, half of what lies between two columns of a sparse sensor
_RING = np.float32(0.005)  # rad of elevation, by which the beams of one ring may lie apart
_ROWS = 4  # cells of 0.64 to 1.3 degrees, within which the next ring of a sparse sensor passes


class Beams:
    """The beams of the points (N, 3) m of a sweep, seen from the origin.

    level  (3, 3) rotation from the sensor's axes, in which its rings are level, to those of the points.
    """

    def __init__(self, points: np.ndarray, level: np.ndarray = _LEVEL):
        self._turn = None if np.array_equal(level, _LEVEL) else level.T
        self._points = self._in_sensor(points)

    def _in_sensor(self, points: np.ndarray) -> np.ndarray:
        if self._turn is None:
            return np.ascontiguousarray(points, np.float32)
        return transformed32(points, self._turn, np.zeros(3))

    @cached_property
    def _by_direction(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Beams, where each cell of directions begins, and their rows; made when somebody asks: where nothing is
        proposed nobody does."""
        return by_direction(self._points)

    def are_alone(self) -> np.ndarray:
        """(N,) bool of the sweep's points: no beam beside it ended at about its range, and not two in a wider cone, for
        what is thin may be met by one beam of each ring; none beyond 32 m."""
        alone, (depth, share) = np.zeros(len(self._points), bool), _COMPANY
        beams, first, of_beam = self._by_direction
        # Most have the one before or after them beside them.
        rows = of_beam[~is_beside_the_next(beams, _CONE, depth, share) & (beams[:, 3] < _FAR)].astype(np.int64)
        for narrowest, fewest in (1, 1), (_WIDEST, 2):
            asked = rows_of(self._points, rows)
            counted = beside(asked, beams, first, _CONE, narrowest, _WIDEST, _FEWEST, depth, share, fewest)
            rows = rows[counted[:, 0] < fewest]
        alone[rows] = True
        return alone

    def are_filled(self, points: np.ndarray, counts: np.ndarray, least: float) -> np.ndarray:
        """(K,) bool of K groups of the sweep's points (M, 3) m, one after the other, `counts` (K,) of each: of the
        returns beside a point that are not nearer, the share at its range, 1 where there are none, is `least` or more,
        on average over the group."""
        beams, first, _ = self._by_direction
        depth, share = _BODY
        return filled(self._in_sensor(points), counts, beams, first, _CONE, _WIDEST, _FEWEST, depth, share, least)

    def passing(self, points: np.ndarray) -> np.ndarray:
        """(M, 2) float32 m: how far the beams reach that pass next below and next above any points (M, 3) m, as the
        sensor stands; nan where none does."""
        return passing(self._in_sensor(points), *self._by_direction[:2], _ASIDE, _RING, _ROWS)
