"""The flow predictor of one level (paper section 3.3, in the form of PointPWC-Net)."""
from __future__ import annotations

import torch
from torch import nn

from .config import NetworkConfig
from .layers import mlp
from .pointconv import PointConv


class FlowPredictor(nn.Module):
    """Two PointConvs over the warped source, an MLP, and a linear layer to the residual flow in metres.

    The features are normalised, point by point, going in and before the last layer. Most points of
    a LiDAR sweep stand still, and without this the first thing that training finds is to let the
    features die: zero flow, and no gradient left to leave it.
    """

    def __init__(self, width: int, level: int, config: NetworkConfig):
        super().__init__()
        hidden, out = config.predictor_width, config.predictor_out
        self.k = config.k_predictor
        self.norm = nn.LayerNorm(width)
        self.first = PointConv(width, hidden, config.weight_net, config.lengths[level])
        self.second = PointConv(hidden, hidden, config.weight_net, config.lengths[level])
        self.features = nn.Sequential(*mlp(hidden, hidden, out), nn.LayerNorm(out))
        self.flow = nn.Linear(out, 3)

    def forward(self, points: torch.Tensor, features: torch.Tensor,
                within: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """points (B, M, 3), features (B, M, width), within (B, M, K) -> flow (B, M, 3) m and features."""
        index = within[..., :self.k]
        features = self.first(points, points, self.norm(features), index)
        features = self.features(self.second(points, points, features, index))
        return self.flow(features).float(), features
