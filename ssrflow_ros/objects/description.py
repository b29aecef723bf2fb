"""Description: clusters that move become objects with a box, a motion, and how far off both are."""

from __future__ import annotations

import numpy as np

from ..sweep import Basis, MovingObject
from .accumulated import SeenBodies
from .covariance import MotionErrors, climb_features
from .groups import group_means
from .motion_classifier import MotionClassifier
from .planar import level_axes

_HEADING_SPEED = 1.5  # m/s, faster ones face where they go


def describe(
    bodies: SeenBodies,
    errors: MotionErrors,
    which: np.ndarray,
    probability: np.ndarray,
    taken: np.ndarray,
    basis: Basis,
    dt: float,
    classifier: MotionClassifier,
) -> list[MovingObject]:
    """K objects, numbered in the order of the `bodies`, which move like that in `dt` s, with the boxes of their points.

    errors  of the motions of all clusters, of which these are `which` (K,).
    probability, taken  (K,), as `MovingObject` has them.
    """
    motion, counts = bodies.motion, bodies.counts
    first = np.cumsum(counts) - counts
    x, y, z = bodies.points.T.astype(float)
    velocity = motion.displacement / dt
    fast = np.hypot(velocity[:, 0], velocity[:, 1]) > _HEADING_SPEED
    yaw = np.where(fast, np.arctan2(velocity[:, 1], velocity[:, 0]), _longest_sides(x, y, counts))
    axes = level_axes(np.cos(yaw), np.sin(yaw))
    cos, sin = np.repeat(axes[:, 0, :2].T, counts, axis=1)
    turned = np.stack([cos * x + sin * y, cos * y - sin * x, z])
    low, high = (limit.reduceat(turned, first, axis=1).T for limit in (np.minimum, np.maximum))
    centre, size = np.einsum('ki,kij->kj', (low + high) / 2, axes), high - low

    turn_rate, arm = motion.turn / dt, centre[:, :2] - motion.centre
    velocity = velocity + turn_rate[:, None] * np.column_stack([-arm[:, 1], arm[:, 0]])
    along = np.vstack([np.eye(2), bodies.slope])  # from the level to the ground
    velocity = velocity @ along.T
    covariance = along @ errors.covariance[which] @ along.T / dt**2
    covariance[:, 2, 2] += np.exp(classifier.climb_variance(climb_features(np.hypot(velocity[:, 0], velocity[:, 1]))))
    turn_variance = errors.turn_variance[which] / dt**2
    numbers = (column.tolist() for column in (yaw, counts, turn_rate, turn_variance, probability, taken))
    return [
        MovingObject(
            number,
            centre[number],
            size[number],
            yaw_of_it,
            velocity[number],
            n_points,
            yaw_rate=its_rate,
            velocity_covariance=covariance[number],
            yaw_rate_variance=its_variance,
            probability=its_probability,
            basis=basis,
            taken=when,
        )
        for number, (yaw_of_it, n_points, its_rate, its_variance, its_probability, when) in enumerate(zip(*numbers))
    ]


def _longest_sides(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(K,) rad in (-pi/2, pi/2], direction of the greatest spread of each group of points x, y, (n,) each."""
    x, y = (values - np.repeat(group_means(values, counts), counts) for values in (x, y))
    xx, yy, xy = (group_means(product, counts) for product in (x * x, y * y, x * y))
    return np.arctan2(2 * xy, xx - yy) / 2
