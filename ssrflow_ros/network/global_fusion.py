"""GF, the global fusion flow embedding: matches all pairs of the coarsest level (paper section 3.2)."""

from __future__ import annotations

from typing import Callable

import torch
from torch import nn

from .config import NetworkConfig
from .dual_cross_attention import DualCrossAttention
from .layers import AttentivePooling, MaxPooling, PairMLP, PositionEncoder
from .neighbourhood import soft_clamp

POOLINGS: dict[str, Callable[[NetworkConfig], nn.Module]] = {
    'attention': lambda config: AttentivePooling(config.fusion_width),
    'max': lambda config: MaxPooling(),
}
"""By the values of `fusion_pooling`: (B, M, k, C) and a mask (B, 1, k) of `Pyramid.mask` or None -> (B, M, C)."""


class GlobalFusion(nn.Module):
    """GF_i = sum_j a_ij e_ij, e_ij = MLP(eta(S_i, T_j, PE_ij)), over ALL target points j.

    The position encoder joins by concatenation outside the attention, which the paper's ablation
    found better than inside.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.widths[-1]
        self.length = config.lengths[-1]
        self.outside = config.position_encoder == 'outside'
        self.position_encoder = PositionEncoder(config.position_width) if config.position_encoder != 'none' else None
        self.attention = DualCrossAttention(config) if config.attention != 'none' else None
        relation = 3 + (config.position_width if self.outside else 0)
        self.embed = PairMLP(width, width, relation, config.fusion_width, config.mlp_depth)
        self.pool = POOLINGS[config.fusion_pooling](config)

    def forward(
        self,
        source: torch.Tensor,
        target: torch.Tensor,
        source_features: torch.Tensor,
        target_features: torch.Tensor,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points (B, M, 3), (B, N, 3) and features -> GF (B, M, fusion_width) and both fused features.

        The masks, (B, 1, M) and (B, 1, N) of `Pyramid.mask`, take padding out.
        """
        relation = soft_clamp((target[:, None] - source[:, :, None]) / self.length)
        position = self.position_encoder(source, relation) if self.position_encoder else None
        if self.attention:
            source_features, target_features = self.attention(
                source_features, target_features, position, source_mask, target_mask
            )
        if self.outside and position is not None:
            relation = torch.cat([relation.to(position.dtype), position], dim=-1)
        pairs = self.embed(self.embed.of_own(source_features), self.embed.of_other(target_features), relation, None)
        return self.pool(pairs, target_mask), source_features, target_features
