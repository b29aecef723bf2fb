"""Fusion: what was measured, what the network says and what a track lets expect become one displacement.

A long smooth side slides along itself at no cost: there the network, or what was known before, knows better. Along each
axis of the cost's curvature the fused displacement lies between two, by a share that is fitted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..steps.range_image import RangeImage
from .ends import Ends, find_ends
from .features import Columns
from .groups import Clusters, group_shares
from .long_baseline import LongBaseline
from .models import Linear, logistic
from .motion_classifier import MotionClassifier
from .registration import Registration
from .tiles import Blocks


class FusedEnds(NamedTuple):
    """Of K clusters: the displacement `without` (K, 2) m, and the one that the ends of a long side `told` (K, 2) m, NaN
    where they are not seen.   features of the share, (K, 1) or (K, 2)."""

    without: np.ndarray
    told: np.ndarray
    features: Columns


class Fusion(NamedTuple):
    """Of K clusters: `displacement` (K, 2) m, its `cost` (K,) as in `Registration`, and the share of their points
    (K,) by which it is `contradicted`: the other sweep saw through the places where they would stand.   features of
    the share, (K, 1) or (K, 2), for each axis of the curvature.   ends as they were told of, None where nobody looked.
    """

    displacement: np.ndarray
    cost: np.ndarray
    contradicted: np.ndarray
    features: Columns
    ends: FusedEnds | None = None


class PastFusion(NamedTuple):
    """Of K clusters what was `fused` of the pair and of an earlier sweep: between what was `found` of the pair alone,
    (K, 2) m, and the motion since then, `told` (K, 2) m, NaN where not known.   features of the share, none where
    nothing is known."""

    fused: Fusion
    found: np.ndarray
    told: np.ndarray
    features: Columns


class TrackedFusion(NamedTuple):
    """Of K clusters what was found of the pair alone, steadied by tracks.

    displacement  (K, 2) m: `found` (K, 2) m, and `expected` (K, 2) m at a track's velocity, NaN where nothing is.
    found         of the pair alone, and by what was `accumulated` (K, 2) m of a track, NaN likewise.
    """

    displacement: np.ndarray
    found: np.ndarray
    expected: np.ndarray
    expected_features: Columns
    accumulated: np.ndarray
    accumulated_features: Columns


def fuse_with_network(
    registered: Registration,
    wholes: Clusters,
    clusters: Clusters,
    target: Blocks,
    image: RangeImage,
    classifier: MotionClassifier,
) -> Fusion:
    """Between what was measured, what the network says, and, along a long side, what its ends say.

    wholes  all points of each cluster.   target  as of `register`.   image  of the other sweep.
    """
    measured, network = registered.measured, registered.network
    features = measured_features(
        registered,
        clusters.counts,
        *(contradiction(image, clusters, displacement) for displacement in (measured, network)),
    )
    fused = between(registered.axes, measured, network, classifier.measured_share(features))
    ends = find_ends(registered, wholes, clusters, target, fused)
    displacement, ends_features = fuse_with_ends(registered, ends, fused, classifier)
    return Fusion(
        displacement,
        registered.cost(displacement),
        contradiction(image, clusters, displacement),
        features,
        FusedEnds(fused, ends.displacement, ends_features),
    )


def fuse_with_ends(
    registered: Registration, ends: Ends, found: np.ndarray, classifier: MotionClassifier
) -> tuple[np.ndarray, Columns]:
    """(K, 2) m between what was `found`, (K, 2) m, and the ends, and the features of the share."""
    features = {
        'log_misfit': np.log(ends.misfit + 0.03)[:, None],
        'log_length': np.log(ends.length)[:, None],
        'log_curvature': np.log(registered.curvature),
    }
    return _told(registered, found, ends.displacement, features, classifier.ends_share)


def fuse_with_past(
    registered: Registration,
    fused: Fusion,
    baseline: LongBaseline,
    clusters: Clusters,
    image: RangeImage,
    classifier: MotionClassifier,
) -> PastFusion:
    """Between the displacement by this pair alone and the one since an earlier sweep.   image  of the other sweep."""
    if not baseline.known.any():
        return PastFusion(fused, fused.displacement, baseline.displacement, {})
    found = fused.displacement
    of_past = judged(registered, fused, baseline.displacement, clusters, image)
    told = of_past.displacement
    features = {
        'log_cost_past': np.log(baseline.cost + 0.01)[:, None],
        'log_cost_past_found': np.log(baseline.cost_alike + 0.01)[:, None],
        'log_cost_past_still': np.log(baseline.cost_still + 0.01)[:, None],
        'log_cost': np.log(of_past.cost + 0.01)[:, None],
        'log_cost_found': np.log(fused.cost + 0.01)[:, None],
        'contradicted': np.sqrt(of_past.contradicted)[:, None],
        'log_size': np.log(registered.longer_side + 0.2)[:, None],
        'log_points': np.log(clusters.counts)[:, None],
        'log_length': np.log(np.linalg.norm(told, axis=1) + 0.02)[:, None],
        'log_ratio': np.log(baseline.ratio),
        'log_curvature': np.log(registered.curvature),
    }
    displacement, of_share = _told(registered, found, told, features, classifier.past_share)
    steady = judged(registered, fused, displacement, clusters, image)
    return PastFusion(steady, found, baseline.displacement, of_share)


def fuse_with_tracks(
    registered: Registration,
    fused: Fusion,
    accumulated: np.ndarray,
    expected: np.ndarray,
    clusters: Clusters,
    image: RangeImage,
    classifier: MotionClassifier,
) -> TrackedFusion:
    """Between the displacement by this pair alone, the one that what was `accumulated` of a track says, and what is
    `expected`, (K, 2) m each, NaN where nothing is."""

    def features(displacement: np.ndarray) -> Columns:
        then = judged(registered, fused, displacement, clusters, image)
        return share_features(registered, fused, then.cost, then.contradicted)

    return steadied(registered, fused, accumulated, features(accumulated), expected, features(expected), classifier)


def steadied(
    registered: Registration,
    fused: Fusion,
    accumulated: np.ndarray,
    accumulated_features: Columns,
    expected: np.ndarray,
    expected_features: Columns,
    classifier: MotionClassifier,
) -> TrackedFusion:
    """As `fuse_with_tracks`, of the features but how far the displacements lie apart."""

    cloud_share, track_share = classifier.accumulated_share, classifier.expected_share
    found, of_cloud = _told(registered, fused.displacement, accumulated, accumulated_features, cloud_share)
    displacement, of_track = _told(registered, found, expected, expected_features, track_share)
    return TrackedFusion(displacement, found, expected, of_track, accumulated, of_cloud)


def _told(
    registered: Registration, found: np.ndarray, told: np.ndarray, features: Columns, share: Linear
) -> tuple[np.ndarray, Columns]:
    """(K, 2) m between what was `found` and what is `told`, (K, 2) m, NaN where nothing is; features of the share."""
    told = np.where(np.isfinite(told), told, found)
    features = {**features, 'log_apart': np.log(_along(registered.axes, told - found) + 0.03)}
    return between(registered.axes, told, found, share(features)), features


def judged(
    registered: Registration, fused: Fusion, displacement: np.ndarray, clusters: Clusters, image: RangeImage
) -> Fusion:
    """What was `fused`, with the `displacement` (K, 2) m in its place, as far as that is known, and its cost and
    contradiction; `image` of the other sweep is asked of no place that it was asked of before."""
    displacement = np.where(np.isfinite(displacement), displacement, fused.displacement)
    cost, contradicted = fused.cost.copy(), fused.contradicted.copy()
    asked = np.flatnonzero((displacement != fused.displacement).any(axis=1))
    if len(asked):
        there = displacement[asked]
        cost[asked] = registered.cost(there, asked)
        contradicted[asked] = contradiction(image, clusters.of(asked), there)
    return fused._replace(displacement=displacement, cost=cost, contradicted=contradicted)


def contradiction(image: RangeImage, clusters: Clusters, displacement: np.ndarray) -> np.ndarray:
    """(K,) share of each cluster's points through whose places, moved by `displacement` (K, 2) m, the sensor saw."""
    return group_shares(image.at(clusters.moved(displacement)).is_free(), clusters.counts)


def measured_features(
    registered: Registration, counts: np.ndarray, contradicted_measured: np.ndarray, contradicted_network: np.ndarray
) -> Columns:
    """How far to trust what was measured against the network: counts (K,) points, and shares (K,) of them by which
    either is contradicted."""
    off = registered.measured - registered.network
    return {
        'log_cost_measured': np.log(registered.cost_measured + 0.01)[:, None],
        'log_cost_network': np.log(registered.cost_network + 0.01)[:, None],
        'log_cost_still': np.log(registered.cost_still + 0.01)[:, None],
        'log_points': np.log(counts)[:, None],
        'log_size': np.log(registered.longer_side + 0.2)[:, None],
        'log_disagreement': np.log(np.linalg.norm(off, axis=1) + 0.03)[:, None],
        'log_network_length': np.log(np.linalg.norm(registered.network, axis=1) + 0.05)[:, None],
        'log_range': np.log(registered.range + 2)[:, None],
        'contradicted_measured': np.sqrt(contradicted_measured)[:, None],
        'contradicted_network': np.sqrt(contradicted_network)[:, None],
        'log_curvature': np.log(registered.curvature),
        'log_apart': np.log(_along(registered.axes, off) + 0.03),
    }


def share_features(registered: Registration, fused: Fusion, cost: np.ndarray, contradicted: np.ndarray) -> Columns:
    """How far to trust a displacement that a track tells, with its cost and contradiction (K,), against what was found:
    all but how far they lie apart."""
    return {
        'log_cost': np.log(cost + 0.01)[:, None],
        'log_cost_found': np.log(fused.cost + 0.01)[:, None],
        'contradicted': np.sqrt(contradicted)[:, None],
        'contradicted_found': np.sqrt(fused.contradicted)[:, None],
        'log_size': np.log(registered.longer_side + 0.2)[:, None],
        'log_disagreement': np.log(np.linalg.norm(registered.measured - registered.network, axis=1) + 0.03)[:, None],
    }


def between(axes: np.ndarray, one: np.ndarray, other: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """(K, 2) m, from the `other` towards the `one` displacement (K, 2) m along each axis (K, 2, 2), columns, by the
    share of these log odds (K, 2)."""
    return other + np.einsum('kij,kj,klj,kl->ki', axes, logistic(log_odds), axes, one - other)


def _along(axes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.abs(np.einsum('kij,ki->kj', axes, vectors))
