"""A sum over neighbours, weighted by a softmax over the same neighbours."""

from __future__ import annotations

import math
from typing import Any

import torch

from .reference import attentive_sum_reference, is_traced


def attentive_sum(scores: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """sum_j softmax(scores)_j features_j: scores, features (..., k, C) -> (..., C); on the CPU differentiable once.

    There it is our own: torch's exp, and its softmax, take four times as long as its exp2, and the gradient of
    the whole has a shorter form than that of its parts.
    """
    if scores.device.type != 'cpu' or scores.dtype != torch.float32 or features.dtype != torch.float32 or is_traced():
        return attentive_sum_reference(scores, features)
    if torch.is_grad_enabled() and (scores.requires_grad or features.requires_grad):
        return _AttentiveSum.apply(scores, features)
    return _sum(scores, features)[0]


def _sum(scores: torch.Tensor, features: torch.Tensor, keep: bool = False) -> tuple[torch.Tensor, ...]:
    """The sum, the weights before they are divided by their own sum, if kept, and that (..., 1, C)."""
    # Passes over all neighbours are what costs: the unit of exp2 comes in with the maximum, and the sums are divided.
    unit = math.log2(math.e)
    weights = torch.add(scores.amax(dim=-2, keepdim=True) * -unit, scores, alpha=unit).exp2_()
    total = weights.sum(dim=-2, keepdim=True)
    weighted = weights * features if keep else weights.mul_(features)
    return weighted.sum(dim=-2).div_(total.squeeze(-2)), weights, total


class _AttentiveSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        out, weights, total = _sum(scores, features, keep=True)
        ctx.save_for_backward(weights, total, features, out)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights, total, features, out = ctx.saved_tensors
        of_features = weights * (gradient.unsqueeze(-2) / total)
        return (features - out.unsqueeze(-2)).mul_(of_features), of_features
