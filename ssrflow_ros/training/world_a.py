"""Pairs of stereo points as FlyingThings3D's: ego-motion left in, sampled and varied as published."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .augmentation import repeated


@dataclass(frozen=True)
class FamilyAugmentation:
    """What the PointPWC family of networks does to both clouds alike: scale, turn (degrees) and shift (metres).

    up is the number of the axis that is turned about: 1 in camera axes, 2 in a robot's.
    """

    scale: tuple[float, float] = (0.95, 1.05)
    yaw: float = 10.0
    shift: float = 1.0
    up: int = 1


AS_IT_IS = FamilyAugmentation(scale=(1.0, 1.0), yaw=0.0, shift=0.0)


def family_augmented(source: np.ndarray, target: np.ndarray, flow: np.ndarray, how: FamilyAugmentation, n_points: int,
                     rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`n_points` of each cloud, drawn apart so that none has its partner by its row: source, target, flow, float32.

    source (N, 3), target (M, 3), flow (N, 3), metres.
    """
    s, t = (repeated(rng.permutation(len(points))[:n_points], n_points, rng) for points in (source, target))
    turn = _turn(np.radians(rng.uniform(-how.yaw, how.yaw)), how.up) * rng.uniform(*how.scale)
    shift = rng.uniform(-how.shift, how.shift, 3)
    varied = source[s] @ turn.T + shift, target[t] @ turn.T + shift, flow[s] @ turn.T
    return tuple(array.astype(np.float32) for array in varied)


def _turn(angle: float, up: int) -> np.ndarray:
    first, second = (up + 1) % 3, (up + 2) % 3
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return turn
