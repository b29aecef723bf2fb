"""Upsampling: the sampled points' flow, for every point."""
from __future__ import annotations

import numpy as np
import torch

from ..operators import interpolate, interpolation_weights


def upsample(points: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` (M, C) at `known` (M, 3) interpolated at `points` (N, 3), all float32, M >= 1: (N, C) float32.

    Inverse-distance weights over the 3 nearest known points.
    """
    points, known, values = (torch.from_numpy(array)[None] for array in (points, known, values))
    return interpolate(values, *interpolation_weights(points, known))[0].numpy()
