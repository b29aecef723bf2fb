"""Alignment of clusters seen from above: robust iterative closest points, both ways, all at once."""

from __future__ import annotations

import numpy as np

from ..kernels.alignment import aligned

STEPS = 4
"""From a start by a map's cells; fewer make a good one exact."""
_KERNEL = 0.2  # m, residuals well beyond it count for nothing
_TURN = 0.4  # rad/s, of what is expected to turn
_ABOUT = 0.4  # m beyond a cluster's box, where the other sweep's points are still its own
_POINTLIKE = 0.1  # m², mean square of the distances from the centre, up to which a turn says nothing


def align(
    here: np.ndarray,
    here_counts: np.ndarray,
    there: np.ndarray,
    there_counts: np.ndarray,
    shift: np.ndarray,
    turn: np.ndarray,
    dt: float,
    steps: int = STEPS,
) -> tuple[np.ndarray, np.ndarray]:
    """Refine displacements of clusters against the other sweep.

    here, there  (K, 2, P) float32 m: a cluster's points about its centre, and the other sweep's that may be its own,
                 of each the first so many, (K,), one at least.
    shift, turn  (K, 2) m and (K,) rad to start from.
    Returns shift (K, 2) m and turn (K,) rad, counter-clockwise about the centre.
    """
    stiffness = 1e-3 + (_KERNEL / 3) ** 2 / (_TURN * dt) ** 2 / 8  # what holds the turn back, m²
    return aligned(here, here_counts, there, there_counts, shift, turn, steps, _KERNEL, _ABOUT, stiffness, _POINTLIKE)
