"""k nearest neighbours between two point sets, batched."""

from __future__ import annotations

from typing import Callable

import torch

from .padding import is_padding
from .reference import is_traced, k_nearest_reference
from .triton_kernels import triton_kernels

_FAR = 1e9  # metres; nothing real is farther, and its square is a float32 still


def k_nearest(queries: torch.Tensor, points: torch.Tensor, k: int, count: torch.Tensor | None = None) -> torch.Tensor:
    """Indices of the k points nearest to each query, nearest first.

    queries (B, M, 3), points (B, N, 3), float32 metres -> (B, M, k) int64 into N. Where there are fewer than k
    points, the nearest one is repeated. count (B,) int64: only so many rows of each cloud, the first, are
    points; at least one. Not differentiable, as indices are not; the same input gives the same indices.
    Runs on the CPU through a kd-tree, on a GPU through a Triton kernel, elsewhere and wherever an
    exporter looks through the reference.
    """
    with torch.no_grad():
        queries, points = queries.detach().float(), points.detach().float()
        if count is not None:
            points = points.masked_fill(is_padding(count, points.shape[1])[..., None], _FAR)
        found = min(k, points.shape[1])
        index = _search(queries.device)(queries, points, found)
        if found < k:
            index = torch.cat([index, index[..., :1].expand(-1, -1, k - found)], dim=-1)
        if count is not None:
            index = torch.where(is_padding(count, k)[:, None], index[..., :1], index)
        return index


def _search(device: torch.device) -> Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]:
    if is_traced():
        return k_nearest_reference
    if device.type == 'cpu':
        return _kd_tree
    kernels = triton_kernels(device)
    return kernels.k_nearest if kernels else k_nearest_reference


def _kd_tree(queries: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    from ..kernels.kd_tree import KdTree

    found = [
        torch.from_numpy(KdTree(cloud).search(wanted, k)[0]) for wanted, cloud in zip(queries.numpy(), points.numpy())
    ]
    return torch.stack(found)
