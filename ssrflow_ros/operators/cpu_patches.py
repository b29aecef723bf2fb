"""What the network does with the neighbours of each point, on a CPU: compiled loops about products of torch's library.

Each function does what the block that asks for it does, or the one of its name in `interpolation.py`. None is
differentiable. Neighbours are those of a `Neighbourhood`: index (B, M, k) into N points, offsets (B, M, k, 3).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..kernels import patches
from .reference import is_traced

_NUMBERS = 2**16  # of a tile, which the products read from the processor's second cache: 256 KiB
_MEANS = 2**18  # of a tile of means, before products so large that their own weights fill that cache


def fits(*tensors: torch.Tensor) -> bool:
    """Whether the loops serve for such tensors: of float32, on a CPU, and nobody wants their gradient."""
    if not patches.HAS_PRODUCT or torch.is_grad_enabled() or torch.is_autocast_enabled('cpu') or is_traced():
        return False
    return all(tensor.device.type == 'cpu' and tensor.dtype == torch.float32 for tensor in tensors)


def attentive_patch(
    index: torch.Tensor,
    offsets: torch.Tensor,
    points: torch.Tensor,
    encoder: tuple[torch.Tensor, ...],
    own: torch.Tensor,
    other: torch.Tensor,
    weight: torch.Tensor,
    score: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """As `attentive_patch_reference`, of the position encoding at offsets from points (B, M, 3): two layers, of_offset
    (R, 3), bias (R,), of_position (R, 3), weight (R, R), bias (R,), LeakyReLU of `slope` after each."""
    each, k, width = *index.shape[1:], own.shape[-1]
    out = own.new_empty(own.shape)
    rows, places, mine, others, answer = _flat(index, points, own, other, out)
    layers, size = _arrays(*encoder), (each, np.float32(slope), _tile(k * width, len(rows)))
    patches.attentive_patch(
        *[rows, _by_axis(offsets), places, *layers, mine, others, *_arrays(weight, score), *size, answer]
    )
    return out


def cost_patch(
    index: torch.Tensor,
    offsets: torch.Tensor,
    weight_net: tuple[torch.Tensor, ...],
    weight: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """As `cost_patch_reference`, weighed by a WeightNet's three layers (weight, bias, weight, ...)."""
    each, k, width = *index.shape[1:], own.shape[-1]
    out = own.new_empty(own.shape)
    rows, mine, others, answer = _flat(index, own, other, out)
    layers, size = _arrays(*weight_net, weight), (each, np.float32(slope), _tile(k * width, len(rows)))
    patches.cost_patch(*[rows, _by_axis(offsets), *layers, mine, others, *size, answer])
    return out


def weighted_patch(
    index: torch.Tensor,
    offsets: torch.Tensor,
    weight_net: tuple[torch.Tensor, ...],
    features: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """(B, M, C) mean over the neighbours of a WeightNet's C numbers of each offset times features (B, N, C)."""
    (each, k), width = index.shape[1:], features.shape[-1]
    out = features.new_empty(*index.shape[:2], width)
    rows, values, answer = _flat(index, features, out)
    size = each, np.float32(slope), _tile(k * width, len(rows))
    patches.weighted_patch(*[rows, _by_axis(offsets), *_arrays(*weight_net), values, *size, answer])
    return out


def convolved(
    index: torch.Tensor,
    offsets: torch.Tensor,
    weight_net: tuple[torch.Tensor, ...],
    features: torch.Tensor,
    of_features: nn.Linear,
    of_offsets: nn.Linear,
    slope: float,
) -> torch.Tensor:
    """(B, M, D): of_features (D, W * C) of the means over neighbours of a WeightNet's W numbers times features
    (B, N, C), of_offsets (D, W * 3) of those times offsets, and LeakyReLU of `slope`."""
    (batch, each, _), (out_width, numbers) = index.shape, of_features.weight.shape
    out = features.new_empty(batch, each, out_width)
    rows, values, answer = _flat(index, features, out)
    layers, size = _arrays(of_features.weight, of_offsets.weight, of_features.bias), _tile(numbers, len(rows), _MEANS)
    net, bend = _arrays(*weight_net), np.float32(slope)
    patches.convolved(*[rows, _by_axis(offsets), *net, values, *layers, each, bend, size, answer])
    return out


def layer(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, slope: float) -> torch.Tensor:
    """LeakyReLU of `slope` of x (..., C) by weight (D, C) and bias (D,): (..., D)."""
    out = x.new_empty(*x.shape[:-1], len(weight))
    rows, answer = x.contiguous().view(-1, x.shape[-1]).numpy(), out.view(-1, len(weight)).numpy()
    patches.layer(*[rows, *_arrays(weight, bias), np.float32(slope), _tile(len(weight), len(rows)), answer])
    return out


def inverse_distances(queries: torch.Tensor, points: torch.Tensor, index: torch.Tensor, least: float) -> torch.Tensor:
    """The weights (B, M, k) of `interpolation.interpolation_weights`."""
    out = queries.new_empty(index.shape)
    asked, known, rows, answer = _flat(queries, points, index, out)
    patches.inverse_distances(asked, known, rows, index.shape[1], np.float32(least), answer)
    return out


def interpolate(values: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """As `interpolation.interpolate`."""
    out = values.new_empty(*index.shape[:2], values.shape[-1])
    known, rows, shares, answer = _flat(values, index, weights, out)
    patches.interpolate(known, rows, shares, index.shape[1], answer)
    return out


def neighbourhood(
    centres: torch.Tensor, points: torch.Tensor, index: torch.Tensor, length: float, radius: float, longest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index (B, M, k) and offsets (B, M, k, 3), axis by axis in memory, of a `Neighbourhood`."""
    index = index.contiguous()
    within, offsets = torch.empty_like(index), centres.new_empty(3, *index.shape)
    one, others, rows, kept = _flat(centres, points, index, within)
    unit, reach, most = np.float32(length), np.float32(radius), np.float32(longest)
    patches.offsets_of(one, others, rows, index.shape[1], unit, reach, most, kept, offsets.flatten(1).numpy())
    return within, offsets.permute(1, 2, 3, 0)


def _tile(numbers: int, points: int, most: int = 0) -> int:
    """How many of `points`, of so many numbers each, a tile has: tiles of one size, of `most` numbers, or _NUMBERS."""
    tiles = max(1, -(-points * numbers // (most or _NUMBERS)))
    return max(1, -(-points // tiles))


def _by_axis(offsets: torch.Tensor) -> np.ndarray:
    """(3, B M k) of offsets (B, M, k, 3): as `neighbourhood` left them in memory, nothing is moved."""
    return offsets.permute(3, 0, 1, 2).flatten(1).contiguous().numpy()


def _flat(*tensors: torch.Tensor) -> list[np.ndarray]:
    """The arrays (B M, ...) of tensors (B, M, ...); what is written to must be contiguous."""
    return [tensor.contiguous().flatten(0, 1).numpy() for tensor in tensors]


def _arrays(*tensors: torch.Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)
