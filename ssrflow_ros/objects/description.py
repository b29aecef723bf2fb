"""Description: the points of a cluster that moves become an object with a box, a motion, and how far off both are."""

from __future__ import annotations

import numpy as np

from ..sweep import MovingObject
from .covariance import MotionErrors, climb_features
from .motion_classifier import MotionClassifier
from .planar import PlanarMotion, level_axes

_HEADING_SPEED = 1.5  # m/s, faster ones face where they go


def describe(
    number: int,
    points: np.ndarray,
    motion: PlanarMotion,
    errors: MotionErrors,
    k: int,
    dt: float,
    slope: np.ndarray,
    classifier: MotionClassifier,
) -> MovingObject:
    """The object `number` of points (n, 3) m that move like that in `dt` s, along a ground of that `slope`, with their
    box.

    errors  of the motions of all clusters, of which `k` is this one.
    """
    points = points.astype(float)
    velocity = motion.displacement / dt
    fast = np.hypot(*velocity) > _HEADING_SPEED
    yaw = float(np.arctan2(velocity[1], velocity[0])) if fast else _longest_side(points[:, :2])
    axes = level_axes(np.cos(yaw), np.sin(yaw))
    turned = points @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = (low + high) / 2 @ axes
    turn_rate = float(motion.turn / dt)
    arm = centre[:2] - motion.centre
    velocity = velocity + turn_rate * np.array([-arm[1], arm[0]])
    along = np.vstack([np.eye(2), slope])  # from the level to the ground
    velocity = along @ velocity
    covariance = along @ errors.covariance[k] @ along.T / dt**2
    covariance[2, 2] += np.exp(classifier.climb_variance(climb_features(np.hypot(*velocity[:2]))))
    return MovingObject(
        number,
        centre,
        high - low,
        yaw,
        velocity,
        len(points),
        yaw_rate=turn_rate,
        velocity_covariance=covariance,
        yaw_rate_variance=float(errors.turn_variance[k]) / dt**2,
    )


def _longest_side(points: np.ndarray) -> float:
    """Direction of the greatest spread of (n, 2), rad in (-pi/2, pi/2]."""
    spread = np.cov(points.T) if len(points) > 1 else np.eye(2)
    direction = np.linalg.eigh(spread)[1][:, 1]
    return float(np.arctan(direction[1] / direction[0])) if direction[0] else np.pi / 2
