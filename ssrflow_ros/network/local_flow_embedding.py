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
        self.weights = cpu_patches.Weights(self, self._layers)

    def forward(
        self, source_features: torch.Tensor, target_features: torch.Tensor, cross: Neighbourhood, within: Neighbourhood
    ) -> torch.Tensor:
        """Features (B, M, width) and (B, N, width); M neighbourhoods of warped points in the target and `within`."""
        if self.source_weights and self.cost.fits_cpu(source_features):
            around = cross.pair, within.pair
            return cpu_patches.flow_embedded(source_features, target_features, *around, self.weights, SLOPE)
        cost = self._to_patch(self.cost.of_own(source_features), self.cost.of_other(target_features), cross)
        weights = self.source_weights
        if weights is None:
            return cost
        return (weights(within.offsets) * gather(cost, within.index)).mean(dim=-2)

    def _to_patch(self, own: torch.Tensor, other: torch.Tensor, cross: Neighbourhood) -> torch.Tensor:
        """Costs (B, M, width) of each point, of its own part and those of the target's points."""
        index, offsets, relation, weights = cross.index, cross.offsets, self.cost.of_relation, self.target_weights
        if kernels := self.cost.kernels(index):
            out = weights[-1]
            return kernels.cost_patch(
                offsets, own, other, index, relation.weight, weights.hidden(offsets), out.weight, out.bias, SLOPE
            )
        return (weights(offsets) * self.cost(own, other, offsets, index)).mean(dim=-2)

    def _layers(self) -> tuple:
        assert self.source_weights
        cost, nets = self.cost, (self.target_weights, self.source_weights)
        return cost.of_own, cost.of_other, cost.of_relation, tuple((*net.tensors()[:2], net[-1]) for net in nets)
