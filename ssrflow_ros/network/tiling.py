"""Tiles of points, so that the tensors of their neighbours stay in the processor's cache."""

from __future__ import annotations

from typing import Callable

import torch

from ..operators.reference import is_traced

_PAIRS = 8192  # of a point and a neighbour at once; with 32 channels 1 MiB


def in_tiles(
    compute: Callable[..., torch.Tensor], others: torch.Tensor, index: torch.Tensor, *of_points: torch.Tensor
) -> torch.Tensor:
    """compute(others, index, *of_points) -> (B, M, C), tile by tile of the points where that pays: same numbers.

    others (B, N, D), index (B, M, k) into them, and each of of_points (B, M, ...). On the CPU the neighbour tensors
    (B, M, k, C) are what costs: whole, they go through memory at every operation. Training keeps them all for the
    backward pass anyway, and a GPU wants large kernels: both get one tile.
    """
    batch, points, k = index.shape
    size = max(1, _PAIRS // k)
    if batch * points <= size or torch.is_grad_enabled() or index.device.type != 'cpu' or is_traced():
        return compute(others, index, *of_points)
    if batch > 1:  # one long list of points, so that a tile is a piece of memory
        index = index + others.shape[1] * torch.arange(batch)[:, None, None]
        others = others.flatten(0, 1)[None]
    tiles = [tensor.flatten(0, 1)[None].split(size, dim=1) for tensor in (index, *of_points)]
    return torch.cat([compute(others, *tile) for tile in zip(*tiles)], dim=1).unflatten(1, (batch, points))[0]
