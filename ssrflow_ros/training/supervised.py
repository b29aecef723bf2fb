"""Learning from labelled pairs: simulated ones, or FlyingThings3D's."""
from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import Dataset

from ..network.pyramid import Pyramid
from ..network.ssrflow import FlowPyramid
from .augmentation import NO_AUGMENTATION
from .config import TrainingConfig
from .dataset import PairDataset
from .losses import training_loss


class Supervised:
    """The objective of `Training` with labels: where pairs come from, their loss, and what the curve shows."""

    FIGURES = ('epe_moving', 'epe_static', 'zero_moving')

    def __init__(self, config: TrainingConfig):
        self.config = config

    def seen(self, pairs: Path) -> Dataset:
        """The pairs to train on, varied each time they are drawn."""
        config = self.config
        return PairDataset(pairs, config.n_points, config.network, config.augmentation, config.seed)

    def unseen(self, pairs: Path) -> Dataset:
        """The pairs to validate on, whole."""
        return PairDataset(pairs, self.config.unseen_points, self.config.network, NO_AUGMENTATION)

    def loss(self, prediction: FlowPyramid, source: Pyramid, target: Pyramid, batch: dict) -> torch.Tensor:
        """What is made small."""
        return training_loss(prediction, source, target, batch['motion'], batch['moving'], self.config.loss)['total']

    @torch.no_grad()
    def figures(self, prediction: FlowPyramid, batch: dict) -> torch.Tensor:
        """EPE3D (m) of moving and of static points, and zero flow's on the moving ones; nan where there are none."""
        flow, truth, moving = prediction.flows[0], batch['motion'], batch['moving']
        error, zero = (flow - truth).norm(dim=-1), truth.norm(dim=-1)
        return torch.stack([error[moving].mean(), error[~moving].mean(), zero[moving].mean()])

    def told(self, moving: float, static: float, zero: float) -> str:
        """The figures in words."""
        return f'EPE3D moving {moving:.3f} m (zero flow {zero:.3f}), static {static:.3f} m'
