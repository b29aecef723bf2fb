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
    each, k, width = *index.shape[1:], own.shape[-1]
    out, tile = own.new_empty(own.shape), _tile(k * width)
    encoding, (pairs, scores) = own.new_empty(len(weight[0]), tile * k), own.new_empty(2, tile, k, width)
    rows, mine, others, answer, places = _flat(index, own, other, out, points)
    away, arrays, bend = _by_axis(offsets), _arrays(*encoder), np.float32(slope)
    for begin, end in _tiles(len(rows), tile):
        size = end - begin
        patches.encode(away, places, bend, begin, end, encoding.numpy(), *arrays)
        pair, scored = pairs[:size], scores[:size]
        torch.mm(encoding[:, : size * k].t(), weight.t(), out=pair.flatten(0, 1))
        embedded = pair.numpy()
        patches.embed(embedded, mine, others, rows, each, bend, begin, end)
        torch.mm(pair.flatten(0, 1), score.t(), out=scored.flatten(0, 1))
        patches.attend(scored.numpy(), embedded, begin, end, answer)
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
    out, tile = own.new_empty(own.shape), _tile(k * width)
    weigh, pairs = _Weighing(offsets, weight_net, tile, slope), own.new_empty(tile, k, width)
    rows, mine, others, answer = _flat(index, own, other, out)
    away = torch.from_numpy(weigh.offsets).t()
    for begin, end in _tiles(len(rows), tile):
        pair, weights = pairs[: end - begin], weigh(begin, end)
        torch.mm(away[begin * k : end * k], weight.t(), out=pair.flatten(0, 1))
        patches.cost(weights, weigh.bias, pair.numpy(), mine, others, rows, each, weigh.slope, begin, end, answer)
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
    out, tile = features.new_empty(*index.shape[:2], width), _tile(k * width)
    weigh = _Weighing(offsets, weight_net, tile, slope)
    rows, values, answer = _flat(index, features, out)
    for begin, end in _tiles(len(rows), tile):
        patches.weighted_mean(weigh(begin, end), weigh.bias, values, rows, each, begin, end, answer)
    return out


class _Weighing:
    """A WeightNet of three layers at offsets (B, M, k, 3), but for its last `bias`; at most `tile` points at once."""

    def __init__(self, offsets: torch.Tensor, weight_net: tuple[torch.Tensor, ...], tile: int, slope: float):
        *layers, self._last, bias = weight_net
        self.offsets, self.slope, self._k = _by_axis(offsets), np.float32(slope), offsets.shape[2]
        self._layers, (self.bias,) = _arrays(*layers), _arrays(bias)
        self._hidden = bias.new_empty(self._last.shape[1], tile * self._k)
        self._weights = bias.new_empty(tile, self._k, len(bias))

    def __call__(self, begin: int, end: int) -> np.ndarray:
        """(end - begin, k, C) of the points from `begin` to `end`; the next call overwrites it."""
        size = (end - begin) * self._k
        patches.weigh(self.offsets, self.slope, begin * self._k, end * self._k, self._hidden.numpy(), *self._layers)
        weights = self._weights[: end - begin]
        torch.mm(self._hidden[:, :size].t(), self._last.t(), out=weights.flatten(0, 1))
        return weights.numpy()


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
    (batch, each, _), numbers = index.shape, len(weight_net[-1])
    out, tile = features.new_empty(batch, each, len(of_features.weight)), _tile(of_features.weight.shape[1])
    means, of_offset = features.new_empty(tile, numbers, features.shape[-1]), features.new_empty(tile, numbers, 3)
    rows, values = _flat(index, features)
    away, arrays, bend, answer = _by_axis(offsets), _arrays(*weight_net), np.float32(slope), out.flatten(0, 1)
    for begin, end in _tiles(len(rows), tile):
        mean, moved = means[: end - begin], of_offset[: end - begin]
        patches.convolve(away, values, rows, each, bend, begin, end, mean.numpy(), moved.numpy(), *arrays)
        part = answer[begin:end]
        torch.addmm(of_features.bias, moved.flatten(1), of_offsets.weight.t(), out=part)
        F.leaky_relu_(part.addmm_(mean.flatten(1), of_features.weight.t()), slope)
    return out


def activate(rows: torch.Tensor, bias: torch.Tensor, slope: float) -> torch.Tensor:
    """rows (..., D) with bias (D,) added and LeakyReLU of `slope` on it, in place."""
    patches.activate(rows.view(-1, len(bias)).numpy(), bias.detach().numpy(), np.float32(slope))
    return rows


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


def _tile(numbers: int) -> int:
    """How many points, of so many numbers, a tile has."""
    return max(1, _NUMBERS // numbers)


def _tiles(points: int, tile: int) -> Iterator[tuple[int, int]]:
    """Where tiles begin and end, none larger than `tile`."""
    return ((begin, min(points, begin + tile)) for begin in range(0, points, tile))


def _by_axis(offsets: torch.Tensor) -> np.ndarray:
    """(3, B M k) of offsets (B, M, k, 3): as `neighbourhood` left them in memory, nothing is moved."""
    return offsets.permute(3, 0, 1, 2).flatten(1).numpy()


def _flat(*tensors: torch.Tensor) -> list[np.ndarray]:
    """The arrays (B M, ...) of tensors (B, M, ...); what is written to must be contiguous."""
    return [tensor.contiguous().flatten(0, 1).numpy() for tensor in tensors]


def _arrays(*tensors: torch.Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)
