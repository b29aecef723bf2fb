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
        # The score's bias is the same for all neighbours: the softmax does not see it.
        weights = self.embed.of_relation.weight, self.pool.score.weight, SLOPE
        if self.embed.fits_cpu(own_features):
            placed = own / encoder.POSITION_UNIT
            return cpu_patches.attentive_patch(
                index, offsets, placed, encoder.weights(), own_features, other_features, *weights
            )
        position = encoder(own, offsets)
        if kernels := self.embed.kernels(index):
            return kernels.attentive_patch(position, own_features, other_features, index, *weights)
        return self.pool(self.embed(own_features, other_features, position, index))


class SpatialTemporalReembedding(nn.Module):
    """STRF_i = MLP(eta(TRF*_i, SRF*_i)); the same weights serve both frames, roles swapped."""

    def __init__(self, level: int, config: NetworkConfig):
        super().__init__()
        width = config.widths[level]
        self.temporal = NeighbourReembedding(width, config) if config.temporal else None
        self.spatial = NeighbourReembedding(width, config) if config.spatial else None
        halves = config.temporal + config.spatial
        self.fusion = mlp(halves * width, width) if halves else None

    def forward(
        self,
        own: torch.Tensor,
        own_features: torch.Tensor,
        other_features: torch.Tensor,
        cross: Neighbourhood,
        within: Neighbourhood,
    ) -> torch.Tensor:
        """Re-embed `own_features` (B, M, width) of own (B, M, 3): `cross` neighbours in the other, `within` in own."""
        halves = []
        if self.temporal:
            halves.append(self.temporal(own, own_features, other_features, cross))
        if self.spatial:
            halves.append(self.spatial(own, own_features, own_features, within))
        return own_features if self.fusion is None else self.fusion(torch.cat(halves, dim=-1))
