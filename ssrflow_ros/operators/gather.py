"""Rows of a feature table by index, batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .reference import is_traced


def gather(features: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """`features` (B, N, C), `index` (B, ...) into N -> (B, ..., C); differentiable once on the CPU.

    An embedding lookup, deterministic both ways. Its backward on the CPU is our own: torch's adds
    the gradients row by row, which takes 3 to 20 times as long.
    """
    batch, count, width = features.shape
    if batch > 1:
        offset = torch.arange(batch, device=index.device) * count
        index = index + offset.view(-1, *[1] * (index.dim() - 1))
    table = features.reshape(batch * count, width)
    if (
        torch.is_grad_enabled()
        and table.requires_grad
        and table.device.type == 'cpu'
        and table.dtype == torch.float32
        and not is_traced()
    ):
        return _Gather.apply(table, index)
    return F.embedding(index, table)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(index)
        ctx.rows = len(table)
        return F.embedding(index, table)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (index,) = ctx.saved_tensors
        order, first = _by_row(index.reshape(-1).numpy(), ctx.rows)
        return F.embedding_bag(order, gradient.reshape(-1, gradient.shape[-1]), first, mode='sum'), None


def _by_row(index: np.ndarray, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The places of `index` (M,) sorted by the row that they name, and where each row's places begin (rows,)."""
    bits = max(1, len(index) - 1).bit_length()
    # Row and place in one number: sorting numbers is several times faster than looking for their order.
    keys = np.sort((index << bits) | np.arange(len(index)))
    first = np.searchsorted(keys, np.arange(rows) << bits)
    return torch.from_numpy(keys & ((1 << bits) - 1)), torch.from_numpy(first)
