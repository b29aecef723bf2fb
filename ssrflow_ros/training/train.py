"""The training loop: resumable to the step, its learning curve written as it goes."""
from __future__ import annotations

import copy
import csv
import dataclasses
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from ..errors import InputError
from ..network.config import PRESETS, NetworkConfig
from ..network.pyramid import Pyramid
from ..network.ssrflow import SSRFlow
from ..whole import written_whole
from .augmentation import NO_AUGMENTATION, Augmentation
from .dataset import PairDataset, collate
from .losses import LossConfig, training_loss


@dataclass(frozen=True)
class TrainingConfig:
    """One training; kept beside its checkpoint as training.json.

    steps is the whole length: the learning rate rises over `warm_up` steps and then falls along a
    cosine to nothing at the end. Training sees `n_points` a sweep, mostly crops; validation sees whole
    sweeps of `unseen_points`, as in use. ema is the decay of the averaged weights, which are what is shipped.
    """

    preset: str = 'onboard'
    n_points: int = 1024
    unseen_points: int = 4096
    batch: int = 4
    steps: int = 4000
    learning_rate: float = 7e-4
    warm_up: int = 100
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 0
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def network(self) -> NetworkConfig:
        return PRESETS[self.preset]

    def rate_at(self, step: int) -> float:
        """Learning rate of `step`."""
        done = max(0, step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.learning_rate * min(1.0, (step + 1) / self.warm_up) * 0.5 * (1 + math.cos(math.pi * min(1, done)))


class Training:
    """State of one training in `folder`: made anew, or taken up where it stopped."""

    CURVE = ('step', 'pairs', 'minutes', 'rate', 'loss', 'epe_moving', 'epe_static', 'zero_moving')

    def __init__(self, folder: Path, pairs: Path, config: TrainingConfig, validation: Path | None = None):
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.network = SSRFlow(config.network)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=config.learning_rate,
                                           betas=(0.9, 0.99), weight_decay=config.weight_decay)
        self.step, self.minutes = 0, 0.0
        self._resume()
        self.pairs = PairDataset(pairs, config.n_points, config.network, config.augmentation, config.seed,
                                 length=config.steps * config.batch)
        self.validation = (PairDataset(validation, config.unseen_points, config.network, NO_AUGMENTATION)
                           if validation else None)

    @property
    def checkpoint(self) -> Path:
        return self.folder / 'checkpoint.pt'

    def run(self, minutes: float = float('inf'), report_every: int = 50, validate_every: int = 500,
            workers: int = 1) -> None:
        """Train until the last step, or for `minutes`; the checkpoint then holds all there is."""
        config, until = self.config, time.monotonic() + 60 * minutes
        items = range(self.step * config.batch, config.steps * config.batch)
        loader = DataLoader(self.pairs, batch_size=config.batch, sampler=items, collate_fn=collate,
                            num_workers=workers, prefetch_factor=4 if workers else None, worker_init_fn=_one_thread)
        recent: list[tuple[float, ...]] = []
        began = time.monotonic()
        for batch in loader:
            recent.append(self._one_step(batch))
            self.step += 1
            self.minutes += (time.monotonic() - began) / 60
            began = time.monotonic()
            if self.step % report_every == 0:
                self._log(*torch.tensor(recent).nanmean(dim=0).tolist())  # a batch may hold no mover
                recent.clear()
            last = self.step == config.steps or began > until
            if self.step % validate_every == 0 or last:
                self.save()
                if self.validation:
                    self._log_validation()
            if last:
                break

    def _one_step(self, batch: dict) -> tuple[float, float, float, float]:
        """Loss, EPE3D of moving and of static points, and zero flow's on the moving ones."""
        config = self.config
        for group in self.optimiser.param_groups:
            group['lr'] = config.rate_at(self.step)
        source, target = Pyramid.from_tensors(batch['source']), Pyramid.from_tensors(batch['target'])
        self.network.train()
        prediction = self.network(source, target)
        losses = training_loss(prediction, source, target, batch['motion'], batch['moving'], config.loss)
        self.optimiser.zero_grad(set_to_none=True)
        losses['total'].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        if torch.isfinite(norm):  # a step on a broken gradient would lose the whole training
            self.optimiser.step()
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        flow = prediction.flows[0].detach()
        zero, _ = end_point_errors(torch.zeros_like(flow), batch['motion'], batch['moving'])
        return losses['total'].item(), *end_point_errors(flow, batch['motion'], batch['moving']), zero

    @torch.inference_mode()
    def validate(self) -> tuple[float, float, float]:
        """EPE3D of moving points, of static points, and zero flow's on the moving ones; m, means over pairs."""
        rows = []
        self.average.eval()
        for i in range(len(self.validation)):
            item = self.validation[i]
            flow = self.average(Pyramid.from_tensors(item['source']), Pyramid.from_tensors(item['target'])).flows[0]
            zero = end_point_errors(torch.zeros_like(flow), item['motion'], item['moving'])[0]
            rows.append((*end_point_errors(flow, item['motion'], item['moving']), zero))
        return tuple(torch.tensor(rows).nanmean(dim=0).tolist())

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {'step': self.step, 'minutes': self.minutes, 'network': self.network.state_dict(),
                 'average': self.average.state_dict(), 'optimiser': self.optimiser.state_dict()}
        with written_whole(self.checkpoint) as whole:
            torch.save(state, whole)

    def _resume(self) -> None:
        settings = self.folder / 'training.json'
        told = json.loads(json.dumps(dataclasses.asdict(self.config)))
        if settings.exists() and json.loads(settings.read_text()) != told:
            raise InputError(f'{settings} was begun with other settings: give the same, or another folder')
        settings.write_text(json.dumps(told, indent=1))
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state['network'])
            self.average.load_state_dict(state['average'])
            self.optimiser.load_state_dict(state['optimiser'])
            self.step, self.minutes = state['step'], state['minutes']

    def _log(self, loss: float, moving: float, static: float, zero: float) -> None:
        self._write('curve.csv', loss, moving, static, zero)
        left = (self.config.steps - self.step) * self.minutes / self.step
        print(f'step {self.step}/{self.config.steps}  loss {loss:.4f}  EPE3D moving {moving:.3f} m '
              f'(zero flow {zero:.3f}), static {static:.3f} m  {self.minutes:.1f} min, {left:.0f} left', flush=True)

    def _log_validation(self) -> None:
        moving, static, zero = self.validate()
        self._write('validation.csv', float('nan'), moving, static, zero)
        print(f'step {self.step}  unseen pairs: EPE3D moving {moving:.3f} m (zero flow {zero:.3f}), '
              f'static {static:.3f} m', flush=True)

    def _write(self, name: str, *values: float) -> None:
        path = self.folder / name
        new = not path.exists()
        with open(path, 'a', newline='') as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(self.CURVE)
            writer.writerow([self.step, self.step * self.config.batch, f'{self.minutes:.2f}',
                             f'{self.config.rate_at(self.step):.2e}', *(f'{value:.5f}' for value in values)])


def end_point_errors(flow: torch.Tensor, truth: torch.Tensor, moving: torch.Tensor) -> tuple[float, float]:
    """EPE3D (m) of the moving and of the static points; nan where there are none."""
    error = (flow - truth).norm(dim=-1)
    return error[moving].mean().item(), error[~moving].mean().item()


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
