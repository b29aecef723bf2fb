"""Proposals: which points may move together, before anybody has asked how far."""
from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..settings import Settings
from .clusters import find_clusters

_CELL = 0.25            # m, of the map from above; what touches on it is one thing
_SIDE = 640            # cells of the map's side
_LARGEST = 16.0         # m, no mover is longer
_SUSPECT_SHARE = 0.1    # of a thing's points, that make it a proposal
_FEWEST_SUSPECTS = 3
_BESIDE = 1.0           # m, sides of squares; a place vacated in the next square may have been a thing's own
_FREE_SHARE = 0.03      # of a proposal's points, that speak for free space taken or left
_SAME = 0.6             # of a thing's points: a group with more is the thing, and is not asked again
_MOST = 64              # proposals of one sweep


def propose(points: np.ndarray, velocity: np.ndarray, fast: np.ndarray, free: np.ndarray, vacated: np.ndarray,
            settings: Settings) -> list[np.ndarray]:
    """Rows of each proposal, of which several may hold the same point.

    points (n, 3) m without ground, velocity (n, 3) m/s by the network; fast (n,) bool: the network says
    that it moves; free (n,) bool: stands where the other sweep saw through, or
    would have left a place through which this one sees; vacated (m, 3) m: points of the other sweep
    through which this one sees.

    Whole things that stand apart and are under suspicion come first, then what the network moves
    alike, then free points by themselves: what touches a wall is no thing of its own.
    """
    suspect = fast | free
    if not suspect.any() and not len(vacated):
        return []
    groups = _things(points, suspect, vacated, settings.object_points)
    things = len(groups)
    whole = np.zeros(len(points), np.int64)     # number of points of the thing that holds each point
    for rows in groups:
        whole[rows] = len(rows)
    groups += [rows for rows in _groups(find_clusters(points, velocity, fast, settings))
               if len(rows) < _SAME * whole[rows].min() or not whole[rows].all()]
    groups += _groups(find_clusters(points, np.zeros_like(velocity), free & (whole == 0), settings))
    doubts = [int(free[rows].sum()) for rows in groups]
    best = sorted((k for k, rows in enumerate(groups) if k < things or doubts[k] >= max(2, _FREE_SHARE * len(rows))),
                  key=lambda k: -doubts[k])
    return [groups[k] for k in best[:_MOST]]


def _things(points: np.ndarray, suspect: np.ndarray, vacated: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Rows of the things on the map that are small enough to move and under suspicion: of what they hold
    themselves, or of places that were vacated beside them."""
    if not len(points):
        return []
    cell = np.clip(np.floor(points[:, :2] / _CELL).astype(np.int64) + _SIDE // 2, 0, _SIDE - 1)
    low, high = cell.min(axis=0), cell.max(axis=0) + 1
    occupied = np.zeros(high - low, bool)
    occupied[tuple((cell - low).T)] = True
    names, count = ndimage.label(occupied, np.ones((3, 3), int))
    thing = names[tuple((cell - low).T)] - 1
    size = np.bincount(thing, minlength=count)
    beside = np.zeros(count)
    np.maximum.at(beside, thing, _counts_about(vacated, points))
    doubts = np.bincount(thing, suspect, minlength=count) + beside
    extent = np.array([max(part.stop - part.start for part in slices) for slices in ndimage.find_objects(names)])
    good = ((size >= fewest) & (doubts >= np.maximum(_FEWEST_SUSPECTS, _SUSPECT_SHARE * size))
            & (extent * _CELL <= _LARGEST))
    return _groups(np.where(good[thing], thing, -1))


def _counts_about(vacated: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) how many of `vacated` (m, 3) lie in the squares about each of `points` (n, 3)."""
    side = 256
    key, place = (((array[:, :2] / _BESIDE + side // 2).clip(1, side - 2)).astype(np.int32) @ np.int32([side, 1])
                  for array in (vacated, points))
    counts = np.bincount(key, minlength=side * side).reshape(side, side)
    about = ndimage.correlate1d(ndimage.correlate1d(counts, [1, 1, 1], axis=0), [1, 1, 1], axis=1)
    return about.ravel()[place]


def _groups(numbers: np.ndarray) -> list[np.ndarray]:
    """Rows of each number >= 0 in `numbers` (n,)."""
    rows = np.flatnonzero(numbers >= 0)
    rows = rows[np.argsort(numbers[rows], kind='stable')]
    return np.split(rows, np.flatnonzero(np.diff(numbers[rows])) + 1) if len(rows) else []
