"""The operators in plain torch: for any device, for tracers, and what every faster way is held against."""

from __future__ import annotations

from functools import reduce

import torch

_QUERIES_AT_ONCE = 2048  # keeps the distance matrix in cache, and bounds its memory


def k_nearest_reference(queries: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    """`k_nearest` in plain torch, for any device.

    Distances come from direct differences in float32: the matrix-product form loses up to 43 % of
    the neighbours in low precision at LiDAR coordinates. Autocast leaves such differences alone.
    """
    parts = [
        _squared_distance(part, points).topk(k, dim=-1, largest=False, sorted=True).indices
        for part in queries.split(_QUERIES_AT_ONCE, dim=1)
    ]
    return torch.cat(parts, dim=1)


def _squared_distance(queries: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    # Axis by axis: no (B, M, N, 3), and nothing that a graph exporter lacks, as it does cdist.
    axes = zip(queries.unbind(dim=-1), points.unbind(dim=-1))
    return reduce(torch.add, ((one[:, :, None] - other[:, None, :]).square() for one, other in axes))


def farthest_point_order_reference(points: torch.Tensor, n: int, first: torch.Tensor) -> torch.Tensor:
    """`farthest_point_order` in plain torch, for any device, without host synchronisation."""
    batch, count, _ = points.shape
    order = torch.empty(batch, n, dtype=torch.int64, device=points.device)
    distance = torch.full((batch, count), float('inf'), device=points.device)
    taken = first
    for i in range(n):
        order[:, i] = taken
        last = points.gather(1, taken[:, None, None].expand(-1, 1, 3))
        distance = torch.minimum(distance, (points - last).square().sum(-1))
        # A point taken can never come again, not even among duplicates.
        distance.scatter_(1, taken[:, None], -1.0)
        taken = distance.argmax(dim=1)
    return order


def attentive_sum_reference(scores: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """`attentive_sum` in plain torch, for any device."""
    return (scores.softmax(dim=-2) * features).sum(dim=-2)


def attentive_patch_reference(
    relation: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    index: torch.Tensor,
    weight: torch.Tensor,
    score: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """sum_j softmax_j(score x_ij) x_ij over the neighbours j of i, x_ij = LeakyReLU(weight r_ij + own_i + other_j).

    relation (B, M, k, R), own (B, M, C), other (B, N, C), index (B, M, k) into N, weight (C, R), score (C, C)
    -> (B, M, C).
    """
    x = _embedded(relation, own, other, index, weight, slope)
    return attentive_sum_reference(x @ score.t(), x)


def cost_patch_reference(
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
    """Mean over the neighbours j of i of (out_weight h_ij + out_bias) x_ij, x_ij as in `attentive_patch_reference`.

    hidden (B, M, k, H), out_weight (C, H), out_bias (C,) -> (B, M, C).
    """
    x = _embedded(relation, own, other, index, weight, slope)
    return ((hidden @ out_weight.t() + out_bias) * x).mean(dim=-2)


def _embedded(
    relation: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    index: torch.Tensor,
    weight: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    near = torch.stack([rows[places] for rows, places in zip(other, index)])
    return torch.nn.functional.leaky_relu(relation @ weight.t() + own[:, :, None] + near, slope)


def is_traced() -> bool:
    """Whether torch.compile or torch.export is looking, which cannot see into a kd-tree."""
    is_compiling = getattr(getattr(torch, 'compiler', None), 'is_compiling', None)  # torch 2.1 and later
    return bool(is_compiling and is_compiling())
