"""The prefilter: which proposals are worth to be registered; most are not, and registration is what costs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.groups import any_near, summed_up
from ..kernels.returns import rows_of
from ..steps.beams import Beams
from ..steps.range_image import RangeImage
from .features import Columns
from .groups import Clusters, evenly_chosen, group_shares
from .motion_classifier import MotionClassifier
from .observation import ObservedPoints
from .proposals import KNOWN, UNMATCHED

_MOST_POINTS = 512  # of a proposal that are looked at from here on
_FREE_SHARE = 0.01  # of a proposal's points that took free space, below which a place must be vacated about it
_MOST = 64  # proposals that are registered, the likeliest
_LEAST_FILLED = 0.18  # of the returns beside a proposal's points, that lie at their range; of any body more do
MANY = 500  # points, beyond which more say nothing: walls have thousands


class ScreenedProposals(NamedTuple):
    """K proposals that are worth to be registered.

    groups    rows of each; rows (m,) of all, one proposal after the other, sizes (K,) of each.
    clusters  at most 512 points of each; network (n, 3) m, their displacement by the network.
    features  by which they were found worth it, (K,) each.
    in_free_space, beside_occluder, moving_share, unmatched, past_unmatched  (K,) shares of their points that took free
    space, that are seen past something nearer, that the network says move, and beside which the other sweep, and the
    earlier one, has none.
    network_spread (K,) m by which its displacements differ.
    """

    groups: list[np.ndarray]
    rows: np.ndarray
    sizes: np.ndarray
    clusters: Clusters
    network: np.ndarray
    features: Columns
    in_free_space: np.ndarray
    beside_occluder: np.ndarray
    moving_share: np.ndarray
    network_spread: np.ndarray
    unmatched: np.ndarray
    past_unmatched: np.ndarray


def prefilter(
    proposals: list[np.ndarray],
    observed: ObservedPoints,
    expected: np.ndarray,
    image: RangeImage,
    beams: Beams,
    of_sweep: np.ndarray,
    reach: float,
    classifier: MotionClassifier,
) -> ScreenedProposals | None:
    """Those of the `proposals`, rows of each, that are not nearly sure to stand, or are followed; None if none is left.

    expected (n,) as of `propose`; image and beams of the sweep that they are of, among whose points they are `of_sweep`
    (n,); reach m, as far as anything may have moved.
    """
    if not proposals:
        return None
    sizes = np.array([len(rows) for rows in proposals])
    chosen, counts = evenly_chosen(sizes, _MOST_POINTS)
    chosen = np.concatenate(proposals).take(chosen)
    clusters = Clusters(rows_of(observed.points, chosen), counts)
    network = rows_of(observed.displacement, chosen)
    free = observed.in_free_space, observed.in_past_free_space
    marks = *free, observed.moving, observed.unmatched, observed.past_unmatched, expected >= 0
    east, north, spread, height, *shares = summed_up(clusters.points, network, counts, chosen, marks).T
    in_free_space, in_past_free_space, moving, unmatched, past_unmatched, followed = shares
    beside_occluder = group_shares(image.at(clusters.points).is_beside_occluder(), counts)
    features = {
        'log_points': np.log(np.minimum(sizes, MANY)),
        'in_free_space': np.sqrt(in_free_space),
        'in_past_free_space': np.sqrt(in_past_free_space),
        'log_network_length': np.log(np.hypot(east, north) + 0.02),
        'log_network_spread': np.log(spread + 0.02),
        'tallness': np.maximum(height - 2.5, 0.0),
        'moving_share': moving,
        'beside_occluder': beside_occluder,
        'unmatched': unmatched,
        'past_unmatched': past_unmatched,
    }
    log_odds = classifier.prefilter(features)
    known = followed >= KNOWN
    kept = (log_odds >= classifier.least_log_odds) | known
    # What took no free space has hardly moved if none was left within its reach.
    no_space = np.maximum(in_free_space, in_past_free_space) < _FREE_SHARE
    doubtful = kept & ~known & no_space & (np.maximum(unmatched, past_unmatched) < UNMATCHED)
    left = any_near(clusters.points, counts, doubtful, observed.vacated_space, np.float32(reach))
    kept &= ~doubtful | left
    # Beams go on past what is no body: flakes, drops, dust.
    kept[kept] = beams.are_filled(of_sweep.take(chosen[np.repeat(kept, counts)]), counts[kept], _LEAST_FILLED)
    if not kept.any():
        return None
    kept[np.argsort(-np.where(kept, log_odds, -np.inf), kind='stable')[_MOST:]] = False
    groups = [proposals[k] for k in np.flatnonzero(kept).tolist()]
    return ScreenedProposals(
        groups,
        np.concatenate(groups),
        sizes[kept],
        Clusters(_rows(clusters.points, kept, counts), counts[kept]),
        _rows(network, kept, counts),
        {name: values[kept] for name, values in features.items()},
        *(values[kept] for values in (in_free_space, beside_occluder, moving, spread, unmatched, past_unmatched)),
    )


def _rows(points: np.ndarray, kept: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(m, 3), those of the points (n, 3) of K groups, `counts` (K,) of each, that are of the `kept` (K,) groups."""
    return rows_of(points, np.flatnonzero(np.repeat(kept, counts)))
