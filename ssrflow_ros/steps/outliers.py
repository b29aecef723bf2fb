"""Outliers: returns of no surface, from rain, snow and dust in the air, and second returns of a beam.

A surface, be it a wire, is met by several beams side by side, at about one range. A drop is met by one; the next one
near it in direction is elsewhere. What lies behind something that is seen in its very direction is mostly a second
return of that beam, and must have more company.
"""

from __future__ import annotations

import numpy as np

from ..kernels.outliers import company, directions, is_past_another

_FEWEST = 2  # others at about the range of a return, which a pole has of the sparsest sensor
# Of the returns about its direction, the share that must lie at its range; and where it is seen past another.
_SHARES = 0.01, 0.04
# m by which that other one is nearer; rad, or m, that it is off the beam of both.
_PAST = np.float32(0.2), np.float32(0.0014), np.float32(0.006)


def outliers(points: np.ndarray) -> np.ndarray:
    """(N,) bool of a sweep's points (N, 3) float32 m in the frame of the sensor; none beyond 32 m."""
    points = np.ascontiguousarray(points, np.float32)
    direction, reach = directions(points)
    having = company(direction, reach, _FEWEST, _SHARES)
    found = having == 0
    doubtful = np.flatnonzero(having == 1)
    found[doubtful] = is_past_another(points, direction, reach, doubtful, *_PAST)
    return found
