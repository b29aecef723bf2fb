"""Inverse-distance interpolation from a coarse point set to a fine one."""
from __future__ import annotations

import torch

from .gather import gather
from .neighbours import k_nearest


def interpolation_weights(queries: torch.Tensor, points: torch.Tensor,
                          k: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbours (B, M, k) int64 and weights (B, M, k), summing to 1, of 3-NN inverse-distance interpolation.

    `(gather(values, index) * weights[..., None]).sum(-2)` lays `values` at `points` out over `queries`.
    """
    index = k_nearest(queries, points, k)
    distance = (gather(points, index) - queries[..., None, :]).norm(dim=-1)
    weights = 1.0 / distance.clamp_min(1e-4)
    return index, weights / weights.sum(-1, keepdim=True)
