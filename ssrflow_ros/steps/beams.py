"""Beams of a sweep by direction: whether what comes back stands together, or other beams pass beside it.

A body fills the directions in which it is seen: beams side by side end on it, at about one range. A flake, a drop or a
grain of dust ends one beam; those beside it go on. All is asked of one order of the beams by direction.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..kernels.beams import beside, by_direction, directions, filled, is_beside_the_next, is_past_another, only, passing
from ..kernels.outliers import has_company
from ..kernels.returns import rows_of
from ..transforms import transformed32

LEVEL = np.eye(3)
"""Of a sensor whose rings are level."""
_CONE = np.float32(0.011)  # rad that two beams side by side are apart, at most
_WIDEST = 4  # times as much, where the sensor sends fewer than ...
_FEWEST = 4  # others about a beam
# m, and share of the range, by which company, and what is of one body, lies nearer or farther.
_COMPANY, _BODY = np.array([0.15, 0.02], np.float32), np.array([0.06, 0.01], np.float32)
_FAR = 32.0  # m, beyond which the air returns nothing
# m by which a first return is nearer; m, but no less and no more than these rad, that it is off the beam of both.
_PAST = np.float32(0.2), np.float32(0.006), np.float32(0.0002), np.float32(0.0014)
_ASIDE = np.float32(0.007)  # rad of azimuth, half of what lies between two columns of a sparse sensor
_RING = np.float32(0.005)  # rad of elevation, by which the beams of one ring may lie apart
_ROWS = 4  # times 0.64 to 1.3 degrees, within which the next ring of a sparse sensor passes


class Beams:
    """The beams of a sweep, seen from the origin: `points` (N, 3) float32 m, in the sensor's axes."""

    def __init__(self, points: np.ndarray, level: np.ndarray = LEVEL):
        """points (N, 3) m; level (3, 3) rotation from the sensor's axes, in which its rings are level, to theirs."""
        self._level = level
        self.points = self._in_sensor(points)

    def only(self, rows: np.ndarray, level: np.ndarray | None = None) -> Beams:
        """Those of the points at some rows (n,), which are sorted already; to be asked in axes to which `level` (3, 3)
        leads, None: as these are."""
        some = Beams(rows_of(self.points, rows))
        some._level, some._by_direction = self._level if level is None else level, only(*self._by_direction, rows)
        return some

    def _in_sensor(self, points: np.ndarray) -> np.ndarray:
        if np.array_equal(self._level, LEVEL):
            return np.ascontiguousarray(points, np.float32)
        return transformed32(points, self._level.T, np.zeros(3))

    @cached_property
    def directions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As of `directions` in kernels/beams.py."""
        return directions(self.points)

    @cached_property
    def _by_direction(self) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
        """As of `by_direction` in kernels/beams.py; made when somebody asks."""
        return by_direction(self.points, *self.directions)

    def have_company(self, fewest: int, share: float) -> np.ndarray:
        """(N,) bool, as of `has_company` in kernels/outliers.py."""
        return has_company(*self.directions, fewest, share)

    def are_past_another(self) -> np.ndarray:
        """(N,) bool: another return lies clearly nearer on the same beam, of which this is the second one."""
        return is_past_another(*self._by_direction, *_PAST)

    def are_alone(self) -> np.ndarray:
        """(N,) bool of the sweep's points: no beam beside it ended at about its range, and not two in a wider cone, for
        what is thin may be met by one beam of each ring; none beyond 32 m."""
        alone, (depth, share) = np.zeros(len(self.points), bool), _COMPANY
        beams, first, lowest, of_beam = self._by_direction
        # Most have the one before or after them beside them.
        rows = of_beam[~is_beside_the_next(beams, _CONE, depth, share) & (beams[:, 3] < _FAR)].astype(np.int64)
        for narrowest, fewest in (1, 1), (_WIDEST, 2):
            asked = rows_of(self.points, rows)
            counted = beside(asked, beams, first, lowest, _CONE, narrowest, _WIDEST, _FEWEST, depth, share, fewest)
            rows = rows[counted[:, 0] < fewest]
        alone[rows] = True
        return alone

    def are_filled(self, rows: np.ndarray, counts: np.ndarray, least: float) -> np.ndarray:
        """(K,) bool of K groups of the sweep's points at `rows` (M,), one after the other, `counts` (K,) of each: of
        the returns beside a point that are not nearer, the share at its range, 1 where there are none, is `least` or
        more, on average over the group."""
        beams, (depth, share) = self._by_direction[:3], _BODY
        return filled(rows_of(self.points, rows), counts, *beams, _CONE, _WIDEST, _FEWEST, depth, share, least)

    def passing(self, points: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each sensor the range (M,) m of any points (M, 3) m, and (M, 2) float32 m: how far its beams reach that
        pass next below and next above them, as it stands; nan where none does."""
        reach = passing(self._in_sensor(points), *self._by_direction[:3], _ASIDE, _RING, _ROWS)
        return [(np.linalg.norm(points, axis=1), reach)]
