"""Belief: how likely a proposed cluster moves as it was registered, and how far off that may be.

A logistic model of few plain features, and log-linear models of the errors' variance, all fitted on simulated
recordings that nothing else uses: `python -m ssrflow_ros.evaluation.belief` prints the numbers below anew.
"""
from __future__ import annotations

import numpy as np

from .registration import Fit

# MOVES: log odds, see `movement_features`. SHIFT: log m², along each axis of the cost's curvature. TURN: log rad².
# CLIMB: log (m/s)², upwards. CENTRE: log m², of the box's centre, along the view, across it, upwards.
MOVES = np.array([0.483, -5.882, -2.285, 1.698, 1.637, -1.152, 2.452, 0.714, -1.062, -0.886, -0.314, -0.507])
SHIFT = np.array([0.691, 0.639, 2.024, 0.464, -1.053, -0.226, -0.619])
TURN = np.array([-3.701, 1.535, 0.548, -1.421])
CLIMB = np.array([-3.425, 1.21])
CENTRE = np.array([[-5.665, 0.259, 0.475, 1.727], [-1.739, 0.082, 0.056, 0.52], [1.98, -0.44, 0.595, -0.973]])

_MANY = 500              # points, beyond which more say nothing: walls have thousands


def probability(features: np.ndarray, more: np.ndarray | float = 0.0) -> np.ndarray:
    """(K,) of `movement_features`, and `more` log odds from elsewhere."""
    return 1 / (1 + np.exp(-features @ MOVES - more))


def movement_features(fit: Fit, n: np.ndarray, taken: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(K, F) features of K clusters of n (K,) points.

    taken, left  (K,) share of the points that stand where the other sweep saw through, and share of them whose
                 places in the other sweep this one sees through.
    """
    length, guess = np.linalg.norm(fit.shift, axis=1), np.linalg.norm(fit.network, axis=1)
    alike = np.einsum('ij,ij->i', fit.shift, fit.network) / np.maximum(length * guess, 1e-6) * (guess > 0.05)
    return np.stack([
        np.log(np.minimum(n, _MANY)), np.sqrt(fit.cost), np.sqrt(fit.cost_still), np.sqrt(taken), np.sqrt(left),
        np.sqrt(taken * left), alike, np.log(length + 0.02), length, np.maximum(fit.size[:, 2] - 2.5, 0.0),
        np.log(fit.size[:, :2].max(axis=1) + 0.2), np.ones(len(n))], axis=1)


def shift_axes(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Principal curvatures (K, 2), 1/m², and their axes (K, 2, 2), columns."""
    curvature, axes = np.linalg.eigh(fit.curvature)
    return np.maximum(curvature, 0.02), axes


def shift_features(curvature: np.ndarray, cost: np.ndarray, moves: np.ndarray, n: np.ndarray, size: np.ndarray,
                   reach: np.ndarray) -> np.ndarray:
    """(K, 2, F) for each axis; curvature (K, 2) 1/m²; moves (K,) probability; size (K,) and range (K,) m."""
    shared = np.stack([np.ones(len(n)), np.log(cost + 0.01), doubt(moves), np.log(n), np.log(size + 0.2),
                       np.log(reach + 2)], axis=-1)
    return np.concatenate([np.broadcast_to(shared[:, None], (len(n), 2, shared.shape[1])),
                           np.log(curvature)[..., None]], axis=-1)


DOUBT = 2       # where `doubt` is among the `shift_features`


def doubt(moves: np.ndarray) -> np.ndarray:
    """(K,) of probabilities (K,)."""
    return np.log(1.02 - moves)


def shift_covariance(fit: Fit, moves: np.ndarray, n: np.ndarray, size: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(K, 2, 2) m² of the displacement."""
    curvature, axes = shift_axes(fit)
    variance = np.exp(shift_features(curvature, fit.cost, moves, n, size, reach) @ SHIFT)
    return np.einsum('kij,kj,klj->kil', axes, variance, axes)


def turn_features(cost: np.ndarray, n: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(K, F)."""
    return np.stack([np.ones(len(n)), np.log(cost + 0.01), np.log(n), np.log(size + 0.2)], axis=-1)


def centre_features(n: float, size: np.ndarray, reach: float) -> np.ndarray:
    """(F,) of one box (3,) m at `reach` m."""
    return np.array([1.0, np.log(n), np.log(size[:2].max() + 0.2), np.log(reach + 2)])


def view_axes(centre: np.ndarray) -> np.ndarray:
    """(3, 3) rows: away from the sensor, across to the left, up."""
    ahead = centre[:2] / max(float(np.linalg.norm(centre[:2])), 1e-6)
    return np.array([[ahead[0], ahead[1], 0], [-ahead[1], ahead[0], 0], [0, 0, 1]])


def climb_features(speed: np.ndarray) -> np.ndarray:
    """(..., F) for the error of taking a mover at `speed` m/s as level."""
    return np.stack([np.ones_like(speed), np.log(speed + 0.5)], axis=-1)
