"""LFE, local flow embedding: a patch-to-patch cost volume around each warped point (paper section 3.3)."""

from __future__ import annotations

import torch
from torch import nn

from ..operators import cpu_patches, gather
from .config import NetworkConfig
from .layers import SLOPE, PairMLP, WeightNet
from .neighbourhood import Neighbourhood


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
        cost = self._to_patch(self.cost.of_own(source_features), self.cost.of_other(target_features), cross)
        weights = self.source_weights
        if weights is None:
            return cost
        index, offsets = within.index, within.offsets
        if cpu_patches.fits(cost):
            return cpu_patches.weighted_patch(index, offsets, weights.weights(), cost, SLOPE)
        return (weights(offsets) * gather(cost, index)).mean(dim=-2)

    def _to_patch(self, own: torch.Tensor, other: torch.Tensor, cross: Neighbourhood) -> torch.Tensor:
        """Costs (B, M, width) of each point, of its own part and those of the target's points."""
        index, offsets, relation, weights = cross.index, cross.offsets, self.cost.of_relation, self.target_weights
        if self.cost.fits_cpu(own):
            return cpu_patches.cost_patch(index, offsets, weights.weights(), relation.weight, own, other, SLOPE)
        if kernels := self.cost.kernels(index):
            out = weights[-1]
            return kernels.cost_patch(
                offsets, own, other, index, relation.weight, weights.hidden(offsets), out.weight, out.bias, SLOPE
            )
        return (weights(offsets) * self.cost(own, other, offsets, index)).mean(dim=-2)
