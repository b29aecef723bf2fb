"""Losses of an unlabelled pair: what moves is told by free space, not by a label (`recording.py`).

Chamfer distance capped, its part on what moves, no flow on what stands still, one rigid motion per
cluster (the parts of SeFlow, Zhang et al., ECCV 2024), and SSRFlow's LFC and CFS, which then warp by
the prediction and take the clusters' rigid motion for the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..operators import gather, k_nearest

STATIC, UNKNOWN = -1, 0  # labels; those above are numbers of moving clusters


@dataclass(frozen=True)
class SelfLossConfig:
    """Weights of the parts, and the distance (m) beyond which two points are no partners.

    `static` is small for a reason: at 1 the network finds that silence pays (docs/research/training.md).
    """

    chamfer: float = 1.0
    dynamic: float = 2.0
    static: float = 0.1
    rigid: float = 1.0
    cap: float = 2.0


def nearest(points: torch.Tensor, others: torch.Tensor, cap: float) -> torch.Tensor:
    """(B, N) m, distance of `points` (B, N, 3) to the nearest of `others` (B, M, 3), no more than `cap`."""
    partner = gather(others, k_nearest(points, others, 1))[:, :, 0]
    return (points - partner).norm(dim=-1).clamp_max(cap)


def chamfer(warped: torch.Tensor, target: torch.Tensor, cap: float) -> torch.Tensor:
    """Capped Chamfer distance of (B, N, 3) and (B, M, 3), m: mean of both directions."""
    return (nearest(warped, target, cap).mean() + nearest(target, warped, cap).mean()) / 2


def moving_distances(
    warped: torch.Tensor, labels: torch.Tensor, target: torch.Tensor, target_labels: torch.Tensor, cap: float
) -> torch.Tensor:
    """(n,) m, capped distances between what moves in the warped source and what moves in the target, both ways.

    warped (B, N, 3), target (B, M, 3), labels (B, N) and (B, M). Empty where one of them has nothing that moves.
    """
    parts = [warped.new_zeros(0)]
    for points, own, others, theirs in zip(warped, labels, target, target_labels):
        points, others = points[own > 0][None], others[theirs > 0][None]
        if points.shape[1] and others.shape[1]:
            parts += [nearest(points, others, cap)[0], nearest(others, points, cap)[0]]
    return torch.cat(parts)


@torch.no_grad()
def rigid_motion(
    points: torch.Tensor, flow: torch.Tensor, labels: torch.Tensor, at: torch.Tensor, at_labels: torch.Tensor
) -> torch.Tensor:
    """Flow (B, M, 3) at `at` (B, M, 3) by the rigid motion of each point's cluster; 0 outside of clusters.

    Each cluster's motion is the best (least squares, Kabsch) for points (B, N, 3) and flow (B, N, 3) with
    labels (B, N).
    """
    most = int(max(labels.max(), at_labels.max())) + 1
    row = torch.arange(len(points), device=points.device)[:, None] * most
    key, where = (row + labels.clamp_min(0)).flatten(), (row + at_labels.clamp_min(0)).flatten()
    groups = len(points) * most
    p, q = points.flatten(0, 1), (points + flow).flatten(0, 1)

    def sums(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(groups, *values.shape[1:]).index_add_(0, key, values)

    number = sums(torch.ones_like(p[:, 0])).clamp_min(1)[:, None]
    p_mean, q_mean = sums(p) / number, sums(q) / number
    spread = sums((p - p_mean[key])[:, :, None] * (q - q_mean[key])[:, None, :])
    u, _, v = torch.linalg.svd(spread)
    sign = torch.ones_like(p_mean)
    sign[:, 2] = (u @ v).det().sign()
    turn = v.mT * sign[:, None] @ u.mT
    points_at = at.flatten(0, 1)
    moved = (turn[where] @ (points_at - p_mean[where])[:, :, None])[:, :, 0] + q_mean[where] - points_at
    return torch.where(at_labels[..., None] > 0, moved.view_as(at), torch.zeros_like(at))
