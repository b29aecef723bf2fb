"""Observation: what is known of each point before any belong together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.groups import lengths
from ..kernels.returns import rows_of
from ..settings import Settings
from ..steps.prepared import PreparedPair
from .static_world import beside, surroundings


class ObservedPoints(NamedTuple):
    """What is known of each of a prepared pair's points (n, 3) m.

    displacement        (n, 3) m by the network, its length (n,) m.   moving (n,) bool: that is at least `moving_speed`.
    in_free_space       (n,) bool: stands where the other sweep saw through; in_past_free_space (n,) bool: where the
                        sensor surely had half a second before.
    suspicious          (n,) bool: either, or the network moves it to a place through which this sweep sees.
    unmatched           (n,) bool: no return of the other sweep lies beside it; past_unmatched (n,) bool: none of the
                        sweep half a second before, False where there is none.
    vacated_space       (v, 3) m, points of the other sweep through whose places this one sees.
    """

    points: np.ndarray
    displacement: np.ndarray
    length: np.ndarray
    moving: np.ndarray
    in_free_space: np.ndarray
    in_past_free_space: np.ndarray
    suspicious: np.ndarray
    unmatched: np.ndarray
    past_unmatched: np.ndarray
    vacated_space: np.ndarray


def observe(prepared: PreparedPair, displacement: np.ndarray, settings: Settings) -> ObservedPoints:
    """displacement (N, 3) m by the network, of all points of the source."""
    points, displacement = prepared.points, rows_of(displacement, prepared.rows)
    length = lengths(displacement)
    moving = length >= settings.moving_speed * abs(prepared.pair.dt)
    suspicious = prepared.in_free_space | prepared.in_past_free_space
    asked = np.flatnonzero(moving & ~suspicious)
    places = rows_of(points, asked) + rows_of(displacement, asked)
    suspicious[asked] = prepared.range_images[0].at(places).is_free()
    return ObservedPoints(
        points,
        displacement,
        length,
        moving,
        prepared.in_free_space,
        prepared.in_past_free_space,
        suspicious,
        ~beside(points, surroundings(prepared.target)),
        ~beside(points, surroundings(prepared.past)) if prepared.past_age else np.zeros(len(points), bool),
        prepared.vacated_space,
    )
