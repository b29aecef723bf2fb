"""Screening: which proposals are worth to be registered; most are not, and registration is what costs."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import belief
from .evidence import View
from .tiles import shares, spread

_MOST_ASKED = 512        # of a proposal's points
_FREE_SHARE = 0.01       # of a proposal's points that took free space, below which a place must be vacated about it


class Asked(NamedTuple):
    """K proposals that are worth to be registered.

    few (n,) rows of those of their points that are asked, one proposal after the other, `asked` (K,) of each.   taken,
    before, framed, fast (K,) shares of them that took free space, that took space which was free half a second before,
    that are seen past something nearer, and that the network says move.   unlike (K,) m by which its flows differ.
    worth (K, F) features.
    """

    groups: list[np.ndarray]
    few: np.ndarray
    asked: np.ndarray
    taken: np.ndarray
    before: np.ndarray
    framed: np.ndarray
    fast: np.ndarray
    unlike: np.ndarray
    worth: np.ndarray


def worth_asking(groups: list[np.ndarray], points: np.ndarray, motion: np.ndarray, fast: np.ndarray,
                 taken: np.ndarray, before: np.ndarray, vacated: np.ndarray, view: View, reach: float) -> Asked:
    """Those `groups` that are not nearly sure to stand; taken, before, fast (n,) bool of the points, vacated (m, 3) m,
    view of the sweep that they are of."""
    if not groups:
        return Asked([], *np.zeros((2, 0), int), *np.zeros((6, 0)))
    n = np.array([len(group) for group in groups])
    few, asked = spread(n, _MOST_ASKED)
    few = np.concatenate(groups).take(few)
    flow, z, first = motion.take(few, axis=0)[:, :2], points[:, 2].take(few), np.cumsum(asked) - asked
    taken, before, framed, fast, east, north = (shares(values, asked) for values in (
        taken.take(few), before.take(few), view.at(points.take(few, axis=0)).is_framed(), fast.take(few), *flow.T))
    middle = np.column_stack([east, north])
    off = flow - np.repeat(middle, asked, axis=0)
    unlike = shares(np.hypot(off[:, 0], off[:, 1]), asked)
    height = np.maximum.reduceat(z, first) - np.minimum.reduceat(z, first)
    worth = belief.worth_features(n, taken, before, np.hypot(east, north), height, framed, fast, unlike)
    kept = worth @ belief.WORTH >= belief.LEAST_WORTH
    # What took no free space has hardly moved if none was left within its reach.
    kept &= (np.maximum(taken, before) >= _FREE_SHARE) | _any_about(points.take(few, axis=0), first, vacated, reach)
    return Asked([groups[k] for k in np.flatnonzero(kept)], few[np.repeat(kept, asked)],
                 *(values[kept] for values in (asked, taken, before, framed, fast, unlike, worth)))


def _any_about(points: np.ndarray, first: np.ndarray, others: np.ndarray, reach: float) -> np.ndarray:
    """(K,) bool, whether any of `others` (m, 3) m lies within `reach` m of the box about each group of points (n, 3),
    of which the `first` (K,) rows are given."""
    inside = np.ones((len(first), len(others)), bool)
    for column, other in zip(points.T, others.T):
        inside &= other > np.minimum.reduceat(column, first)[:, None] - np.float32(reach)
        inside &= other < np.maximum.reduceat(column, first)[:, None] + np.float32(reach)
    return inside.any(axis=1)
