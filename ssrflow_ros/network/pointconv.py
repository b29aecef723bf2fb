"""PointConv and the hierarchical feature extraction (paper section 3.1; PointConv: Wu et al., CVPR 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..operators import Linear, cpu_patches, gather, k_nearest
from .config import NetworkConfig
from .layers import SLOPE, WeightNet, mlp
from .neighbourhood import Neighbourhood, soft_clamp
from .pyramid import Pyramid
from .tiling import in_tiles

_OFFSET_LENGTH = 0.5  # metres that count as 1; longer ones are softly clamped to 2 m


class PointConv(nn.Module):
    """out_i = act(W vec(1/k sum_j eta(offset_ij, f_j) x weights(offset_ij)^T)) over the k neighbours j of i."""

    def __init__(self, width: int, out: int, weight_net: int):
        super().__init__()
        self.weight_net = WeightNet(weight_net)
        # One linear layer in two parts: joining offsets and features first would copy all neighbours.
        self.of_features = Linear(width * weight_net, out)
        self.of_offsets = Linear(3 * weight_net, out, bias=False)
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, features: torch.Tensor, neighbours: Neighbourhood) -> torch.Tensor:
        """features (B, N, C), M neighbourhoods of k among N -> (B, M, out)."""

        def convolved(index: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
            if cpu_patches.fits(features, offsets):
                of_features, of_offsets = cpu_patches.convolved(self.weight_net(offsets), features, index, offsets)
                return self.activation(self.of_features(of_features) + self.of_offsets(of_offsets))
            weights = (self.weight_net(offsets) / index.shape[-1]).transpose(-1, -2)  # (B, M, weight_net, k)
            out = self.of_features((weights @ gather(features, index)).flatten(-2))
            return self.activation(out + self.of_offsets((weights @ offsets.to(weights.dtype)).flatten(-2)))

        return in_tiles(convolved, neighbours.index, neighbours.offsets)


class HierarchicalFeatures(nn.Module):
    """Features of one frame at all levels; the weights are shared by both frames."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.k, self.lengths, self.radius = config.k_pointconv, config.lengths, config.radius
        self.offset_input, self.looks = config.offset_input, 2 * config.beyond_input + 2 * config.past_input
        self.first = mlp(config.columns, config.widths[0], config.widths[0])
        self.down = nn.ModuleList(
            PointConv(fine, coarse, config.weight_net) for fine, coarse in zip(config.widths, config.widths[1:])
        )

    def forward(self, pyramid: Pyramid, other: Pyramid) -> list[torch.Tensor]:
        """Per level (B, n_l, width_l), of the frame `pyramid`, whose partner is `other`."""
        # The paper's input feature is xyz; in units of 10 m a LiDAR scene stays within a few units.
        given, more = [pyramid.points[0] / 10.0], pyramid.more
        if self.offset_input:
            known = more.shape[-1] >= 3
            offsets = more[..., :3] if known else nearest_offsets(pyramid.points[0], other.points[0], other.counts[0])
            given.append(soft_clamp(offsets / _OFFSET_LENGTH))
        if self.looks:
            beyond = more[..., 3 : 3 + self.looks]
            beyond = F.pad(beyond, (0, self.looks - beyond.shape[-1]))  # what was not given is not known: 0
            given.append(soft_clamp(beyond[..., None] / _OFFSET_LENGTH)[..., 0])
        features = [self.first(torch.cat(given, dim=-1))]
        for level, convolution in enumerate(self.down):
            fine, coarse = pyramid.points[level], pyramid.points[level + 1]
            index = pyramid.neighbours[level][:, : coarse.shape[1], : self.k]
            neighbours = Neighbourhood.of(coarse, fine, index, self.lengths[level], self.radius)
            features.append(convolution(features[-1], neighbours))
        return features


def nearest_offsets(points: torch.Tensor, others: torch.Tensor, count: torch.Tensor | None = None) -> torch.Tensor:
    """(B, N, 3) m from points (B, N, 3) to the nearest of others (B, M, 3), of their first `count` (B,) rows."""
    return gather(others, k_nearest(points, others, 1, count)[..., 0]) - points
