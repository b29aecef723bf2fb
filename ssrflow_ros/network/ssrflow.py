"""The SSRFlow network (Lu et al., arXiv 2408.07825), read like the paper's Figure 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..operators import Searched, cpu_patches, k_nearest
from .config import NetworkConfig
from .flow_predictor import FlowPredictor
from .global_fusion import GlobalFusion
from .layers import MLP, SLOPE, mlp
from .local_flow_embedding import LocalFlowEmbedding
from .neighbourhood import Neighbourhood
from .pointconv import HierarchicalFeatures
from .pyramid import Pyramid
from .reembedding import SpatialTemporalReembedding


@dataclass(frozen=True, eq=False)
class FlowPyramid:
    """What the network says of a pair, rows in the source pyramid's order.

    flows            per level (B, n_l, 3) float32 m, finest first; levels finer than the finest
                     decoded one are interpolated.
    source_features, target_features  (B, n, C) STR features of the finest decoded level; where that has no STR,
                     the backbone's joined with the coarser level's.
    warped           (B, n, 3) source points of that level, warped by the flow that STR saw.
    """

    flows: tuple[torch.Tensor, ...]
    source_features: torch.Tensor
    target_features: torch.Tensor
    warped: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Estimate:
    """The state that walks from a level to the next finer one: of the source frames (B, ...), features of both."""

    flow: torch.Tensor
    predictor_features: torch.Tensor
    features: torch.Tensor


class InitialFlow(nn.Module):
    """Global fusion (or, as an ablation, a local flow embedding) at the coarsest level, and its flow."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        top, width = config.levels - 1, config.widths[-1]
        self.k, self.reach = config.k_embedding, (config.lengths[-1], config.radius)
        self.fuse = GlobalFusion(config) if config.initial_flow == 'global_fusion' else None
        self.embed = None if self.fuse else LocalFlowEmbedding(top, config)
        self.predict = FlowPredictor(width + (config.fusion_width if self.fuse else width), config)

    def forward(self, source: Pyramid, target: Pyramid, features: torch.Tensor) -> _Estimate:
        """Each frame, and the top-level features of both (2B, n, C)."""
        x, y, (f, g) = source.points[-1], target.points[-1], features.chunk(2)
        within = Neighbourhood.of(x, x, source.neighbours[-1], *self.reach)
        if self.fuse is not None:
            embedding, f, g = self.fuse(x, y, f, g, source.mask(-1), target.mask(-1))
            features = torch.cat([f, g])
        else:
            assert self.embed is not None  # one of both
            cross = Neighbourhood.of(x, y, k_nearest(x, y, self.k, target.counts[-1]), *self.reach)
            embedding = self.embed(f, g, cross, within.nearest(self.k))
        flow, handed = self.predict(torch.cat([embedding, f], dim=-1), within)
        return _Estimate(flow, handed, features)


class Level(nn.Module):
    """One level below the top: upsample -> warp -> STR -> LFE -> flow predictor (residual)."""

    def __init__(self, level: int, config: NetworkConfig):
        super().__init__()
        self.level, self.k, self.reach = level, config.k_embedding, (config.lengths[level], config.radius)
        width = config.widths[level]
        self.join = MLP(*mlp(width + config.widths[level + 1], width), nn.LayerNorm(width))
        self.weights = cpu_patches.Weights(self.join, self.join.layers)
        self.reembed = SpatialTemporalReembedding(level, config) if level >= config.finest_reembedded else None
        self.embed = LocalFlowEmbedding(level, config)
        self.predict = FlowPredictor(2 * width + config.predictor_out + 3, config)

    def forward(
        self, frames: Pyramid, source: Pyramid, features: torch.Tensor, coarse: _Estimate
    ) -> tuple[_Estimate, torch.Tensor]:
        """Both frames, the source of them, their backbone features (2B, n, C) of this level, and the coarser estimate
        -> this level's, and the warped source (B, n, 3)."""
        level = self.level
        features = self._joined(frames, features, coarse.features)

        flow = source.upsample(coarse.flow, level)
        x, y = frames.points[level].chunk(2)
        warped = torch.cat([x + flow, y])

        frames_now = Searched(warped, frames.counts[level])
        within = Neighbourhood.of(warped, warped, frames_now.nearest(frames_now, self.k), *self.reach)
        partners = frames_now.swapped()  # with the trees that this search has made
        cross = Neighbourhood.of(warped, partners.points, partners.nearest(frames_now, self.k), *self.reach)
        if self.reembed is not None:
            features = self.reembed(warped, features, cross, within)

        (f, g), (cross, within) = features.chunk(2), (cross.of_source, within.of_source)
        embedding = self.embed(f, g, cross, within)
        handed = source.upsample(coarse.predictor_features, level)
        told = torch.cat([embedding, f, handed, flow.to(f.dtype)], dim=-1)
        residual, handed = self.predict(told, within)
        return _Estimate(flow + residual, handed, features), warped.chunk(2)[0]

    def _joined(self, frames: Pyramid, features: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """Backbone features (2B, n, C) and the coarser level's, at the same points."""
        if cpu_patches.fits(features, coarse):
            return cpu_patches.joined(features, coarse, *frames.up(self.level), self.weights, SLOPE)
        return self.join(torch.cat([features, frames.upsample(coarse, self.level)], dim=-1))


class SSRFlow(nn.Module):
    """Scene flow from a source to a target frame, coarse to fine.

    Deterministic; features are normalised per point only, so a batch changes nothing for its members.
    """

    def __init__(self, config: NetworkConfig = NetworkConfig()):
        super().__init__()
        self.config = config
        self.features = HierarchicalFeatures(config)
        self.initial_flow = InitialFlow(config)
        self.decoder = nn.ModuleList(Level(level, config) for level in range(config.finest_level, config.levels - 1))
        # A network without memory waits for its weights; torch would load its compiler, a second, to draw them.
        if not next(self.parameters()).is_meta:
            self.apply(_initialise)
            for module in self.modules():
                if isinstance(module, FlowPredictor):
                    # A new network predicts almost no flow: warping by noise would teach nothing.
                    nn.init.normal_(module.flow.weight, std=1e-2)

    def forward(self, source: Pyramid, target: Pyramid) -> FlowPyramid:
        """Flows of all levels, in metres over the pair's time difference, of frames of one size."""
        return self.of_frames(source.joined(target))

    def of_frames(self, frames: Pyramid) -> FlowPyramid:
        """The same of `Pyramid.of_pair`."""
        source, target = frames.halves()
        features = self.features(frames)
        estimate = self.initial_flow(source, target, features[-1])
        flows, warped = [estimate.flow], source.points[-1]
        for level in reversed(self.decoder):
            estimate, warped = level(frames, source, features[level.level], estimate)
            flows.append(estimate.flow)
        for finer in reversed(range(self.config.finest_level)):
            flows.append(source.upsample(flows[-1], finer))
        source_features, target_features = estimate.features.chunk(2)
        return FlowPyramid(tuple(reversed(flows)), source_features, target_features, warped)

    def flow(
        self,
        source: torch.Tensor,
        target: torch.Tensor,
        source_count: torch.Tensor | None = None,
        target_count: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Flow (B, N, 3) of the points of source (B, N, C) towards target (B, M, C), in the rows' own order.

        Metres. Columns 3 to 5 are the offset of each point to the nearest one of the other cloud as it was before
        sampling; where they are left out, it is found among the points given here. Column 6 is by how much the other
        sensor saw past it; 0, or left out: not known. What the network does not take may be given, too.

        Counts (B,) int64, at least 1: only so many first rows of a cloud are points, the rest is padding, any
        coordinates. It changes nothing for the points; the flow that it gets itself means nothing.
        """
        frames = Pyramid.of_pair(source, target, self.config, source_count, target_count)
        ordered, order = self.of_frames(frames).flows[0], frames.order.chunk(2)[0]
        flow = torch.empty_like(ordered).scatter(1, order[..., None].expand_as(ordered), ordered)
        return flow[:, : source.shape[1]]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
