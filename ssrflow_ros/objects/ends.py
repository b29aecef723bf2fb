"""Ends of long things: how far they moved along their long side, told by where its two ends are in both sweeps.

A smooth side slides along itself at hardly any cost, and where beams fall on it stays as it is; its ends go along.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.ends import ends_of
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
    registered: Registration, wholes: Clusters, clusters: Clusters, target: Blocks, found: np.ndarray
) -> Ends:
    """The side lies along the first axis of the curvature, where the cost is flattest.

    wholes  all points of each of K clusters.   target  as of `register`.
    found   (K, 2) m, the displacement to begin with.
    """
    ends = Ends(np.full(found.shape, np.nan), np.ones(len(found)), np.ones(len(found)))
    long = np.flatnonzero(registered.longer_side >= _SHORTEST)
    height = wholes.points[:, 2]
    low, high = (limit.reduceat(height, wholes.first[:-1])[long] for limit in (np.minimum, np.maximum))
    reach = registered.longer_side[long] / 2 + _AHEAD
    near = target.near(registered.centre[long], reach, low - _BESIDE, high + _BESIDE)
    begin, end, there_begin, there_end = ends_of(
        long,
        wholes.points,
        wholes.first,
        clusters.points,
        clusters.first,
        *near,
        registered.axes,
        found,
        _BESIDE,
        _GAP,
        _GAP_SHARE,
        _FEWEST,
    ).T
    seen = (end - begin >= _SHORTEST) & np.isfinite(there_begin)
    rows, moved = long[seen], ((there_begin - begin) + (there_end - end))[seen] / 2
    ends.displacement[rows] = found[rows] + registered.axes[rows, :, 0] * moved[:, None]
    ends.length[rows] = (end - begin)[seen]
    ends.misfit[rows] = np.abs((there_end - there_begin) - (end - begin))[seen]
    return ends
