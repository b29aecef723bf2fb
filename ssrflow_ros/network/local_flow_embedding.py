"""LFE, local flow embedding: a patch-to-patch cost volume around each warped point (paper section 3.3)."""

from __future__ import annotations

import torch
from torch import nn

from ..operators import cpu_patches, gather
from .config import NetworkConfig
from .layers import SLOPE, PairMLP, WeightNet
from .neighbourhood import Neighbourhood
from .tiling import in_tiles


class LocalFlowEmbedding(nn.Module):
    """Point-to-patch costs MLP(eta(f_i, g_j, y_j - x_i)) over the target, then a weighted sum over the source patch."""

    def __init__(self, level: int, config: NetworkConfig):
        super().__init__()
        width = config.widths[level]
        self.cost = PairMLP(width, width, 3, width, config.mlp_depth - 1)
        self.target_weights = WeightNet(width)
        self.source_weights = WeightNet(width) if config.local_flow_embedding == 'patch_to_patch' else None

    def forward(
        self, source_features: torch.Tensor, target_features: torch.Tensor, cross: Neighbourhood, within: Neighbourhood
    ) -> torch.Tensor:
        """Features (B, M, width) and (B, N, width); M neighbourhoods of warped points in the target and `within`."""
        target_features = self.cost.of_other(target_features)
        kernels = self.cost.kernels(target_features, cross.index)

        def to_patch(
            target_features: torch.Tensor, index: torch.Tensor, offsets: torch.Tensor, source_features: torch.Tensor
        ) -> torch.Tensor:
            if kernels:
                return kernels.cost_patch(
                    offsets,
                    source_features,
                    target_features,
                    index,
                    self.cost.of_relation.weight,
                    self.target_weights.hidden(offsets),
                    self.target_weights[-1].weight,
                    self.target_weights[-1].bias,
                    SLOPE,
                )
            cost = self.cost(source_features, target_features, offsets, index)
            return (self.target_weights(offsets) * cost).mean(dim=-2)

        cost = in_tiles(to_patch, target_features, cross.index, cross.offsets, self.cost.of_own(source_features))
        weights = self.source_weights
        if weights is None:
            return cost

        def patch_to_patch(cost: torch.Tensor, index: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
            if cpu_patches.fits(cost):
                return cpu_patches.weighted_patch(weights(offsets), cost, index)
            return (weights(offsets) * gather(cost, index)).mean(dim=-2)

        return in_tiles(patch_to_patch, cost, within.index, within.offsets)
