"""Description: clusters that move become objects with a box, a motion, and how far off both are."""

from __future__ import annotations

import numpy as np

from ..kernels.bodies import boxes
from ..sweep import Basis, MovingObject
from .accumulated import SeenBodies
from .covariance import MotionErrors, climb_features
from .motion_classifier import MotionClassifier
from .planar import level_axes


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
    motion = bodies.motion
    velocity = motion.displacement / dt
    yaw = np.arctan2(velocity[:, 1], velocity[:, 0])  # of slow ones, too: what is seen of a car may be its rear
    low, high = boxes(bodies.points, bodies.counts, yaw)
    axes = level_axes(np.cos(yaw), np.sin(yaw))
    centre, size = np.einsum('ki,kij->kj', (low + high) / 2, axes), high - low

    turn_rate, arm = motion.turn / dt, centre[:, :2] - motion.centre
    velocity = velocity + turn_rate[:, None] * np.column_stack([-arm[:, 1], arm[:, 0]])
    along = np.vstack([np.eye(2), bodies.slope])  # from the level to the ground
    velocity = velocity @ along.T
    covariance = along @ errors.covariance[which] @ along.T / dt**2
    covariance[:, 2, 2] += np.exp(classifier.climb_variance(climb_features(np.hypot(velocity[:, 0], velocity[:, 1]))))
    turn_variance = errors.turn_variance[which] / dt**2
    numbers = (column.tolist() for column in (yaw, bodies.counts, turn_rate, turn_variance, probability, taken))
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
