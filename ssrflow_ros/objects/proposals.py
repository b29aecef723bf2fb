"""Proposals: which points may move together, before anybody has asked how far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.groups import mostly_of, rows_by_number, touched_by
from ..kernels.maps import connected_things
from ..settings import Settings
from .clusters import find_clusters
from .groups import rows_of_each
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
_REST_MOVES = 0.5  # share of the rest that moves by the network, at most, where a part is proposed by itself
_SURE = 0.5  # ... surely, if so many of the object's have
_MOST = 256  # proposals of one sweep
UNMATCHED = 0.25
"""Share of a thing's points beside which the other sweep has none, from which it may have moved."""
KNOWN = 0.5
"""Share of a thing's points that lie where objects are expected, from which it is asked whatever else is known."""


class _Things(NamedTuple):
    """Things on the map: the number `of` (n,) the one that holds each point, -1 for none; of each the number of its
    points, `sizes`, of those that the network moves, `movers`, and of those at which an object is expected, `followed`,
    (K,) each."""

    of: np.ndarray
    sizes: np.ndarray
    movers: np.ndarray
    followed: np.ndarray


def propose(observed: ObservedPoints, expected: np.ndarray, dt: float, settings: Settings) -> list[np.ndarray]:
    """Rows of each proposal, of which several may hold the same point.

    Whole things that stand apart and are under suspicion come first, then what the network moves
    alike, and what lies where an object of the stream is `expected`, (n,) number of it, -1 for none: it may touch what
    stands; then suspicious points by themselves: what touches a wall is no thing of its own.
    """
    points, suspicious = observed.points, observed.suspicious
    held = _things(observed, expected, settings.object_points)
    thing, things, velocity = held.of, rows_of_each(held.of), observed.displacement / dt
    parts = _not_nearly(things, thing, find_clusters(points, velocity, observed.moving, settings))
    free = observed.in_free_space | observed.in_past_free_space
    known, mixed = _expected_groups(thing, len(things), free, expected, settings.object_points)
    at_rest = np.zeros_like(velocity)
    parts += find_clusters(points, at_rest, suspicious & (thing < 0), settings)
    within = find_clusters(points, at_rest, suspicious & (thing >= 0), settings)
    parts += _not_nearly(things, thing, _beside_what_stands(within, held, observed.moving))
    things = [rows for number, rows in enumerate(things) if number not in mixed]
    groups = things + known + parts
    if not groups:
        return []
    sizes = np.array([len(rows) for rows in groups])
    doubts = np.add.reduceat(suspicious.take(np.concatenate(groups)), np.cumsum(sizes) - sizes, dtype=np.int64)
    asked = (doubts >= np.maximum(2, _FREE_SHARE * sizes)) | (np.arange(len(groups)) < len(things) + len(known))
    best = np.argsort(np.where(asked, -doubts, 1), kind='stable')[: min(asked.sum(), _MOST)]
    return [groups[k] for k in best.tolist()]


def _not_nearly(things: list[np.ndarray], thing: np.ndarray, groups: list[np.ndarray]) -> list[np.ndarray]:
    """Those of the groups of rows that are not nearly a thing; `thing` (n,) number of the one that holds each point."""
    if not groups or not things:
        return groups
    sizes, rows = np.array([*(len(rows) for rows in things), 0]), np.concatenate(groups)
    counts = np.array([len(rows) for rows in groups])
    least = np.minimum.reduceat(sizes.take(thing.take(rows)), np.cumsum(counts) - counts).tolist()
    return [rows for rows, least in zip(groups, least) if not least or len(rows) < _SAME * least]


def _beside_what_stands(groups: list[np.ndarray], held: _Things, moving: np.ndarray) -> list[np.ndarray]:
    """Those of the groups of rows that lie in a thing of which the rest stands by the network, moving (n,) bool. Of a
    long vehicle the rest moves, too; and where an object is expected, that tells what is one."""
    if not groups:
        return []
    counts = np.array([len(rows) for rows in groups])
    first, things = np.append(0, np.cumsum(counts)), len(held.sizes)
    of, own, own_movers = mostly_of(np.concatenate(groups), first, held.of, moving, things).T
    rest = held.sizes[of] - own
    apart = (rest >= _REST * counts) & (held.movers[of] - own_movers <= _REST_MOVES * rest) & (held.followed[of] == 0)
    return [groups[k] for k in np.flatnonzero(apart).tolist()]


def _expected_groups(
    thing: np.ndarray, things: int, free: np.ndarray, expected: np.ndarray, fewest: int
) -> tuple[list[np.ndarray], set[int]]:
    """Rows of what lies where each object is `expected`, (n,), as far as it is no thing by itself: pieces of several;
    what touches something that stands, or another that is expected; what is of no thing. One that comes into view
    grows, and is its thing.

    thing (n,) number of the one that holds each point, -1 for none; free (n,) bool: it took free space.
    And the numbers of the things of which a part moves and the rest stands.
    """
    rows, first = rows_by_number(expected)
    own, own_free, rest, rest_free, rest_expected, touched = touched_by(rows, first, thing, free, things).T
    stands = rest_free * own <= _STANDS * own_free * rest
    enough = rest >= _REST * own
    others = rest_expected >= np.maximum(fewest, _REST * own)
    kept = (np.diff(first) >= fewest) & (np.where(enough, stands | others, touched > 1) | (own == 0))
    mixed = kept & stands & enough & (own_free >= _SURE * own) & (own > 0)
    groups = {number: rows[first[number] : first[number + 1]] for number in np.flatnonzero(kept).tolist()}
    of_mixed = {of for number in np.flatnonzero(mixed).tolist() for of in np.unique(thing[groups[number]]).tolist()}
    return list(groups.values()), of_mixed - {-1}


def _things(observed: ObservedPoints, expected: np.ndarray, fewest: int) -> _Things:
    """The things on the map that are small enough to move and under suspicion: of what they hold themselves, or of
    places that were vacated beside them; or as nothing of the other sweep lies where they stand; or as an object is
    `expected` there, (n,)."""
    marks = observed.moving | observed.suspicious, observed.unmatched, observed.moving, expected >= 0
    owner, extent, size, marked, vacancies = connected_things(
        observed.points, marks, observed.vacated_space, _CELL, _SIDE, _SQUARE
    )
    suspects, unmatched, movers, followed = marked.T
    suspicious = suspects + vacancies >= np.maximum(_FEWEST_SUSPECTS, _SUSPECT_SHARE * size)
    asked = suspicious | (unmatched >= UNMATCHED * size) | (followed >= KNOWN * size)
    good = (size >= fewest) & asked
    good &= extent.max(axis=1, initial=0) * _CELL <= _LARGEST
    return _Things(np.where(good, np.cumsum(good) - 1, -1).take(owner), size[good], movers[good], followed[good])
