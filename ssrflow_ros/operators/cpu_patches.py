"""What the network does with the neighbours of each point, on a CPU: torch's matrix products, our loops around them.

Each function does what the one of its name in `reference.py` or `interpolation.py` does. None is differentiable.
"""

from __future__ import annotations

from typing import Iterator

import numpy as np
import torch

from ..kernels import patches
from .linear import linear
from .reference import is_traced


def fits(*tensors: torch.Tensor) -> bool:
    """Whether the loops serve for such tensors: of float32, on a CPU, and nobody wants their gradient."""
    return not (torch.is_grad_enabled() or torch.is_autocast_enabled('cpu') or is_traced()) and all(
        tensor.device.type == 'cpu' and tensor.dtype == torch.float32 for tensor in tensors
    )


def attentive_patch(
    relation: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    index: torch.Tensor,
    weight: torch.Tensor,
    score: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """As `attentive_patch_reference`."""
    pairs = linear(relation, weight)
    out = torch.empty_like(own, memory_format=torch.contiguous_format)
    for pair, mine, others, rows in _members(pairs, own, other, index):
        patches.embed(pair, mine, others, rows, np.float32(slope))
    scores = linear(pairs, score)
    for arrays in _members(scores, pairs, out):
        patches.attend(*arrays)
    return out


def cost_patch(
    relation: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    index: torch.Tensor,
    weight: torch.Tensor,
    hidden: torch.Tensor,
    out_weight: torch.Tensor,
    out_bias: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """As `cost_patch_reference`."""
    out = torch.empty_like(own, memory_format=torch.contiguous_format)
    weights, pairs = linear(hidden, out_weight, out_bias), linear(relation, weight)
    for weighted, pair, mine, others, rows, answer in _members(weights, pairs, own, other, index, out):
        patches.cost(weighted, pair, mine, others, rows, np.float32(slope), answer)
    return out


def weighted_patch(weights: torch.Tensor, features: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """(B, M, C) mean over the neighbours, index (B, M, k), of weights (B, M, k, C) times features (B, N, C)."""
    out = torch.empty(*index.shape[:2], features.shape[-1])
    for arrays in _members(weights, features, index, out):
        patches.weighted_mean(*arrays)
    return out


def convolved(
    weights: torch.Tensor, features: torch.Tensor, index: torch.Tensor, offsets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, M, W * C) and (B, M, W * 3), means over neighbours of weights (B, M, k, W) times features (B, N, C), and
    times offsets (B, M, k, 3)."""
    size = *index.shape[:2], weights.shape[-1]
    out, of_offsets = torch.empty(*size, features.shape[-1]), torch.empty(*size, 3)
    for arrays in _members(weights, features, index, offsets, out, of_offsets):
        patches.convolve(*arrays)
    return out.flatten(-2), of_offsets.flatten(-2)


def interpolate(values: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """As `interpolation.interpolate`."""
    out = torch.empty(*index.shape[:2], values.shape[-1])
    for arrays in _members(values, index, weights, out):
        patches.interpolate(*arrays)
    return out


def neighbourhood(
    centres: torch.Tensor, points: torch.Tensor, index: torch.Tensor, length: float, radius: float, longest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index (B, M, k) and offsets (B, M, k, 3) of a `Neighbourhood`."""
    index = index.contiguous()
    within, offsets = torch.empty_like(index), torch.empty(*index.shape, 3)
    for one, others, rows, kept, out in _members(centres, points, index, within, offsets):
        patches.offsets_of(one, others, rows, np.float32(length), np.float32(radius), np.float32(longest), kept, out)
    return within, offsets


def _members(*tensors: torch.Tensor) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays of each member of the batch; what is written to must be contiguous."""
    return zip(*(tensor.contiguous().numpy() for tensor in tensors))
