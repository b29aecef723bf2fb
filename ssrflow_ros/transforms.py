"""Rigid transforms: (4, 4) float64 [R t; 0 0 0 1], metres; b_from_a takes points of frame a into frame b.

Turns are computed here and not by SciPy, which takes ten times as long for one, and 40 MB. The compiled loops are
loaded where they are needed: no help of a command waits for them.
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
    return rigid(rotation_matrix(share * rotation_vector(transform[:3, :3])), share * transform[:3, 3])


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
    w, x, y, z = (float(value) for value in quaternion_wxyz)
    return rigid(from_quaternion((x, y, z, w)), np.asarray(translation))


def rotation_matrix(vector: ArrayLike) -> np.ndarray:
    """(3, 3) turn about the `vector` (3,), by its length, rad (Rodrigues)."""
    x, y, z = np.asarray(vector, float)
    angle, cross = np.sqrt(x * x + y * y + z * z), np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (cross @ cross)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """(3,) of a rotation (3, 3), along its axis and as long as its angle, 0 to pi rad."""
    return _vector(quaternion(rotation))


def quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation (3, 3), w not negative."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    if c == f == 0.0 and i == 1.0:  # about the vertical, as nearly all boxes are
        half = np.arctan2(d, a) / 2
        return 0.0, 0.0, float(np.sin(half)), float(np.cos(half))
    # The direction in which this form is greatest (Bar-Itzhack 2000); of a matrix that is nearly a rotation, of the
    # nearest one.
    form = [
        [a - e - i, b + d, c + g, h - f],
        [b + d, e - a - i, f + h, c - g],
        [c + g, f + h, i - a - e, d - b],
        [h - f, c - g, d - b, a + e + i],
    ]
    x, y, z, w = np.linalg.eigh(form)[1][:, 3].tolist()
    return (x, y, z, w) if w >= 0 else (-x, -y, -z, -w)


def from_quaternion(quaternion_xyzw: Iterable[float]) -> np.ndarray:
    """(3, 3) rotation of a quaternion x, y, z, w of any length but 0."""
    return rotation_matrix(_vector(quaternion_xyzw))


def _vector(quaternion_xyzw: Iterable[float]) -> np.ndarray:
    x, y, z, w = quaternion_xyzw
    length = math.sqrt(x * x + y * y + z * z)
    return (2 * math.atan2(length, w) / length if length else 0.0) * np.array([x, y, z])


def rigid_fit(points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(4, 4) transform that takes `points` (N, 3) to `moved` (N, 3) with least squares (Kabsch)."""
    from scipy.spatial.transform import Rotation

    middle, moved_middle = points.mean(axis=0, dtype=np.float64), moved.mean(axis=0, dtype=np.float64)
    rotation = Rotation.align_vectors(moved - moved_middle, points - middle)[0].as_matrix()
    return rigid(rotation, moved_middle - rotation @ middle)
