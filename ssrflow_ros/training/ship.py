"""From a checkpoint to shipped weights with a card: what they were trained on, how, and what they reach."""

from __future__ import annotations

import json
import subprocess
from functools import reduce
from pathlib import Path
from typing import Sequence

import torch

from ..atomic_write import atomic_write
from ..errors import InputError
from ..network.ssrflow import SSRFlow
from ..network.weights import load_weights, save_weights
from .config import TrainingConfig, changed
from .curve import read_curve
from .train import CHECKPOINT, CURVES, SETTINGS
from .training_data import trained_on, validated_on

COMMAND = 'train ship'


def ship(folder: Path, name: str, output: Path, mean_with: Sequence[str] = (), overwrite: bool = False) -> Path:
    """Write the averaged weights of the training in `folder` into the new folder `output`, as NAME.safetensors, with
    their card and learning curves beside them; the path of the weights.

    mean_with  weights by name or file, of the same network: what is written is the mean of all, tensor by tensor. Of
               trainings that began with the same weights it is often better than each.
    overwrite  replaces `output`, as `atomic_write` has it.
    """
    if Path(name).name != name or not name:
        raise InputError(f"--name '{name}': give a name for a file, such as mine")
    checkpoint = folder / CHECKPOINT
    if not checkpoint.exists():
        raise InputError(f'there is no checkpoint in {folder}: train there first')
    config = changed(TrainingConfig(), json.loads((folder / SETTINGS).read_text()))
    state = torch.load(checkpoint, weights_only=True)
    network = SSRFlow(config.network)
    others = [load_weights(other) for other in mean_with]
    if any(other.network.config != network.config for other in others):
        raise InputError(
            f'--mean-with: weights of another network than in {folder}: give such as were trained with '
            'the same preset and switches'
        )
    network.load_state_dict(_mean([state['average'], *(other.network.state_dict() for other in others)]))
    card = {
        'name': name,
        'preset': config.preset,
        'parameters': sum(p.numel() for p in network.parameters()),
        'trained_on': trained_on(folder),
        'pairs_seen': state['step'] * config.batch,
        'steps': state['step'],
        'hours': round(state['minutes'] / 60, 2),
        **({'begun_from': origin(load_weights(config.start).card)} if config.start else {}),
        **({'taught_by': origin(load_weights(config.teacher).card)} if config.teacher else {}),
        **({'mean_with': [origin(other.card) for other in others]} if others else {}),
        'commit': commit(),
        'settings': {**config.as_dict(), 'start': Path(config.start).name, 'teacher': Path(config.teacher).name},
        # A mean has not been validated; the curve beside it is that of the training.
        'validation': {} if others else _validation(folder),
    }
    with atomic_write(output, COMMAND, overwrite) as unfinished:
        unfinished.mkdir()
        save_weights(unfinished / f'{name}.safetensors', network, card)
        (unfinished / f'{name}.json').write_text(json.dumps(card, indent=1) + '\n')
        for curve in CURVES:
            if (folder / curve).exists():
                (unfinished / f'{name}.{curve}').write_text((folder / curve).read_text())
    return output / f'{name}.safetensors'


def _mean(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {key: reduce(torch.add, (state[key] for state in states)) / len(states) for key in states[0]}


def origin(card: dict) -> dict:
    """What a card says of where its weights come from."""
    return {
        key: card[key]
        for key in ('name', 'trained_on', 'pairs_seen', 'steps', 'hours', 'commit', 'begun_from', 'mean_with')
        if key in card
    }


def _validation(folder: Path) -> dict:
    """What the training reached at last, and on what; {} if it was not validated."""
    rows = read_curve(folder / CURVES[1])
    if not rows:
        return {}
    row = rows[-1]
    return {
        'on': validated_on(folder),
        'EPE3D moving, m': float(row['epe_moving']),
        'zero flow, m': float(row['zero_moving']),
        'EPE3D static, m': float(row['epe_static']),
    }


def commit() -> str:
    """Of the working copy that runs, 'unknown' outside of one."""
    try:
        return subprocess.run(
            ['git', 'rev-parse', 'HEAD'], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
