"""LFE, local flow embedding: a patch-to-patch cost volume around each warped point (paper section 3.3)."""
from __future__ import annotations

import torch
from torch import nn

from ..operators import gather
from .config import NetworkConfig
from .layers import PairMLP, WeightNet, relative
from .tiling import in_tiles


class LocalFlowEmbedding(nn.Module):
    """Point-to-patch costs MLP(eta(f_i, g_j, y_j - x_i)) over the target, then a weighted sum over the source patch."""

    def __init__(self, level: int, config: NetworkConfig):
        super().__init__()
        width, self.length = config.widths[level], config.lengths[level]
        self.cost = PairMLP(width, width, 3, width, config.mlp_depth - 1)
        self.target_weights = WeightNet(width)
        self.source_weights = (WeightNet(width) if config.local_flow_embedding == 'patch_to_patch' else None)

    def forward(self, source: torch.Tensor, target: torch.Tensor, source_features: torch.Tensor,
                target_features: torch.Tensor, cross: torch.Tensor, within: torch.Tensor) -> torch.Tensor:
        """Warped source (B, M, 3), target (B, N, 3), features; `cross` (B, M, K) and `within` index them."""
        target_features = self.cost.of_other(target_features)

        def to_patch(cross: torch.Tensor, source: torch.Tensor, source_features: torch.Tensor) -> torch.Tensor:
            offsets = relative(source, target, cross, self.length)
            cost = self.cost(source_features, target_features, offsets, cross)
            return (self.target_weights(offsets) * cost).mean(dim=-2)

        def patch_to_patch(within: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
            weights = self.source_weights(relative(centres, source, within, self.length))
            return (weights * gather(cost, within)).mean(dim=-2)

        cost = in_tiles(to_patch, cross, source, self.cost.of_own(source_features))
        return in_tiles(patch_to_patch, within, source) if self.source_weights else cost
