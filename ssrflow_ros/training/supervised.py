"""Learning from labelled pairs: simulated ones, or FlyingThings3D's."""

from __future__ import annotations

from pathlib import Path

import torch

from ..datasets import KINDS
from ..network.pyramid import Pyramid
from ..network.ssrflow import FlowPyramid
from .augmentation import NO_AUGMENTATION, Augmentation
from .config import TrainingConfig
from .dataset import Items, PairDataset
from .flownet3d_protocol import AS_IT_IS, FlowNet3DPairs, PointPWCAugmentation
from .losses import training_loss
from .pairs import describe_pairs


class Supervised:
    """The objective of `Training` with labels: where pairs come from, their loss, and what the curve shows."""

    FIGURES = ('epe_moving', 'epe_static', 'zero_moving')
    GRAPH_SAFE = True

    def __init__(self, config: TrainingConfig):
        self.config = config

    def training(self, pairs: Path | str) -> Items:
        """The pairs to train on, varied each time they are drawn: a folder of pairs, or KIND:PATH as FT3D's."""
        config = self.config
        return self._open(pairs, config.n_points, config.augmentation, config.pointpwc)

    def validation(self, pairs: Path | str) -> Items:
        """The pairs to validate on, whole."""
        return self._open(pairs, self.config.validation_points, NO_AUGMENTATION, AS_IT_IS)

    @staticmethod
    def describe(pairs: Path | str) -> str:
        """What lies there, in words, for the card of the weights."""
        kind, colon, path = str(pairs).partition(':')
        if colon and kind in KINDS:
            return f'{kind} ({KINDS[kind][1].partition(":")[0]}), {Path(path).name}'
        return describe_pairs(Path(pairs))

    def _open(
        self, pairs: Path | str, n_points: int, augmentation: Augmentation, pointpwc: PointPWCAugmentation
    ) -> Items:
        kind, colon, _ = str(pairs).partition(':')
        if colon and kind in KINDS:
            return FlowNet3DPairs(str(pairs), n_points, pointpwc, self.config.seed)
        return PairDataset(Path(pairs), n_points, augmentation, self.config.seed)

    def loss(self, prediction: FlowPyramid, source: Pyramid, target: Pyramid, batch: dict) -> torch.Tensor:
        """What is made small."""
        return training_loss(prediction, source, target, batch['motion'], batch['moving'], self.config.loss)['total']

    @torch.no_grad()
    def figures(self, prediction: FlowPyramid, batch: dict) -> torch.Tensor:
        """EPE3D (m) of moving and of static points, and zero flow's on the moving ones; nan where there are none."""
        flow, truth, moving = prediction.flows[0], batch['motion'], batch['moving']
        error, zero = (flow - truth).norm(dim=-1), truth.norm(dim=-1)
        # By sums: rows picked by a mask would have to be counted on the host.
        return torch.stack(
            [(values * mask).sum() / mask.sum() for values, mask in ((error, moving), (error, ~moving), (zero, moving))]
        )

    @staticmethod
    def format_metrics(moving: float, static: float, zero: float) -> str:
        """The figures in words."""
        return f'EPE3D moving {moving:.3f} m (zero flow {zero:.3f}), static {static:.3f} m'
