"""Unassigned points: those that no object took, of which some move by the network's word alone."""

from __future__ import annotations

import numpy as np

from ..kernels.groups import company
from ..settings import Settings
from ..steps.prepared import PreparedPair
from .classification import log_travelled
from .features import Columns
from .observation import ObservedPoints

_SQUARE, _SQUARES = 1.0, 256  # m, in which points are each other's company; on a map that goes on anew beyond
_SLOWEST = 1.0  # m/s, below which the network says too often of single points that they move


def unassigned_points(
    prepared: PreparedPair, observed: ObservedPoints, is_free: np.ndarray, probability: np.ndarray, settings: Settings
) -> tuple[np.ndarray, Columns]:
    """Rows (m,) of points that have no object, `is_free` (n,), and move by the network; columns (m,) of their features.

    probability  (n,) of the likeliest proposal that holds each point, 0 where none does.
    """
    points, displacement = observed.points, observed.displacement
    least = max(settings.moving_speed, _SLOWEST) * abs(prepared.pair.dt)
    rows = np.flatnonzero(is_free & (observed.length >= least))
    place = points.take(rows, axis=0) + displacement.take(rows, axis=0)
    return rows, {
        'log_probability': np.log(probability.take(rows) + 0.01),
        'log_company': np.log(company(points, rows, _SQUARE, _SQUARES)),
        'in_free_space': observed.in_free_space.take(rows),
        'leaves_free_space': prepared.range_images[0].at(place).is_free(),
        'in_past_free_space': observed.in_past_free_space.take(rows),
        'travelled': log_travelled(prepared.ego_motion),
    }
