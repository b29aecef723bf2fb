"""Fusion: what was measured, what the network says and what a track lets expect become one displacement.

A long smooth side slides along itself at no cost: there the network, or what was known before, knows better. Along each
axis of the cost's curvature the fused displacement lies between two, by a share that is fitted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..steps.range_image import RangeImage
from .features import Columns
from .groups import Clusters, group_means
from .models import logistic
from .motion_classifier import MotionClassifier
from .registration import Registration


class Fusion(NamedTuple):
    """Of K clusters: `displacement` (K, 2) m, its `cost` (K,) as in `Registration`, and the share of their points
    (K,) by which it is `contradicted`: the other sweep saw through the places where they would stand.   features of
    the share, (K, 1) or (K, 2), for each axis of the curvature."""

    displacement: np.ndarray
    cost: np.ndarray
    contradicted: np.ndarray
    features: Columns


class TrackedFusion(NamedTuple):
    """`displacement` (K, 2) m between that of the pair alone and the one `expected` (K, 2) m, NaN where nothing is.
    features as of `Fusion`."""

    displacement: np.ndarray
    expected: np.ndarray
    features: Columns


def fuse_with_network(
    registered: Registration, clusters: Clusters, image: RangeImage, classifier: MotionClassifier
) -> Fusion:
    """Between what was measured and what the network says; image of the other sweep."""
    measured, network = registered.measured, registered.network
    features = measured_features(
        registered,
        clusters.counts,
        *(contradiction(image, clusters, displacement) for displacement in (measured, network)),
    )
    fused = between(registered.axes, measured, network, classifier.measured_share(features))
    return Fusion(fused, registered.cost(fused), contradiction(image, clusters, fused), features)


def fuse_with_tracks(
    registered: Registration,
    fused: Fusion,
    expected: np.ndarray,
    clusters: Clusters,
    image: RangeImage,
    classifier: MotionClassifier,
) -> TrackedFusion:
    """Between the displacement by this pair alone and what is `expected`, (K, 2) m, NaN where nothing is."""
    known = np.isfinite(expected)
    then = np.where(known, expected, fused.displacement)
    contradicted = contradiction(image, clusters, then) if known.any() else fused.contradicted
    features = expected_features(registered, fused, then, registered.cost(then), contradicted)
    displacement = between(registered.axes, then, fused.displacement, classifier.expected_share(features))
    return TrackedFusion(displacement, expected, features)


def contradiction(image: RangeImage, clusters: Clusters, displacement: np.ndarray) -> np.ndarray:
    """(K,) share of each cluster's points through whose places, moved by `displacement` (K, 2) m, the sensor saw."""
    return group_means(image.at(clusters.moved(displacement)).is_free(), clusters.counts)


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


def expected_features(
    registered: Registration, fused: Fusion, expected: np.ndarray, cost: np.ndarray, contradicted: np.ndarray
) -> Columns:
    """How far to trust an `expected` displacement (K, 2) m, with its cost and contradiction (K,), against what was
    found."""
    return {
        'log_cost_expected': np.log(cost + 0.01)[:, None],
        'log_cost_found': np.log(fused.cost + 0.01)[:, None],
        'contradicted_expected': np.sqrt(contradicted)[:, None],
        'contradicted_found': np.sqrt(fused.contradicted)[:, None],
        'log_size': np.log(registered.longer_side + 0.2)[:, None],
        'log_disagreement': np.log(np.linalg.norm(registered.measured - registered.network, axis=1) + 0.03)[:, None],
        'log_apart': np.log(_along(registered.axes, expected - fused.displacement) + 0.03),
    }


def between(axes: np.ndarray, one: np.ndarray, other: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """(K, 2) m, from the `other` towards the `one` displacement (K, 2) m along each axis (K, 2, 2), columns, by the
    share of these log odds (K, 2)."""
    return other + np.einsum('kij,kj,klj,kl->ki', axes, logistic(log_odds), axes, one - other)


def _along(axes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.abs(np.einsum('kij,ki->kj', axes, vectors))
