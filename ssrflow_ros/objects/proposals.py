"""Proposals: which points may move together, before anybody has asked how far."""

from __future__ import annotations

import numpy as np

from ..kernels.maps import connected_things
from ..settings import Settings
from .clusters import find_clusters
from .groups import reduced, rows_of_each
from .observation import ObservedPoints

_CELL = 0.25  # m, of the map from above; what touches on it is one thing
_SIDE = 640  # cells of the map's side
_LARGEST = 16.0  # m, no mover is longer
_SUSPECT_SHARE = 0.1  # of a thing's points, that make it a proposal
_FEWEST_SUSPECTS = 3
_SQUARE = 4  # cells, sides of squares; a place vacated in the next square may have been a thing's own
_FREE_SHARE = 0.01  # of a proposal's points, that speak for free space taken or left; what is far takes little
_SAME = 0.6  # of a thing's points: a group with more is the thing, and is not asked again
_MOST = 256  # proposals of one sweep
UNMATCHED = 0.25
"""Share of a thing's points beside which the other sweep has none, from which it may have moved."""


def propose(observed: ObservedPoints, dt: float, settings: Settings) -> list[np.ndarray]:
    """Rows of each proposal, of which several may hold the same point.

    Whole things that stand apart and are under suspicion come first, then what the network moves
    alike, then suspicious points by themselves: what touches a wall is no thing of its own.
    """
    points, suspicious = observed.points, observed.suspicious
    suspects = observed.moving | suspicious
    things = _things(observed, suspects, settings.object_points)
    whole = np.zeros(len(points), np.int64)  # number of points of the thing that holds each point
    for rows in things:
        whole[rows] = len(rows)
    velocity = observed.displacement / dt
    parts = rows_of_each(find_clusters(points, velocity, observed.moving, settings))
    if parts:
        least = reduced(np.minimum, whole, parts)
        parts = [rows for rows, least in zip(parts, least) if not least or len(rows) < _SAME * least]
    parts += rows_of_each(find_clusters(points, np.zeros_like(velocity), suspicious & (whole == 0), settings))
    if not things and not parts:
        return []
    doubts = reduced(np.add, suspicious.astype(int), things + parts)
    best = sorted(
        (k for k, rows in enumerate(things + parts) if k < len(things) or doubts[k] >= max(2, _FREE_SHARE * len(rows))),
        key=lambda k: -doubts[k],
    )
    return [(things + parts)[k] for k in best[:_MOST]]


def _things(observed: ObservedPoints, suspects: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Rows of the things on the map that are small enough to move and under suspicion: of what they hold
    themselves, or of places that were vacated beside them; or as nothing of the other sweep lies where they stand."""
    points, vacated = observed.points, observed.vacated_space
    owner, extent, size, suspected, vacancies = connected_things(points, suspects, vacated, _CELL, _SIDE, _SQUARE)
    if not len(size):
        return []
    suspicious = suspected + vacancies >= np.maximum(_FEWEST_SUSPECTS, _SUSPECT_SHARE * size)
    unmatched = np.bincount(owner, observed.unmatched, len(size)) >= UNMATCHED * size
    good = (size >= fewest) & (suspicious | unmatched) & (extent.max(axis=1) * _CELL <= _LARGEST)
    return rows_of_each(np.where(good[owner], owner, -1))
