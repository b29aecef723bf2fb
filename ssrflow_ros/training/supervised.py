"""Learning from labelled pairs, simulated ones or FlyingThings3D's: from their labels, or from what a teacher says."""

from __future__ import annotations

from pathlib import Path

import torch

from ..datasets import KINDS
from ..errors import InputError
from ..network.pyramid import Pyramid
from ..network.ssrflow import FlowPyramid, SSRFlow
from ..network.weights import load_weights
from .augmentation import NO_AUGMENTATION, Augmentation
from .config import TrainingConfig
from .dataset import Items, PairDataset
from .flownet3d_protocol import AS_IT_IS, FlowNet3DPairs, PointPWCAugmentation
from .losses import training_loss
from .pairs import describe_pairs


class Supervised:
    """The objective of `Training` with labels: where pairs come from, their loss, and what the curve shows."""

    FIGURES = ('epe_moving', 'epe_static', 'zero_moving')

    def __init__(self, config: TrainingConfig):
        self.config = config
        self._teacher = _teacher(config) if config.teacher else None

    @property
    def GRAPH_SAFE(self) -> bool:
        return self._teacher is None  # its searches have not been captured

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
        taught = () if self._teacher is None else self._taught(self._teacher, source, target)
        given = batch['motion'], batch['moving'], self.config.loss, taught, self.config.teacher_share
        return training_loss(prediction, source, target, *given)['total']

    @staticmethod
    @torch.no_grad()
    def _taught(teacher: SSRFlow, source: Pyramid, target: Pyramid) -> tuple[torch.Tensor, ...]:
        return teacher.to(source.points[0].device)(source, target).flows

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


def _teacher(config: TrainingConfig) -> SSRFlow:
    """The network that teaches; InputError if it sees other points than the one that learns."""
    network = load_weights(config.teacher).network.requires_grad_(False)
    for name in ('divisors', 'columns'):
        theirs, ours = getattr(network.config, name), getattr(config.network, name)
        if theirs != ours:
            raise InputError(f'teacher: {config.teacher} has {name} {theirs}, and what is trained {ours}: give another')
    return network
