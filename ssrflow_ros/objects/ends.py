"""Ends of long things: how far they moved along their long side, told by where its two ends are in both sweeps.

A smooth side slides along itself at hardly any cost, and where beams fall on it stays as it is; its ends go along.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .groups import Clusters
from .registration import Registration
from .tiles import Blocks

_SHORTEST = 1.5  # m, of a side whose ends are looked for
_BESIDE = 0.3  # m off a thing, across its side and up, within which the other sweep's points may be its own
_AHEAD = 4.5  # m beyond a thing, where they are looked for
_GAP, _GAP_SHARE = 0.5, 1.5  # m, or times the widest gap in the thing itself, that ends what belongs together
_FEWEST = 8  # points


class Ends(NamedTuple):
    """Of K clusters.

    displacement  (K, 2) m as it was found, but along the side, where it is the mean of both ends'; NaN where these are
                  not seen.
    length        (K,) m of the side.   misfit  (K,) m by which that differs between the sweeps.
    """

    displacement: np.ndarray
    length: np.ndarray
    misfit: np.ndarray


def find_ends(
    registered: Registration, groups: list[np.ndarray], clusters: Clusters, target: Blocks, found: np.ndarray
) -> Ends:
    """The side lies along the first axis of the curvature, where the cost is flattest.

    groups  points (n, 3) m of each of K clusters, all of them.   target  as of `register`.
    found   (K, 2) m, the displacement to begin with.
    """
    ends = Ends(np.full(found.shape, np.nan), np.ones(len(found)), np.ones(len(found)))
    first = np.cumsum(clusters.counts) - clusters.counts
    for k in np.flatnonzero(registered.longer_side >= _SHORTEST):
        along, across = registered.axes[k].T
        points, some = groups[k], clusters.points[first[k] : first[k] + clusters.counts[k]]
        side, beside, height = points[:, :2] @ along, points[:, :2] @ across, points[:, 2]
        low, high = (np.array([limit]) for limit in (height.min() - _BESIDE, height.max() + _BESIDE))
        reach = np.array([registered.longer_side[k] / 2 + _AHEAD])
        x, y, _ = target.near(registered.centre[k : k + 1], reach, low, high)
        others = np.column_stack([x, y]) - found[k]
        off, there = others @ across, others @ along
        there = np.sort(there[(off > beside.min() - _BESIDE) & (off < beside.max() + _BESIDE)])
        widest = np.diff(np.sort(some[:, :2] @ along)).max(initial=0)
        begin, end = side.min(), side.max()
        stretch = _overlapping(there, begin, end, max(_GAP, _GAP_SHARE * widest))
        if end - begin >= _SHORTEST and stretch is not None:
            ends.displacement[k] = found[k] + along * ((stretch[0] - begin) + (stretch[1] - end)) / 2
            ends.length[k] = end - begin
            ends.misfit[k] = abs((stretch[1] - stretch[0]) - (end - begin))
    return ends


def _overlapping(places: np.ndarray, begin: float, end: float, gap: float) -> tuple[float, float] | None:
    """First and last of those of the sorted `places` (m,) that lie together, with no `gap` between them, and overlap
    the most with what goes from `begin` to `end`; None where none do."""
    if len(places) < _FEWEST:
        return None
    cuts = np.flatnonzero(np.diff(places) > gap)
    begins, ends = places[np.append(0, cuts + 1)], places[np.append(cuts, len(places) - 1)]
    overlap = np.minimum(ends, end) - np.maximum(begins, begin)
    best = int(overlap.argmax())
    return (float(begins[best]), float(ends[best])) if overlap[best] > 0 else None
