"""The training losses of SSRFlow (paper section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import torch
from torch.nn import functional as F

from ..network.pyramid import Pyramid
from ..network.ssrflow import FlowPyramid
from ..operators import gather, k_nearest
from . import distributed


@dataclass(frozen=True)
class LossConfig:
    """Weights and reach of the losses.

    alpha           weight of each level's error, finest first (PointPWC-Net's, STARFlow's at the top).
    balance_moving  weigh moving points up until they count as much as static ones, at most by this.
    lfc_*, cfs_*    weight, neighbours K and radius R (m) of the two domain adaptive losses, and CFS's
                    threshold TH; weight 0 leaves a loss out.
    """

    alpha: tuple[float, ...] = (0.02, 0.04, 0.08, 0.16, 0.32)
    balance_moving: float = 20.0
    lfc_weight: float = 0.0
    lfc_k: int = 16
    lfc_radius: float = 0.25
    cfs_weight: float = 0.0
    cfs_k: int = 9
    cfs_radius: float = 0.25
    cfs_threshold: float = 0.95


def training_loss(
    prediction: FlowPyramid,
    source: Pyramid,
    target: Pyramid,
    truth: torch.Tensor,
    moving: torch.Tensor,
    config: LossConfig,
    taught: Sequence[torch.Tensor] = (),
    taught_share: float = 1.0,
) -> dict[str, torch.Tensor]:
    """Each loss, and their weighted sum as 'total'.

    truth (B, N, 3) m and moving (B, N) bool in the source pyramid's order. A level is a prefix of the finest, and so is
    its truth. Where a teacher's flow of each level, (B, n, 3) m, is `taught`, that is the truth to `taught_share` of
    the supervised loss.
    """
    truths = [truth[:, : flow.shape[1]] for flow in prediction.flows]
    losses = {'supervised': supervised(prediction.flows, truths, moving, config)}
    if taught:
        by_teacher = supervised(prediction.flows, taught, moving, config)
        losses['supervised'] = torch.lerp(losses['supervised'], by_teacher, taught_share)
    losses['total'] = losses['supervised']
    if config.lfc_weight:
        losses['lfc'] = local_flow_consistency(prediction.flows[0], truth, source, config)
        losses['total'] = losses['total'] + config.lfc_weight * losses['lfc']
    if config.cfs_weight:
        losses['cfs'] = cross_frame_similarity(prediction, target, config)
        losses['total'] = losses['total'] + config.cfs_weight * losses['cfs']
    return losses


def supervised(
    flows: tuple[torch.Tensor, ...], truths: Sequence[torch.Tensor], moving: torch.Tensor, config: LossConfig
) -> torch.Tensor:
    """sum_l alpha_l sum_i w_i |flow_i^l - gt_i^l|, divided by alpha_0 sum_i w_i of l0 so that it reads in metres.

    flows and truths (B, n, 3) m of each level, finest first. In a LiDAR sweep few points move; unweighted, "nothing
    moves" would be a good answer.
    """
    share = distributed.mean(moving.float().mean())
    boost = ((1 - share) / share.clamp_min(1e-6)).clamp(1.0, config.balance_moving)
    weights = torch.where(moving, boost, torch.ones_like(boost))
    total = flows[0].new_zeros(())
    for alpha, flow, truth in zip(config.alpha, flows, truths):
        total = total + alpha * ((flow - truth).norm(dim=-1) * weights[:, : flow.shape[1]]).sum()
    return total / (config.alpha[0] * distributed.mean(weights.sum()))


def local_flow_consistency(
    flow: torch.Tensor, truth: torch.Tensor, source: Pyramid, config: LossConfig
) -> torch.Tensor:
    """LFC: mean over near neighbours j of i of | |F_j - F_i| - |gt_j - gt_i| |, metres.

    Neighbours are the K nearest that also lie within R.
    """
    points = source.points[0]
    index = k_nearest(points, points, config.lfc_k + 1)[..., 1:]
    near = (gather(points, index) - points[:, :, None]).norm(dim=-1) < config.lfc_radius
    differs = (gather(flow, index) - flow[:, :, None]).norm(dim=-1)
    should = (gather(truth, index) - truth[:, :, None]).norm(dim=-1)
    return mean_where((differs - should).abs(), near)


def cross_frame_similarity(prediction: FlowPyramid, target: Pyramid, config: LossConfig) -> torch.Tensor:
    """CFS: mean over target points j near the warped point i of max(0, TH - cos(f_i, g_j))."""
    n = prediction.target_features.shape[1]
    points = next(level for level in target.points if level.shape[1] == n)
    index = k_nearest(prediction.warped, points, config.cfs_k)
    near = (gather(points, index) - prediction.warped[:, :, None]).norm(dim=-1) < config.cfs_radius
    similar = F.cosine_similarity(
        prediction.source_features[:, :, None].float(), gather(prediction.target_features, index).float(), dim=-1
    )
    return mean_where((config.cfs_threshold - similar).clamp_min(0), near)


def mean_where(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of `values` where `mask` holds, over the batch of all processes; 0 where it holds nowhere."""
    return (values * mask).sum() / distributed.mean(mask.sum().float()).clamp_min(1)
