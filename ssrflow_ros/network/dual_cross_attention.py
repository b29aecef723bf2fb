"""DCA, dual cross attentive fusion, Eqs. 1 and 2."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..operators import Linear
from .config import NetworkConfig


class CrossAttention(nn.Module):
    """own + softmax(Q(own) K(other)^T / sqrt(d_a)) V(other), Eq. 1 with a residual join."""

    def __init__(self, width: int, attention_width: int):
        super().__init__()
        self.query = Linear(width, attention_width)
        self.key = Linear(width, attention_width)
        self.value = Linear(width, width)

    def forward(self, own: torch.Tensor, other: torch.Tensor, *biases: torch.Tensor | None) -> torch.Tensor:
        """own (B, M, C), other (B, N, C) -> (B, M, C); `biases` (B, M or 1, N) are added to the scores."""
        scores = self.query(own) @ self.key(other).transpose(-1, -2) / math.sqrt(self.key.out_features)
        for bias in biases:
            if bias is not None:
                scores = scores + bias
        return own + scores.softmax(dim=-1) @ self.value(other)


class DualCrossAttention(nn.Module):
    """Fuses the top-level features of both frames, each with the other's context.

    'single' is the ablation: each frame attends to itself. With the position encoder 'inside',
    another ablation, it biases the attention scores instead of entering the flow embedding.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.widths[-1]
        self.single = config.attention == 'single'
        self.into_source = CrossAttention(width, config.attention_width)
        self.into_target = CrossAttention(width, config.attention_width)
        self.position_bias = Linear(config.position_width, 1) if config.position_encoder == 'inside' else None

    def forward(
        self,
        source: torch.Tensor,
        target: torch.Tensor,
        position: torch.Tensor | None,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """source (B, M, C), target (B, N, C), position encoding (B, M, N, P), `Pyramid.mask`s -> both, fused."""
        if self.single:
            return self.into_source(source, source, source_mask), self.into_target(target, target, target_mask)
        bias = back = None
        if self.position_bias is not None:
            bias = self.position_bias(position).squeeze(-1)
            back = bias.transpose(-1, -2)
        return self.into_source(source, target, bias, target_mask), self.into_target(target, source, back, source_mask)
