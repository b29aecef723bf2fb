"""The training loop: resumable to the step, its learning curve written as it goes."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ..atomic_write import atomic_write, make_folder
from ..errors import InputError
from ..network.ssrflow import FlowPyramid, SSRFlow
from ..network.weights import check_config, load_weights, with_columns
from ..stopwatch import Stopwatch
from . import distributed, training_data
from .config import TrainingConfig, changed
from .curve import Curve
from .dataset import joined, joined_with_pyramids, on_device, with_pyramids
from .graphed import Graphed, NotCaptured
from .objective import Objective
from .optimiser import make_optimiser, restore, set_rate
from .stopping import after_this_step, worker_of_data
from .supervised import Supervised

SETTINGS, CHECKPOINT, CURVES = 'training.json', 'checkpoint.pt', ('curve.csv', 'validation.csv')
"""Files of a training; a folder that holds the first one is a training's."""
PARTS = ('data', 'forward', 'backward')
"""Where the time of a step goes: waiting for the data workers; network and loss; gradients and optimiser."""


class Training:
    """State of one training in `folder`: made anew, or taken up where it stopped.

    pairs, validation  folders of what `objective` learns from, and of what it has not seen.
    objective          where pairs come from, and what is made small.
    device             of this process; with torchrun each has its own (`distributed.joined`).
    """

    def __init__(
        self,
        folder: Path,
        pairs: Path,
        config: TrainingConfig,
        validation: Path | None = None,
        objective: Callable[[TrainingConfig], Objective] = Supervised,
        device: torch.device | str = 'cpu',
    ):
        self.folder, self.device = folder, torch.device(device)
        if self.device.type == 'cuda':
            torch.set_float32_matmul_precision('high')  # products in TF32, in this process
        self.objective = objective(config)
        self._places = pairs, validation
        self.pairs = self.objective.training(pairs)
        self.validation = self.objective.validation(validation) if validation else None
        self.config = config.for_folder(len(self.pairs))
        self._mine = distributed.share(self.config.batch)
        _check_own(folder)
        make_folder(folder)
        torch.manual_seed(config.seed)
        self.network = SSRFlow(config.network).to(self.device)
        self.step, self.minutes = 0, 0.0
        if config.start and not self.checkpoint.exists():
            self.network.load_state_dict(_begun_from(config, self.network.state_dict()))
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        graphed = self.device.type == 'cuda' and self.objective.GRAPH_SAFE and distributed.count() == 1
        self._do: Callable[[Callable[[], None]], None] = Graphed(self.device) if graphed else _at_once
        self.optimiser = make_optimiser(self.network, config, graphed)
        self._builds = self.device.type != 'cpu'  # the pyramids; on a CPU data workers do
        # What the parts of a step hand on to each other: the batch as it came to the GPU, with pyramids, and so on.
        self._given: dict[str, torch.Tensor] = {}
        self._batch: dict[str, Any] = {}
        self._prediction: FlowPyramid
        self._loss = self._norm = torch.empty(())
        self._resume()
        self._curve, self._validation_curve = (Curve(folder / name, self.step) for name in CURVES)
        self._forward = DistributedDataParallel(self.network) if distributed.count() > 1 else self.network
        self._watch = Stopwatch()

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def run(
        self, minutes: float = float('inf'), report_every: int = 50, validate_every: int = 500, workers: int = 1
    ) -> None:
        """Train until the last step, for `minutes`, or until Ctrl-C; the checkpoint then holds all there is."""
        if self.step >= self.config.steps:
            return
        if not distributed.rank():
            pairs, validation = self._places
            validated_on = None if validation is None else self.objective.describe(validation)
            training_data.record(self.folder, self.step, self.objective.describe(pairs), validated_on)
        began = until = time.monotonic()
        until += 60 * minutes
        recent: list[torch.Tensor] = []
        with after_this_step() as asked:
            for batch in self._timed_batches(workers):
                recent.append(self._one_step(batch))
                self.step += 1
                now = time.monotonic()
                self.minutes, began = self.minutes + (now - began) / 60, now
                ending = distributed.any_of(bool(asked) or now > until, self.device)
                last = self.step == self.config.steps or ending
                if self.step % report_every == 0 or last:
                    self._report(torch.stack(recent))
                    recent.clear()
                if self.step % validate_every == 0 or last:
                    self.save()
                    if self.validation and not asked:
                        self._report_validation(self.validate())
                    began = time.monotonic()
                if last:
                    break

    def _timed_batches(self, workers: int) -> Iterator[dict]:
        """Batches of this process's share, from the step where the training stands; waiting for them is 'data'.

        With pyramids, unless a GPU is to build them: it is quicker at that than what brings them there.
        """
        config, mine = self.config, self._mine
        collate = joined if self._builds else partial(joined_with_pyramids, config=config.network)
        items = (step * config.batch + place for step in range(self.step, config.steps) for place in mine)
        loader = iter(
            DataLoader(
                self.pairs,
                batch_size=len(mine),
                sampler=items,
                collate_fn=collate,
                num_workers=workers,
                prefetch_factor=4 if workers else None,
                pin_memory=self.device.type == 'cuda',
                worker_init_fn=worker_of_data,
            )
        )
        while True:
            with self._watch('data'):
                batch = next(loader, None)
            if batch is None:
                return
            yield batch

    def _one_step(self, batch: dict) -> torch.Tensor:
        """One step of the optimiser; loss and the objective's figures (1 + F,)."""
        try:
            return self._tried(batch)
        except NotCaptured:
            return self._tried(batch)

    def _tried(self, batch: dict) -> torch.Tensor:
        config = self.config
        set_rate(self.optimiser, config.rate_at(self.step))
        with self._watch('forward'):
            self.network.train()
            self._take(batch)
            self._do(self._predict)
            self._wait_for_device()
        with self._watch('backward'):
            self._do(self._differentiate)
            if torch.isfinite(self._norm):  # a step on a broken gradient would lose the whole training
                self._do(self._descend)
            decay = min(config.ema, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
            self._wait_for_device()
        return torch.cat([self._loss.detach()[None], self.objective.figures(self._prediction, self._batch)])

    def _take(self, batch: dict) -> None:
        """Bring the batch to the device, always to the same place."""
        if not self._builds:
            self._batch = batch
        elif not self._given:
            self._given = on_device(batch, self.device)
        else:
            for name, values in batch.items():
                self._given[name].copy_(values, non_blocking=True)

    def _predict(self) -> None:
        if self._builds:
            self._batch = with_pyramids(self._given, self.config.network)
        source, target = self._batch['source'], self._batch['target']
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.amp):
            self._prediction = self._forward(source, target)
        self._loss = self.objective.loss(self._prediction, source, target, self._batch)

    def _differentiate(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self._loss.backward()
        self._norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip or math.inf)

    def _descend(self) -> None:
        self.optimiser.step()

    def _wait_for_device(self) -> None:
        if self.device.type == 'cuda':  # or the next part would be charged for this one's work
            torch.cuda.synchronize(self.device)

    @torch.no_grad()
    def validate(self) -> list[float]:
        """The objective's figures of the averaged weights, means over the validation pairs."""
        assert self.validation is not None  # or there is nothing to be called for
        self.average.eval()
        rows = []
        for i in range(distributed.rank(), len(self.validation), distributed.count()):
            batch = with_pyramids(on_device(self.validation[i], self.device), self.config.network)
            rows.append(self.objective.figures(self.average(batch['source'], batch['target']), batch))
        width = len(self.objective.FIGURES)
        return distributed.mean_row(torch.stack(rows) if rows else torch.empty(0, width, device=self.device))

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        if distributed.rank():
            return
        state = {
            'step': self.step,
            'minutes': self.minutes,
            'network': self.network.state_dict(),
            'average': self.average.state_dict(),
            'optimiser': self.optimiser.state_dict(),
        }
        with atomic_write(self.checkpoint) as unfinished:
            torch.save(state, unfinished)

    def _resume(self) -> None:
        settings = self.folder / SETTINGS
        if settings.exists():
            begun = changed(TrainingConfig(), json.loads(settings.read_text()))  # older ones lack newer settings
            if begun.as_dict() != self.config.as_dict():
                raise InputError(f'{settings} was begun with other settings: give the same, or another folder')
        elif not distributed.rank():
            with atomic_write(settings) as unfinished:
                unfinished.write_text(json.dumps(self.config.as_dict(), indent=1))
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
            self.network.load_state_dict(state['network'])
            self.average.load_state_dict(state['average'])
            restore(self.optimiser, state['optimiser'])
            self.step, self.minutes = state['step'], state['minutes']

    def _report(self, rows: torch.Tensor) -> None:
        """Progress, and a row of the curve, from the steps since the last one."""
        loss, *figures = distributed.mean_row(rows)  # a batch may hold no mover
        spent = self._watch.timings_ms
        shares = {part: spent.get(part, 0.0) / sum(spent.values()) for part in PARTS}
        pairs_a_second = 1e3 * len(rows) * self.config.batch / sum(spent.values())
        self._watch = Stopwatch()
        if distributed.rank():
            return
        self._curve.write(
            {
                **self._place(),
                'loss': f'{loss:.5f}',
                **self._named(figures),
                **{part: f'{share:.3f}' for part, share in shares.items()},
            }
        )
        left = (self.config.steps - self.step) * self.minutes / self.step
        print(
            f'step {self.step}/{self.config.steps}  loss {loss:.4f}  {self.objective.format_metrics(*figures)}  '
            f'{pairs_a_second:.1f} pairs/s ({", ".join(f"{part} {share:.0%}" for part, share in shares.items())})  '
            f'{self.minutes:.1f} min, {left:.0f} left',
            flush=True,
        )

    def _report_validation(self, figures: list[float]) -> None:
        if not distributed.rank():
            self._validation_curve.write({**self._place(), **self._named(figures)})
            print(f'step {self.step}  validation pairs: {self.objective.format_metrics(*figures)}', flush=True)

    def _place(self) -> dict[str, object]:
        return {
            'step': self.step,
            'pairs': self.step * self.config.batch,
            'minutes': f'{self.minutes:.2f}',
            'rate': f'{self.config.rate_at(self.step):.2e}',
        }

    def _named(self, figures: list[float]) -> dict[str, str]:
        return {name: f'{figure:.5f}' for name, figure in zip(self.objective.FIGURES, figures)}


def _check_own(folder: Path) -> None:
    """Raise InputError if a file of a name that a training writes is of another origin."""
    if os.path.lexists(folder / SETTINGS):
        return
    for name in (CHECKPOINT, *CURVES, training_data.NAME):
        if os.path.lexists(folder / name):
            raise InputError(
                f'{folder / name} is there, but no {SETTINGS}, so it is not of a training: '
                'choose another folder, or move it away'
            )


def _at_once(part: Callable[[], None]) -> None:
    part()


# What no tensor's shape depends on: weights may be trained further with other points, neighbours and units.
_FREE = ('divisors', 'lengths', 'k_pointconv', 'k_embedding', 'k_predictor', 'radius')
# What some do: weights may be trained further with another part in the place of one, or without it.
_SWITCHES = (
    'attention',
    'position_encoder',
    'initial_flow',
    'fusion_pooling',
    'temporal',
    'spatial',
    'finest_reembedded',
    'local_flow_embedding',
    'mlp_depth',
)
_INPUTS = ('offset_input', 'beyond_input', 'past_input')


def _begun_from(config: TrainingConfig, fresh: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of the weights `config.start`; those of an input that they do not know begin at zero, those of one that
    is taken away are left out, those of a part that they do not have are as in `fresh`."""
    found = load_weights(config.start).network
    state, network = found.state_dict(), found.config
    if network.levels == config.network.levels:
        alike = _FREE + _SWITCHES + _INPUTS
        network = dataclasses.replace(network, **{name: getattr(config.network, name) for name in alike})
        state = with_columns(state, config.network.columns)
    check_config(config.start, network, config.network)
    return {
        name: state[name] if name in state and state[name].shape == tensor.shape else tensor
        for name, tensor in fresh.items()
    }
