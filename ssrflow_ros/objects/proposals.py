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
_REST = 0.1  # of an expected object's points, that the rest of what it touches has at least, to be told from it ...
_STANDS = 0.2  # ... and how much less of it has taken free space, at most, to be taken as standing ...
_SURE = 0.5  # ... surely, if so many of the object's have
_MOST = 256  # proposals of one sweep
UNMATCHED = 0.25
"""Share of a thing's points beside which the other sweep has none, from which it may have moved."""


def propose(observed: ObservedPoints, expected: np.ndarray, dt: float, settings: Settings) -> list[np.ndarray]:
    """Rows of each proposal, of which several may hold the same point.

    Whole things that stand apart and are under suspicion come first, then what the network moves
    alike, and what lies where an object of the stream is `expected`, (n,) number of it, -1 for none: it may touch what
    stands; then suspicious points by themselves: what touches a wall is no thing of its own.
    """
    points, suspicious = observed.points, observed.suspicious
    suspects = observed.moving | suspicious
    things = _things(observed, suspects, settings.object_points)
    thing = np.full(len(points), -1)  # number of the thing that holds each point
    for number, rows in enumerate(things):
        thing[rows] = number
    velocity = observed.displacement / dt
    parts = _not_nearly(things, thing, rows_of_each(find_clusters(points, velocity, observed.moving, settings)))
    free = observed.in_free_space | observed.in_past_free_space
    known, mixed = _expected_groups(thing, free, rows_of_each(expected), settings.object_points)
    parts += known
    things = [rows for number, rows in enumerate(things) if number not in mixed]
    parts += rows_of_each(find_clusters(points, np.zeros_like(velocity), suspicious & (thing < 0), settings))
    if not things and not parts:
        return []
    doubts = reduced(np.add, suspicious.astype(int), things + parts)
    best = sorted(
        (k for k, rows in enumerate(things + parts) if k < len(things) or doubts[k] >= max(2, _FREE_SHARE * len(rows))),
        key=lambda k: -doubts[k],
    )
    return [(things + parts)[k] for k in best[:_MOST]]


def _not_nearly(things: list[np.ndarray], thing: np.ndarray, groups: list[np.ndarray]) -> list[np.ndarray]:
    """Those of the groups of rows that are not nearly a thing; `thing` (n,) number of the one that holds each point."""
    if not groups or not things:
        return groups
    sizes = np.array([*(len(rows) for rows in things), 0])
    least = reduced(np.minimum, sizes[thing], groups)
    return [rows for rows, least in zip(groups, least) if not least or len(rows) < _SAME * least]


def _expected_groups(
    thing: np.ndarray, free: np.ndarray, groups: list[np.ndarray], fewest: int
) -> tuple[list[np.ndarray], set[int]]:
    """Those of the groups of rows, each where an object is expected, that are no thing by themselves: pieces of
    several; what touches something that stands; what is of no thing. One that comes into view grows, and is its thing.

    thing (n,) number of the one that holds each point; free (n,) bool: it took free space.
    And the numbers of the things of which a part moves and the rest stands.
    """
    known, kept, mixed = thing >= 0, list[np.ndarray](), set[int]()
    sizes, taken = (np.bincount(thing[known], weights) for weights in (None, free[known]))
    for rows in groups:
        own = rows[known[rows]]
        of = np.unique(thing[own])
        rest, rest_free = sizes[of].sum() - len(own), taken[of].sum() - free[own].sum()
        stands = rest_free * len(own) <= _STANDS * free[own].sum() * rest
        apart = stands if rest >= _REST * len(own) else len(of) > 1
        if len(rows) >= fewest and (apart or not len(own)):
            kept.append(rows)
            if stands and rest >= _REST * len(own) and free[own].sum() >= _SURE * len(own) > 0:
                mixed.update(of.tolist())
    return kept, mixed


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
