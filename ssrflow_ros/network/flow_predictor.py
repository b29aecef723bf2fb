"""The flow predictor of one level (paper section 3.3, in the form of PointPWC-Net)."""

from __future__ import annotations

import torch
from torch import nn

from ..operators import Linear, cpu_patches
from .config import NetworkConfig
from .layers import MLP, SLOPE, mlp
from .neighbourhood import Neighbourhood
from .pointconv import PointConv


class FlowPredictor(nn.Module):
    """Two PointConvs over the warped source, an MLP, and a linear layer to the residual flow in metres.

    The features are normalised, point by point, going in and before the last layer. Most points of
    a LiDAR sweep stand still, and without this the first thing that training finds is to let the
    features die: zero flow, and no gradient left to leave it.
    """

    def __init__(self, width: int, config: NetworkConfig):
        super().__init__()
        hidden, out = config.predictor_width, config.predictor_out
        self.k = config.k_predictor
        self.norm = nn.LayerNorm(width)
        self.first = PointConv(width, hidden, config.weight_net)
        self.second = PointConv(hidden, hidden, config.weight_net)
        self.features = MLP(*mlp(hidden, hidden, out), nn.LayerNorm(out))
        self.flow = Linear(out, 3)
        self.weights = cpu_patches.Weights(self, self._layers)

    def forward(self, features: torch.Tensor, within: Neighbourhood) -> tuple[torch.Tensor, torch.Tensor]:
        """features (B, M, width), their points' neighbours among themselves -> flow (B, M, 3) m and features."""
        within = within.nearest(self.k)
        if cpu_patches.fits(features, within.offsets):
            return cpu_patches.predicted(features, within.pair, self.weights, SLOPE)
        features = self.features(self.second(self.first(self.norm(features), within), within))
        return self.flow(features).float(), features

    def _layers(self) -> tuple:
        return self.norm, self.first.layers(), self.second.layers(), *self.features.layers(), self.flow
