"""Covariance: how far off motions are, by log-linear models of the errors' variance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .features import Columns
from .fusion import Fusion, TrackedFusion
from .motion_classifier import MotionClassifier
from .registration import Registration


class MotionErrors(NamedTuple):
    """Of K clusters: covariance (K, 2, 2) m² of the displacement that a track steadied, with the columns of its
    features, and turn_variance (K,) rad²."""

    covariance: np.ndarray
    turn_variance: np.ndarray
    features: Columns


def motion_errors(
    registered: Registration,
    fused: Fusion,
    tracked: TrackedFusion,
    probability: np.ndarray,
    sizes: np.ndarray,
    classifier: MotionClassifier,
) -> MotionErrors:
    """probability (K,) of the motion by this pair alone, sizes (K,) points of the clusters."""
    features = displacement_features(registered, fused, tracked, probability, sizes)
    turn = turn_features(fused.cost, sizes, registered.longer_side)
    return MotionErrors(
        displacement_covariance(features, registered.axes, classifier), np.exp(classifier.turn_variance(turn)), features
    )


def displacement_features(
    registered: Registration, fused: Fusion, tracked: TrackedFusion, probability: np.ndarray, sizes: np.ndarray
) -> Columns:
    """Columns, (K, 1) or (K, 2) for each axis of the curvature, of the errors of displacements that a track steadied;
    arguments as of `motion_errors`. `log_off_track` is NaN where nothing was
    expected."""
    off_track = np.abs(np.einsum('kij,ki->kj', registered.axes, tracked.expected - fused.displacement))
    return {
        'log_cost': np.log(fused.cost + 0.01)[:, None],
        'log_doubt': np.log(1.02 - probability)[:, None],
        'log_points': np.log(sizes)[:, None],
        'log_size': np.log(registered.longer_side + 0.2)[:, None],
        'log_range': np.log(registered.range + 2)[:, None],
        'log_length': np.log(np.linalg.norm(tracked.displacement, axis=1) + 0.05)[:, None],
        'log_disagreement': np.log(np.linalg.norm(registered.measured - registered.network, axis=1) + 0.03)[:, None],
        'log_curvature': np.log(registered.curvature),
        'log_off_track': np.log(off_track + 0.03),
    }


def displacement_covariance(features: Columns, axes: np.ndarray, classifier: MotionClassifier) -> np.ndarray:
    """(K, 2, 2) m² of `displacement_features`; axes (K, 2, 2) of the curvature, columns."""
    known = np.isfinite(features['log_off_track'])
    beside_track = {**features, 'log_off_track': np.nan_to_num(features['log_off_track'])}
    log = np.where(
        known, classifier.tracked_displacement_variance(beside_track), classifier.displacement_variance(features)
    )
    return np.einsum('kij,kj,klj->kil', axes, np.exp(log), axes)


def turn_features(cost: np.ndarray, sizes: np.ndarray, longer_side: np.ndarray) -> Columns:
    """Columns (K,) of the errors of turns, rad², of clusters of so many points and m."""
    return {'log_cost': np.log(cost + 0.01), 'log_points': np.log(sizes), 'log_size': np.log(longer_side + 0.2)}


def climb_features(speed: np.ndarray) -> Columns:
    """For the error of taking movers at `speed` (K,) m/s as going along the ground."""
    return {'log_speed': np.log(speed + 0.5)}
