"""Upsampling: the sampled points' flow, for every point."""
from __future__ import annotations

import numpy as np

from ..operators.kd_tree import KdTree

NEIGHBOURS = 3


def interpolate(points: np.ndarray, known: np.ndarray, values: np.ndarray, threads: int = 1) -> np.ndarray:
    """`values` (M, C) at `known` (M, 3) interpolated at `points` (N, 3): (N, C) float32.

    Inverse-distance weights over the 3 nearest known points (fewer if there are fewer).
    """
    index, distance = KdTree(known, threads).search(points, min(NEIGHBOURS, len(known)))
    weights = 1.0 / np.maximum(distance, 1e-4)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.einsum('nk,nkc->nc', weights, values[index])
