"""Weights adapted to an unlabelled recording; a held-out part of it decides whether they are any better."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..atomic_write import atomic_write
from ..errors import InputError, SSRFlowError
from ..network.ssrflow import SSRFlow
from ..network.weights import load_weights, save_weights
from .config import TrainingConfig, changed, switches_for
from .dataset import Items, on_device, with_pyramids
from .losses import LossConfig
from .objective import Objective
from .recording import RecordedSweep
from .self_supervised import SelfSupervised
from .train import Training
from .training_data import UNKNOWN, trained_on

OUTPUTS = ('sweeps', 'training', 'judgement.json', 'adapted.safetensors')
"""What an adaptation writes into its folder; where `sweeps` lies, the others are its own."""
_HELD_OUT = 0.2  # share of the recording, its end
_LEAST_GAIN = 0.01  # share of the score
_FEWEST = 10  # sweeps, with fewer of which there is nothing to hold out


class NotBetter(SSRFlowError):
    """The adapted weights are no better on what was held out."""


@dataclass(frozen=True)
class Judgement:
    """What weights reach on the held-out pairs, metres, before and after.

    before, after  means of the objective's figures.
    gain           mean fall of a pair's score, the capped Chamfer distance of what moves plus the mean flow of what
                   stands still; and the standard error of that mean, `uncertainty`.
    """

    before: dict[str, float]
    after: dict[str, float]
    gain: float
    uncertainty: float

    @property
    def better(self) -> bool:
        """The score fell by twice its standard error and by 1 %, and not by letting go of what moves."""
        score = self.before['chamfer_moving'] + self.before['static']
        return (
            self.gain > max(2 * self.uncertainty, _LEAST_GAIN * score)
            and self.after['chamfer_moving'] <= self.before['chamfer_moving']
        )

    def as_dict(self) -> dict:
        """For a card."""
        return {
            'before, m': self.before,
            'after, m': self.after,
            'gain, m': self.gain,
            'its standard error, m': self.uncertainty,
        }


ADAPTATION = TrainingConfig(
    steps=600, learning_rate=2e-4, warm_up=50, ema=0.99, loss=LossConfig(lfc_weight=0.1, cfs_weight=0.1)
)


def adaptation(weights: str, changes: dict) -> TrainingConfig:
    """`ADAPTATION` of those weights and their network, with `changes`."""
    network = load_weights(weights).network.config
    return changed(ADAPTATION, {'start': weights, 'switches': switches_for(network), **changes})


def split(folder: Path, described: dict, sweeps: Iterable[RecordedSweep]) -> None:
    """Write the sweeps to folder/sweeps/seen and, the last part, to folder/sweeps/held_out; no sweep is in both.

    Where they lie already nothing is read, but `described` must say the same of the recording as then.
    """
    place = folder / 'sweeps'
    if os.path.lexists(place):
        try:
            same = json.loads((place / 'recording.json').read_text()) == described
        except (OSError, ValueError):
            raise InputError(f'"ssrflow adapt" did not make {place}: choose another folder') from None
        if not same:
            raise InputError(f'{folder} holds the sweeps of another recording: choose another folder')
        return
    for name in OUTPUTS:
        if os.path.lexists(folder / name):
            raise InputError(f'"ssrflow adapt" did not write {folder / name}: choose another folder, or move it away')
    with atomic_write(place) as unfinished:
        unfinished.mkdir()
        (unfinished / 'recording.json').write_text(json.dumps(described))
        files = []
        for number, sweep in enumerate(sweeps):
            files.append(unfinished / f'{number:06d}.npz')
            sweep.save(files[-1])
        if len(files) < _FEWEST:
            raise InputError(f'only {len(files)} sweeps could be used: give a recording with {_FEWEST} or more')
        held = max(3, round(_HELD_OUT * len(files)))
        for part, its_files in (('seen', files[:-held]), ('held_out', files[-held:])):
            (unfinished / part).mkdir()
            for file in its_files:
                file.rename(unfinished / part / file.name)


def adapt(
    folder: Path,
    config: TrainingConfig,
    minutes: float = math.inf,
    device: torch.device | str = 'cpu',
    workers: int = 1,
) -> tuple[Path, Judgement]:
    """Train `config.start` on the sweeps seen; folder/adapted.safetensors if it is better on those held out.

    Raises NotBetter otherwise. Stopped and called again it goes on where it was.
    """
    sweeps = folder / 'sweeps'
    training = Training(folder / 'training', sweeps / 'seen', config, objective=SelfSupervised, device=device)
    training.run(minutes, workers=workers)
    first = load_weights(config.start, device)
    held_out = training.objective.validation(sweeps / 'held_out')
    judgement = judge(training.objective, held_out, first.network, training.average, torch.device(device))
    with atomic_write(folder / 'judgement.json') as unfinished:
        unfinished.write_text(json.dumps(judgement.as_dict(), indent=1))
    path = folder / 'adapted.safetensors'
    if not judgement.better:
        path.unlink(missing_ok=True)
        raise NotBetter(
            f'the weights were not written, for they are no better on the held-out part: {_told(judgement.before)} '
            f'before, {_told(judgement.after)} after; gain {judgement.gain:.4f} m with a standard error of '
            f'{judgement.uncertainty:.4f}: record more that moves, or keep {config.start}'
        )
    card = {
        **first.card,
        'name': f'{config.start}, adapted',
        'adapted_from': config.start,
        'trained_on': f'{first.card.get("trained_on", UNKNOWN)}; then {trained_on(training.folder)}',
        'adapted_steps': training.step,
        'adapted_pairs_seen': training.step * config.batch,
        'adapted_settings': config.as_dict(),
        'held_out_pairs': len(held_out),
        'held_out': judgement.as_dict(),
    }
    save_weights(path, training.average, card)
    return path, judgement


@torch.no_grad()
def judge(objective: Objective, held_out: Items, before: SSRFlow, after: SSRFlow, device: torch.device) -> Judgement:
    """Both networks on every held-out pair."""
    scores = []
    for network in (before.eval(), after.eval()):
        rows = []
        for number in range(len(held_out)):
            batch = with_pyramids(on_device(held_out[number], device), network.config)
            rows.append(objective.figures(network(batch['source'], batch['target']), batch))
        scores.append(torch.stack(rows).double().cpu())
    if scores[0][:, 0].isnan().all():
        raise NotBetter(
            'nothing that moves was found in the held-out part, so nothing can be judged: '
            'give a recording in which things move until its end'
        )
    score = [(rows[:, 0] + rows[:, 2].nan_to_num()) for rows in scores]
    gain = (score[0] - score[1])[~score[0].isnan()]
    error = gain.std().item() / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    before_said, after_said = (dict(zip(objective.FIGURES, rows.nanmean(dim=0).tolist())) for rows in scores)
    return Judgement(before_said, after_said, gain.mean().item(), error)


def _told(figures: dict[str, float]) -> str:
    return SelfSupervised.format_metrics(*figures.values())
