"""PointConv and the hierarchical feature extraction (paper section 3.1; PointConv: Wu et al., CVPR 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..operators import Linear, cpu_patches, gather, k_nearest
from .config import NetworkConfig
from .layers import SLOPE, WeightNet, mlp
from .neighbourhood import LONGEST, Neighbourhood, soft_clamp
from .pyramid import Pyramid, swapped

_UNIT = 10.0  # metres; the paper's input feature is xyz: so a LiDAR scene stays within a few units
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
        self.weights = cpu_patches.Weights(self, self.layers)

    def forward(self, features: torch.Tensor, neighbours: Neighbourhood) -> torch.Tensor:
        """features (B, N, C), M neighbourhoods of k among N -> (B, M, out)."""
        index, offsets = neighbours.index, neighbours.offsets
        if cpu_patches.fits(features, offsets):
            return cpu_patches.convolved(features, neighbours.pair, self.weights, SLOPE)
        weights = (self.weight_net(offsets) / index.shape[-1]).transpose(-1, -2)  # (B, M, weight_net, k)
        out = self.of_features((weights @ gather(features, index)).flatten(-2))
        return self.activation(out + self.of_offsets((weights @ offsets.to(weights.dtype)).flatten(-2)))

    def layers(self) -> tuple:
        """As `cpu_patches.convolved` takes them: the WeightNet's, and the layer of both parts as one."""
        both = torch.cat([self.of_features.weight, self.of_offsets.weight], dim=1)
        return self.weight_net.tensors(), cpu_patches.in_panels(both, self.of_features.bias)


class HierarchicalFeatures(nn.Module):
    """Features of both frames at all levels, with the same weights."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.lengths, self.radius = config.lengths, config.radius
        self.offset_input, self.looks = config.offset_input, 2 * config.beyond_input + 2 * config.past_input
        self.first = mlp(config.columns, config.widths[0], config.widths[0])
        self.weights = cpu_patches.Weights(self.first, self.first.layers)
        self.down = nn.ModuleList(
            PointConv(fine, coarse, config.weight_net) for fine, coarse in zip(config.widths, config.widths[1:])
        )

    def forward(self, frames: Pyramid) -> list[torch.Tensor]:
        """Per level (2B, n_l, width_l), of both frames."""
        features = [self._described(frames)]
        for level, convolution in enumerate(self.down):
            fine, coarse = frames.points[level], frames.points[level + 1]
            around = Neighbourhood.of(coarse, fine, frames.neighbours[level], self.lengths[level], self.radius)
            features.append(convolution(features[-1], around))
        return features

    def _described(self, frames: Pyramid) -> torch.Tensor:
        """(2B, n, width) of the finest level, of what is given of each point."""
        points, more, counts = frames.points[0], frames.more, frames.counts[0]
        if self.offset_input and more.shape[-1] >= 3 + self.looks and cpu_patches.fits(points, more):
            lengths = _UNIT, _OFFSET_LENGTH, LONGEST
            return cpu_patches.described(points, more, lengths, self.weights, SLOPE)
        given = [points / _UNIT]
        if self.offset_input:
            if more.shape[-1] >= 3:
                offsets = more[..., :3]
            else:
                offsets = nearest_offsets(points, swapped(points), None if counts is None else swapped(counts))
            given.append(soft_clamp(offsets / _OFFSET_LENGTH))
        if self.looks:
            beyond = more[..., 3 : 3 + self.looks]
            beyond = F.pad(beyond, (0, self.looks - beyond.shape[-1]))  # what was not given is not known: 0
            given.append(soft_clamp(beyond[..., None] / _OFFSET_LENGTH)[..., 0])
        return self.first(torch.cat(given, dim=-1))


def nearest_offsets(points: torch.Tensor, others: torch.Tensor, count: torch.Tensor | None = None) -> torch.Tensor:
    """(B, N, 3) m from points (B, N, 3) to the nearest of others (B, M, 3), of their first `count` (B,) rows."""
    return gather(others, k_nearest(points, others, 1, count)[..., 0]) - points
