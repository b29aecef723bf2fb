"""Rigid transforms: (4, 4) float64 [R t; 0 0 0 1], metres; b_from_a takes points of frame a into frame b.

SciPy and the compiled loops are loaded where they are needed: no help of a command waits for them.
"""

from __future__ import annotations

import math
from typing import Iterable

import numpy as np
from numpy.typing import ArrayLike


def rigid(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(..., 4, 4) of rotations (..., 3, 3), each followed by a translation (..., 3) m."""
    transform = np.zeros((*rotation.shape[:-2], 4, 4))
    transform[..., :3, :3] = rotation
    transform[..., :3, 3] = translation
    transform[..., 3, 3] = 1.0
    return transform


def invert(transform: np.ndarray) -> np.ndarray:
    """Inverse of rigid transforms (..., 4, 4)."""
    rotation = np.swapaxes(transform[..., :3, :3], -1, -2)
    return rigid(rotation, -(rotation @ transform[..., :3, 3:])[..., 0])


def shared(transform: np.ndarray, share: float) -> np.ndarray:
    """A `share` of a rigid transform (4, 4): of its turn about its axis, and of its translation."""
    if share == 1.0:  # as most are: scipy takes 0.4 ms for the others
        return transform
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(share * Rotation.from_matrix(transform[:3, :3]).as_rotvec())
    return rigid(turn.as_matrix(), share * transform[:3, 3])


def transformed(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """`points` (N, 3) or (3,) m of the one frame in the other."""
    return points @ transform[:3, :3].T + transform[:3, 3]


def transformed32(points: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """matrix (3, 3) times each of `points` (N, 3), plus shift (3,): (N, 3) float32.

    Sensor frames end at a few hundred metres, where float32 is good to 0.03 mm.
    """
    from .kernels.returns import transformed_returns

    transform = np.column_stack([matrix, shift]).astype(np.float32)
    return transformed_returns(np.ascontiguousarray(points, np.float32), transform)


def pose_matrix(translation: ArrayLike, quaternion_wxyz: Iterable[float]) -> np.ndarray:
    """(4, 4) of a translation (3,) m and a quaternion w x y z."""
    from scipy.spatial.transform import Rotation

    w, x, y, z = (float(value) for value in quaternion_wxyz)
    return rigid(Rotation.from_quat((x, y, z, w)).as_matrix(), np.asarray(translation))


def quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation (3, 3)."""
    if rotation[2, 2] == 1.0:  # about the vertical, as nearly all are: scipy takes 0.13 ms for each
        half = math.atan2(rotation[1, 0], rotation[0, 0]) / 2
        return 0.0, 0.0, math.sin(half), math.cos(half)
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return float(x), float(y), float(z), float(w)


def rigid_fit(points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(4, 4) transform that takes `points` (N, 3) to `moved` (N, 3) with least squares (Kabsch)."""
    from scipy.spatial.transform import Rotation

    middle, moved_middle = points.mean(axis=0, dtype=np.float64), moved.mean(axis=0, dtype=np.float64)
    rotation = Rotation.align_vectors(moved - moved_middle, points - middle)[0].as_matrix()
    return rigid(rotation, moved_middle - rotation @ middle)
