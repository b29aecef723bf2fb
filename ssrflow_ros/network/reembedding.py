"""STR, spatial temporal re-embedding: features of the warped source made anew (paper section 3.3).

After warping, a point's old features speak of a place where it no longer is. STR computes them
again, from the target around the warped point (temporal) and from the warped source itself (spatial).
"""

from __future__ import annotations

import torch
from torch import nn

from ..operators import cpu_patches
from .config import NetworkConfig
from .layers import SLOPE, AttentivePooling, PairMLP, PositionEncoder, mlp
from .neighbourhood import Neighbourhood
from .pyramid import swapped


class NeighbourReembedding(nn.Module):
    """RF*_i = pool_j MLP(eta(g_j, f_i, PE_ij)) over the neighbours j of i in a frame."""

    def __init__(self, width: int, config: NetworkConfig):
        super().__init__()
        self.position_encoder = PositionEncoder(config.position_width)
        self.embed = PairMLP(width, width, config.position_width, width, config.mlp_depth - 1)
        self.pool = AttentivePooling(width)

    def forward(
        self, own: torch.Tensor, own_features: torch.Tensor, other_features: torch.Tensor, neighbours: Neighbourhood
    ) -> torch.Tensor:
        """Points own (B, M, 3), features of both, M neighbourhoods in the other frame -> (B, M, width)."""
        index, offsets, encoder = neighbours.index, neighbours.offsets, self.position_encoder
        own_features, other_features = self.embed.of_own(own_features), self.embed.of_other(other_features)
        position = encoder(own, offsets)
        if kernels := self.embed.kernels(index):
            # The score's bias is the same for all neighbours: the softmax does not see it.
            weights = self.embed.of_relation.weight, self.pool.score.weight, SLOPE
            return kernels.attentive_patch(position, own_features, other_features, index, *weights)
        return self.pool(self.embed(own_features, other_features, position, index))

    def layers(self) -> tuple:
        """As `cpu_patches.reembedded` takes them."""
        embed = self.embed
        return self.position_encoder.tensors(), embed.of_own, embed.of_other, embed.of_relation, self.pool.score


class SpatialTemporalReembedding(nn.Module):
    """STRF_i = MLP(eta(TRF*_i, SRF*_i)); the same weights serve both frames, roles swapped."""

    def __init__(self, level: int, config: NetworkConfig):
        super().__init__()
        width = config.widths[level]
        self.temporal = NeighbourReembedding(width, config) if config.temporal else None
        self.spatial = NeighbourReembedding(width, config) if config.spatial else None
        halves = config.temporal + config.spatial
        self.fusion = mlp(halves * width, width) if halves else None
        self.weights = cpu_patches.Weights(self, self._layers)

    def forward(
        self, points: torch.Tensor, features: torch.Tensor, cross: Neighbourhood, within: Neighbourhood
    ) -> torch.Tensor:
        """Re-embed features (2B, M, width) of the points (2B, M, 3) of both frames: `cross` neighbours in the other
        frame, `within` in the own."""
        if self.temporal and self.spatial and self.temporal.embed.fits_cpu(features):
            unit = PositionEncoder.POSITION_UNIT
            return cpu_patches.reembedded(points, features, cross.pair, within.pair, unit, self.weights, SLOPE)
        halves = []
        if self.temporal:
            halves.append(self.temporal(points, features, swapped(features), cross))
        if self.spatial:
            halves.append(self.spatial(points, features, features, within))
        return features if self.fusion is None else self.fusion(torch.cat(halves, dim=-1))

    def _layers(self) -> tuple:
        assert self.temporal and self.spatial and self.fusion
        return self.temporal.layers(), self.spatial.layers(), *self.fusion.layers()
