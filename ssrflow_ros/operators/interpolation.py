"""Inverse-distance interpolation from known points to others."""

from __future__ import annotations

import torch

from . import cpu_patches
from .gather import gather
from .neighbours import Searched

_NEIGHBOURS = 3
_LEAST = 1e-4  # metres


def interpolation_weights(
    queries: torch.Tensor | Searched, points: torch.Tensor | Searched
) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbours (B, M, 3) int64 and weights (B, M, 3), summing to 1, of queries (B, M, 3) among points (B, N, 3)."""
    to, among = (cloud if isinstance(cloud, Searched) else Searched(cloud) for cloud in (queries, points))
    index = among.nearest(to, _NEIGHBOURS)
    if cpu_patches.fits(to.points, among.points):
        return index, cpu_patches.inverse_distances(to.points, among.points, index, _LEAST)
    distance = (gather(among.points, index) - to.points[..., None, :]).norm(dim=-1)
    weights = 1.0 / distance.clamp_min(_LEAST)
    return index, weights / weights.sum(-1, keepdim=True)


def interpolate(values: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`values` (B, N, C) of the points at the queries of `interpolation_weights`: (B, M, C)."""
    if cpu_patches.fits(values, weights):
        return cpu_patches.interpolate(values, index, weights)
    return (gather(values, index) * weights[..., None]).sum(dim=-2)
