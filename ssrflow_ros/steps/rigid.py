"""Rigid motion of clusters seen from above: robust iterative closest points, both ways, all at once."""
from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

_STEPS = 4
_KERNEL = 0.2            # m, residuals well beyond it count for nothing
_TURN = 0.4              # rad/s, of what is expected to turn
_ABOUT = 0.4             # m beyond a cluster's box, where the other sweep's points are still its own
_APART = 1e4             # m between two clusters in the tree


def align(here: list[np.ndarray], there: list[np.ndarray], shift: np.ndarray,
          dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Refine displacements of clusters against the other sweep.

    here, there  K arrays (n, 2) m: a cluster's points about its centre, and the other sweep's that may be its own.
    shift        (K, 2) m to start from.
    Returns shift (K, 2) m and turn (K,) rad, counter-clockwise about the centre.
    """
    count, turn = len(here), np.zeros(len(here))
    points, owner = _joined(here)
    others, other_owner = _joined(there)
    if not len(others):
        return shift, turn
    tree, back_tree = cKDTree(_apart(others, other_owner)), cKDTree(_apart(points, owner))
    low, high = (np.array([limit(cluster, axis=0) for cluster in here]) for limit in (np.min, np.max))
    size = np.bincount(owner, minlength=count)
    spread = np.bincount(owner, (points ** 2).sum(axis=1), count) / size
    stiffness = 1e-3 + (_KERNEL / 3) ** 2 / (_TURN * dt) ** 2 / 8       # what holds the turn back, m²
    for _ in range(_STEPS):
        turned = _rotated(points, turn[owner])
        moved = turned + shift[owner]
        gap, match = tree.query(_apart(moved, owner), distance_upper_bound=_APART / 2)
        normal = _Normal(count, stiffness)
        found = np.isfinite(gap)
        normal.add(owner[found], turned[found], others[match[found]] - moved[found], gap[found], size)

        returned = _rotated(others - shift[other_owner], -turn[other_owner])
        about = ((returned > low[other_owner] - _ABOUT) & (returned < high[other_owner] + _ABOUT)).all(axis=1)
        gap, match = back_tree.query(_apart(returned[about], other_owner[about]))
        own = other_owner[about]
        normal.add(own, turned[match], others[about] - moved[match], gap, np.bincount(own, minlength=count))
        step = normal.solve()
        shift, turn = shift + step[:, :2], turn + step[:, 2]
    return shift, np.where(spread > 0.1, turn, 0.0)


class _Normal:
    """Normal equations (x, y, turn) of K clusters."""

    def __init__(self, count: int, stiffness: float):
        self._matrix = np.zeros((count, 3, 3))
        self._matrix[:, 2, 2] = stiffness
        self._vector = np.zeros((count, 3))

    def add(self, owner: np.ndarray, arm: np.ndarray, off: np.ndarray, gap: np.ndarray, size: np.ndarray) -> None:
        """Matches of points at `arm` (n, 2) from their cluster's centre, `off` (n, 2) m from their partners."""
        count = len(size)
        weight = 1 / (1 + (gap / _KERNEL) ** 2) ** 2 / np.maximum(size, 1)[owner]

        def total(values: np.ndarray) -> np.ndarray:
            return np.bincount(owner, weight * values, count)

        x, y = arm.T
        matrix, vector = self._matrix, self._vector
        mass = total(np.ones(len(x)))
        matrix[:, 0, 0] += mass
        matrix[:, 1, 1] += mass
        matrix[:, 0, 2] -= total(y)
        matrix[:, 1, 2] += total(x)
        matrix[:, 2, 2] += total(x * x + y * y)
        for axis, values in enumerate((off[:, 0], off[:, 1], x * off[:, 1] - y * off[:, 0])):
            vector[:, axis] += total(values)

    def solve(self) -> np.ndarray:
        """(K, 3) steps."""
        matrix = self._matrix + 1e-6 * np.eye(3)
        matrix[:, 2, :2] = matrix[:, :2, 2]
        return np.linalg.solve(matrix, self._vector[..., None])[..., 0]


def _joined(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate(parts).astype(np.float64), owner


def _apart(points: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(n, 3): every cluster on a level of its own, so that one tree serves all."""
    return np.column_stack([points, _APART * owner])


def _rotated(points: np.ndarray, turn: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(turn), np.sin(turn)
    return np.column_stack([cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1]])
