"""The loop over long things: where the two ends of each are in both sweeps."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def _ends_of_bins(places, width):
    """(m, 2) the first and the last of the places (n,), n > 0, in each bin of that width that holds any, ascending:
    what lies farther apart than that lies in two of them."""
    begin = places.min()
    ends = np.empty((int((places.max() - begin) / width) + 1, 2))
    ends[:, 0], ends[:, 1] = np.inf, -np.inf
    for place in places:
        own = ends[int((place - begin) / width)]
        own[0], own[1] = min(own[0], place), max(own[1], place)
    held = 0
    for bin in range(len(ends)):
        if ends[bin, 0] < np.inf:
            ends[held, 0], ends[held, 1] = ends[bin, 0], ends[bin, 1]
            held += 1
    return ends[:held]


@compiled
def _overlapping(places, begin, end, gap):
    """First and last of those of the places (m,) that lie together, with no `gap` between them, and overlap the most
    with what goes from `begin` to `end`, and by how much."""
    bins, first, west, east, most = _ends_of_bins(places, gap), 0, 0.0, 0.0, -np.inf
    for last in range(len(bins)):
        if last + 1 == len(bins) or bins[last + 1, 0] - bins[last, 1] > gap:
            overlap = min(bins[last, 1], end) - max(bins[first, 0], begin)
            if overlap > most:
                west, east, most = bins[first, 0], bins[last, 1], overlap
            first = last + 1
    return west, east, most


@compiled
def ends_of(long, points, first, some, some_first, x, y, other_first, axes, found, beside, gap, gap_share, fewest):
    """(L, 4) m of each of the things `long` (L,): where it begins and ends along its side, and where that does which
    the other sweep has in its place; NaN where that has nothing there.

    points (n, 3) m of K things, one after the other, thing k from `first`[k] on (K + 1,); `some` (n', 3) of them, that
    show how far its points lie apart, likewise. x, y (m,) m of the other sweep's points about each of the `long` ones,
    likewise. axes (K, 2, 2), columns, along and across the side; `found` (K, 2) m, by which a thing moved.
    What lies `beside` m off a thing across its side is its own, if no `gap` m, or times the widest in the thing itself,
    parts it; `fewest` points at least.
    """
    out = np.full((len(long), 4), np.nan)
    for place in range(len(long)):
        k = long[place]
        along_x, along_y, across_x, across_y = axes[k, 0, 0], axes[k, 1, 0], axes[k, 0, 1], axes[k, 1, 1]
        begin, end, left, right = np.inf, -np.inf, np.inf, -np.inf
        for row in range(first[k], first[k + 1]):
            along = points[row, 0] * along_x + points[row, 1] * along_y
            across = points[row, 0] * across_x + points[row, 1] * across_y
            begin, end, left, right = min(begin, along), max(end, along), min(left, across), max(right, across)
        out[place, 0], out[place, 1] = begin, end
        there, count = np.empty(other_first[place + 1] - other_first[place]), 0
        for row in range(other_first[place], other_first[place + 1]):
            east, north = x[row] - found[k, 0], y[row] - found[k, 1]
            there[count] = east * along_x + north * along_y
            count += left - beside < east * across_x + north * across_y < right + beside
        if count < fewest:
            continue
        own = np.empty(some_first[k + 1] - some_first[k])
        for row in range(len(own)):
            point = some_first[k] + row
            own[row] = some[point, 0] * along_x + some[point, 1] * along_y
        bins, widest = _ends_of_bins(own, gap / gap_share), 0.0
        for bin in range(1, len(bins)):
            widest = max(widest, bins[bin, 0] - bins[bin - 1, 1])
        west, east, overlap = _overlapping(there[:count], begin, end, max(gap, gap_share * widest))
        if overlap > 0:
            out[place, 2], out[place, 3] = west, east
    return out
