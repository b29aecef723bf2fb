"""Outliers: returns of no surface, from rain, snow and dust in the air, and second returns of a beam.

A surface, be it a wire, is met by several beams side by side, at about one range. A drop is met by one; the next one
near it in direction is elsewhere. What lies behind something that is seen in its very direction is the second return
of that beam.
"""

from __future__ import annotations

import numpy as np

from ..kernels.outliers import directions, has_company, is_past_another

_FEWEST = 2  # others at about the range of a return, which a pole has of the sparsest sensor
_SHARE = 0.01  # of the returns about its direction, that must lie at its range
# m by which a first return is nearer; m, but no less and no more than these rad, that it is off the beam of both.
_PAST = np.float32(0.2), np.float32(0.006), np.float32(0.0002), np.float32(0.0014)


def outliers(points: np.ndarray) -> np.ndarray:
    """(N,) bool of a sweep's points (N, 3) float32 m in the frame of the sensor; beyond 32 m second returns only."""
    points = np.ascontiguousarray(points, np.float32)
    direction, reach = directions(points)
    return ~has_company(direction, reach, _FEWEST, _SHARE) | is_past_another(points, direction, reach, *_PAST)
