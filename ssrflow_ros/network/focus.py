"""Where the finest level is worth its time: it costs as much as all coarser ones, and most of a scene stands still.

Not of the paper. A small head looks at what the coarser level knows of each point and gives the log odds that it
moves. Where these are low, the flow of the coarser level is the answer.
"""
from __future__ import annotations

import torch
from torch import nn

from .config import NetworkConfig
from .layers import mlp

LEAST = -1.5        # log odds, from which a point is decoded; what it costs and gives: docs/performance.md
_STILL = 0.02       # m, below which one flow is as good as another
MOST = 0.25         # of the points, the surest, that are decoded at most: what a pair costs is bounded
_AROUND = 8         # neighbours of a point to be decoded that are decoded with it, for its sake


class Focus(nn.Module):
    """Log odds (B, N) that points of the finest level move.

    features         (B, N, C) of the backbone.
    coarse_features  (B, N, C') of the coarser level's flow predictor, and of its STR, at these points.
    flow             (B, N, 3) m of the coarser level, likewise.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        fine, coarse = config.widths[config.finest_level], config.widths[config.finest_level + 1]
        hidden = config.focus_width
        self.head = nn.Sequential(*mlp(fine + config.predictor_out + coarse + 4, hidden), nn.Linear(hidden, 1))

    def forward(self, features: torch.Tensor, predictor_features: torch.Tensor, coarse_features: torch.Tensor,
                flow: torch.Tensor) -> torch.Tensor:
        speed = (flow.norm(dim=-1, keepdim=True) + _STILL).log()
        told = torch.cat([features, predictor_features, coarse_features, flow, speed], dim=-1)
        return self.head(told)[..., 0]


def chosen(odds: torch.Tensor) -> torch.Tensor:
    """(B, N) bool, the points to be decoded, of their log odds (B, N)."""
    most = max(1, int(MOST * odds.shape[1]))
    least = odds.topk(most, dim=1).values[:, -1:].clamp_min(LEAST)
    return odds >= least


def with_neighbours(chosen: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
    """Rows (m,), ascending, of the points `chosen` (N,) bool and of the nearest neighbours (N, K) of each."""
    around = torch.zeros_like(chosen)
    around[neighbours[chosen, :_AROUND].reshape(-1)] = True
    return (around | chosen).nonzero()[:, 0]
