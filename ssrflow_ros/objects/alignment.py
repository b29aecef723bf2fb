"""Alignment of clusters seen from above: robust iterative closest points, both ways, all at once."""

from __future__ import annotations

import numpy as np

from .planar import rotated

_STEPS = 4
_KERNEL = 0.2  # m, residuals well beyond it count for nothing
_TURN = 0.4  # rad/s, of what is expected to turn
_ABOUT = 0.4  # m beyond a cluster's box, where the other sweep's points are still its own
_APART = np.float32(1e6)  # m², between what is no pair


def align(
    here: np.ndarray, is_here: np.ndarray, there: np.ndarray, is_there: np.ndarray, shift: np.ndarray, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Refine displacements of clusters against the other sweep.

    here, there  (K, P, 2) m: a cluster's points about its centre, and the other sweep's that may be its own, as far
                 as they are there, (K, P) bool.
    shift        (K, 2) m to start from.
    Returns shift (K, 2) m and turn (K,) rad, counter-clockwise about the centre.
    """
    count, turn, here, there = len(here), np.zeros(len(here)), here.astype(np.float32), there.astype(np.float32)
    size = is_here.sum(axis=1)
    low = np.where(is_here[..., None], here, np.inf).min(axis=1)[:, None] - _ABOUT
    high = np.where(is_here[..., None], here, -np.inf).max(axis=1)[:, None] + _ABOUT
    extent = np.einsum('kpi,kpi,kp->k', here, here, is_here) / size
    stiffness = 1e-3 + (_KERNEL / 3) ** 2 / (_TURN * dt) ** 2 / 8  # what holds the turn back, m²
    reached = is_here & is_there.any(axis=1, keepdims=True)
    partner = np.stack([-2 * there[..., 0], -2 * there[..., 1], _squared(there, is_there), np.ones_like(is_there)], -1)
    first = np.arange(count)[:, None] * here.shape[1]

    def of(points: np.ndarray, match: np.ndarray) -> np.ndarray:
        return points.reshape(-1, 2).take(first + match, axis=0)

    for _ in range(_STEPS):
        turned = rotated(here, turn)
        moved = turned + shift[:, None].astype(np.float32)
        # |a - b|² in one product; rounded, which may choose another of two that are equally near.
        asking = np.stack([moved[..., 0], moved[..., 1], np.ones_like(is_here), _squared(moved, is_here)], -1)
        match = (asking @ partner.swapaxes(1, 2)).argmin(axis=2)
        back = (partner @ asking.swapaxes(1, 2)).argmin(axis=2)
        returned = rotated(there - shift[:, None].astype(np.float32), -turn)
        about = is_there & ((returned > low) & (returned < high)).all(axis=-1)
        arm = np.concatenate([turned, of(turned, back)], axis=1)
        off = np.concatenate([of(there, match) - moved, there - of(moved, back)], axis=1)
        weight = np.concatenate([mask / np.maximum(mask.sum(axis=1), 1)[:, None] for mask in (reached, about)], axis=1)
        step = _step(arm, off, weight, stiffness)
        shift, turn = shift + step[:, :2], turn + step[:, 2]
    return shift, np.where(extent > 0.1, turn, 0.0)


def _squared(points: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(K, P) m², squared length of points (K, P, 2); far off if they are not there, (K, P) bool."""
    return np.where(there, np.einsum('kpi,kpi->kp', points, points), _APART)


def _step(arm: np.ndarray, off: np.ndarray, weight: np.ndarray, stiffness: float) -> np.ndarray:
    """(K, 3) x, y, turn by which K clusters come nearest to their matches: points at `arm` (K, n, 2) m from their
    cluster's centre, `off` (K, n, 2) m from their partners, of `weight` (K, n) but for the robust kernel."""
    weight = weight / (1 + (off**2).sum(axis=-1) / _KERNEL**2) ** 2
    x, y, off = *np.moveaxis(arm.astype(float), -1, 0), off.astype(float)
    terms = np.stack(
        [np.ones_like(x), -y, x, x * x + y * y, off[..., 0], off[..., 1], x * off[..., 1] - y * off[..., 0]], axis=-1
    )
    mass, across, along, inertia, *vector = (weight[:, None] @ terms)[:, 0].T
    matrix = np.zeros((len(arm), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = mass
    matrix[:, 0, 2] = matrix[:, 2, 0] = across
    matrix[:, 1, 2] = matrix[:, 2, 1] = along
    matrix[:, 2, 2] = inertia + stiffness
    return np.linalg.solve(matrix + 1e-6 * np.eye(3), np.stack(vector, axis=-1)[..., None])[..., 0]
