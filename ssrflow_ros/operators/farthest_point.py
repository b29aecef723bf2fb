"""Farthest point sampling as an order: its first n points are the best n, for every n."""

from __future__ import annotations

from functools import reduce

import numpy as np
import torch

from ..kernels import farthest_point
from ..kernels.farthest_point import DIRECTION
from .gather import gather
from .padding import is_padding
from .reference import farthest_point_order_reference, is_traced
from .triton_kernels import triton_kernels


def farthest_point_order(points: torch.Tensor, n: int, count: torch.Tensor | None = None) -> torch.Tensor:
    """Order in which farthest point sampling takes `points`: (B, N, 3) float32 -> (B, n) int64, n <= N.

    Each point is the one farthest from all taken before it, so every prefix is itself a farthest
    point sample: one run serves all levels of a pyramid. The points are put into an order of their
    own first, so a permutation of the input gives the same points in the same order; the first of that is taken first.
    count (B,) int64: only so many rows of each cloud, the first, are points; at least one. The others come last.
    """
    with torch.no_grad():
        points = points.detach().float()
        # Axis by axis: autocast would round a matrix product, and its constant would come from the host.
        along = reduce(torch.add, (axis * share for axis, share in zip(points.unbind(dim=-1), DIRECTION)))
        if count is not None:
            padding = is_padding(count, points.shape[1])
            along = along.masked_fill(padding, float('inf'))
        own = along.argsort(dim=1)
        points, first = gather(points, own), torch.zeros_like(own[:, 0])
        if count is not None:
            # At no distance from the first point, and after all real points: of equals, the first row is taken.
            points = torch.where(padding[..., None], points[:, :1], points)
        kernels = None if is_traced() else triton_kernels(points.device)
        counts = torch.full_like(first, points.shape[1]) if count is None else count
        if points.device.type == 'cpu' and not is_traced():
            order = _compiled_order(points, counts, n)
        elif kernels and points.shape[1] <= kernels.most_points:
            order = kernels.farthest_point_order(points, n, first)
        else:
            order = farthest_point_order_reference(points, n, first)
        return own.gather(1, order)


def _compiled_order(points: torch.Tensor, counts: torch.Tensor, n: int) -> torch.Tensor:
    """(B, n) order of the first `counts` (B,) rows of each cloud (B, N, 3), the others after them."""
    orders = []
    for cloud, count in zip(points.numpy(), counts.tolist()):
        order = farthest_point.farthest_point_order(cloud[:count], min(n, count))
        orders.append(np.concatenate([order, np.arange(count, count + n - len(order))]))
    return torch.from_numpy(np.stack(orders))
