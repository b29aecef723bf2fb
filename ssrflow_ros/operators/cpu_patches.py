"""What the network does with the neighbours of each point, on a CPU: torch's matrix products, our loops around them.

Each function does what the block that asks for it does, or the one of its name in `interpolation.py`. None is
differentiable. Neighbours are those of a `Neighbourhood`: index (B, M, k) into N points, offsets (B, M, k, 3).
"""

from __future__ import annotations

from typing import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..kernels import patches
from .reference import is_traced

_NUMBERS = 2**18  # of the pairs of a tile, which the products read from the processor's cache: 1 MiB


def fits(*tensors: torch.Tensor) -> bool:
    """Whether the loops serve for such tensors: of float32, on a CPU, and nobody wants their gradient."""
    return not (torch.is_grad_enabled() or torch.is_autocast_enabled('cpu') or is_traced()) and all(
        tensor.device.type == 'cpu' and tensor.dtype == torch.float32 for tensor in tensors
    )


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
    (points_of, k), width = index.shape[1:], own.shape[-1]
    out, tile = torch.empty_like(own, memory_format=torch.contiguous_format), max(1, _NUMBERS // (k * width))
    encoding = own.new_empty(len(weight[0]), tile * k)
    pairs, scores = own.new_empty(2, tile * k, width)
    arrays, bend = _arrays(*encoder), np.float32(slope)
    for rows, away, places, mine, others, answer in _members(index, _by_axis(offsets), points, own, other, out):
        for begin in range(0, points_of, tile):
            end = min(points_of, begin + tile)
            size = (end - begin) * k
            patches.encode(away, places, *arrays, bend, begin, end, encoding.numpy())
            pair, scored = pairs[:size], scores[:size]
            torch.mm(encoding[:, :size].t(), weight.t(), out=pair)
            patches.embed(pair.view(-1, k, width).numpy(), mine, others, rows, bend, begin, end)
            torch.mm(pair, score.t(), out=scored)
            patches.attend(scored.view(-1, k, width).numpy(), pair.view(-1, k, width).numpy(), begin, end, answer)
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
    (points, k), width = index.shape[1:], own.shape[-1]
    out, tile = torch.empty_like(own, memory_format=torch.contiguous_format), max(1, _NUMBERS // (k * width))
    weigh, pairs = _Weighing(weight_net, tile * k, slope), own.new_empty(tile * k, width)
    for rows, away, mine, others, answer in _members(index, _by_axis(offsets), own, other, out):
        for begin in range(0, points, tile):
            end = min(points, begin + tile)
            pair = pairs[: (end - begin) * k]
            torch.mm(torch.from_numpy(away[:, begin * k : end * k]).t(), weight.t(), out=pair)
            weights = weigh(away, begin * k, end * k).view(-1, k, width).numpy()
            patches.cost(
                weights, weigh.bias, pair.view(-1, k, width).numpy(), mine, others, rows, weigh.slope, begin, end, answer
            )
    return out


def weighted_patch(
    index: torch.Tensor,
    offsets: torch.Tensor,
    weight_net: tuple[torch.Tensor, ...],
    features: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """(B, M, C) mean over the neighbours of a WeightNet's C numbers of each offset times features (B, N, C)."""
    (points, k), width = index.shape[1:], features.shape[-1]
    out, tile = torch.empty(*index.shape[:2], width), max(1, _NUMBERS // (k * width))
    weigh = _Weighing(weight_net, tile * k, slope)
    for rows, away, values, answer in _members(index, _by_axis(offsets), features, out):
        for begin in range(0, points, tile):
            end = min(points, begin + tile)
            weights = weigh(away, begin * k, end * k).view(-1, k, width).numpy()
            patches.weighted_mean(weights, weigh.bias, values, rows, begin, end, answer)
    return out


class _Weighing:
    """A WeightNet of three layers but for its last `bias`, of at most `pairs` offsets at once."""

    def __init__(self, weight_net: tuple[torch.Tensor, ...], pairs: int, slope: float):
        *layers, self._last, bias = weight_net
        self._layers, (self.bias,), self.slope = _arrays(*layers), _arrays(bias), np.float32(slope)
        self._hidden, self._weights = torch.empty(self._last.shape[1], pairs), torch.empty(pairs, len(self._last))

    def __call__(self, offsets: np.ndarray, begin: int, end: int) -> torch.Tensor:
        """(end - begin, C) of offsets (3, pairs); the next call overwrites it."""
        patches.weigh(offsets, *self._layers, self.slope, begin, end, self._hidden.numpy())
        size = end - begin
        return torch.mm(self._hidden[:, :size].t(), self._last.t(), out=self._weights[:size])


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
    (batch, points, k), width = index.shape, features.shape[-1]
    of_weights = len(weight_net[-1])
    out, tile = torch.empty(batch, points, len(of_features.weight)), max(1, _NUMBERS // (of_weights * width))
    means, of_offset = torch.empty(tile, of_weights * width), torch.empty(tile, of_weights * 3)
    net = _arrays(*weight_net)
    for rows, away, values, answer in _members(index, _by_axis(offsets), features, out):
        for begin in range(0, points, tile):
            end = min(points, begin + tile)
            mean, moved = means[: end - begin], of_offset[: end - begin]
            patches.convolve(
                away,
                *net,
                values,
                rows,
                np.float32(slope),
                begin,
                end,
                mean.view(-1, of_weights, width).numpy(),
                moved.view(-1, of_weights, 3).numpy(),
            )
            to = torch.from_numpy(answer[begin:end])
            torch.addmm(of_features.bias, moved, of_offsets.weight.t(), out=to)
            F.leaky_relu_(to.addmm_(mean, of_features.weight.t()), slope)
    return out


def interpolate(values: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """As `interpolation.interpolate`."""
    out = torch.empty(*index.shape[:2], values.shape[-1])
    for arrays in _members(values, index, weights, out):
        patches.interpolate(*arrays)
    return out


def neighbourhood(
    centres: torch.Tensor, points: torch.Tensor, index: torch.Tensor, length: float, radius: float, longest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index (B, M, k) and offsets (B, M, k, 3), axis by axis in memory, of a `Neighbourhood`."""
    index = index.contiguous()
    within, offsets = torch.empty_like(index), torch.empty(len(index), 3, *index.shape[1:])
    for one, others, rows, kept, out in _members(centres, points, index, within, offsets):
        patches.offsets_of(one, others, rows, np.float32(length), np.float32(radius), np.float32(longest), kept, out)
    return within, offsets.permute(0, 2, 3, 1)


def _by_axis(offsets: torch.Tensor) -> torch.Tensor:
    """(B, 3, M k) of offsets (B, M, k, 3): as `neighbourhood` left them in memory, nothing is moved."""
    return offsets.permute(0, 3, 1, 2).flatten(2)


def _arrays(*tensors: torch.Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def _members(*tensors: torch.Tensor) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays of each member of the batch; what is written to must be contiguous."""
    return zip(*(tensor.contiguous().numpy() for tensor in tensors))
