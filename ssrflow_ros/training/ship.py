"""From a checkpoint to shipped weights with a card: what they were trained on, how, and what they reach."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Sequence

import torch

from ..errors import InputError
from ..network.ssrflow import SSRFlow
from ..network.weights import SHIPPED, load_weights, save_weights
from .config import TrainingConfig, changed
from .curve import read_curve


def ship(folder: Path, name: str, mean_with: Sequence[str] = (), figures: dict | None = None) -> Path:
    """Write the averaged weights of the training in `folder` as `name`, with its card and learning curve.

    mean_with  weights by name or file, of the same network: what is written is the mean of all, tensor by tensor. Of
               trainings that began with the same weights it is often better than each.
    figures    further measurements for the card, {what: number with unit}.
    """
    checkpoint = folder / 'checkpoint.pt'
    if not checkpoint.exists():
        raise InputError(f'there is no checkpoint in {folder}: train there first')
    config = changed(TrainingConfig(), json.loads((folder / 'training.json').read_text()))
    state = torch.load(checkpoint, weights_only=True)
    network = SSRFlow(config.network)
    others = [load_weights(other) for other in mean_with]
    if any(other.network.config != network.config for other in others):
        raise InputError(f'--mean-with: weights of another network than in {folder}: give such as were trained with '
                         'the same preset and switches')
    network.load_state_dict(_mean([state['average'], *(other.network.state_dict() for other in others)]))
    card = {
        'name': name,
        'preset': config.preset,
        'parameters': sum(p.numel() for p in network.parameters()),
        'trained_on': 'simulated LiDAR pairs (ssrflow_ros.simulator, all sensors and scenes), '
                      'ego-motion and ground removed; no real data',
        'pairs_seen': state['step'] * config.batch,
        'steps': state['step'],
        'hours': round(state['minutes'] / 60, 2),
        **({'begun_from': _origin(load_weights(config.start).card)} if config.start else {}),
        **({'mean_with': [_origin(other.card) for other in others]} if others else {}),
        'commit': _commit(),
        'settings': {**config.as_dict(), 'start': Path(config.start).name},
        # A mean has not been validated; the curve beside it is that of the training.
        'unseen_simulated_pairs': {} if others else _last_row(folder / 'validation.csv'),
        **(figures or {}),
    }
    path = SHIPPED / f'{name}.safetensors'
    save_weights(path, network, card)
    path.with_suffix('.json').write_text(json.dumps(card, indent=1) + '\n')
    for curve in ('curve.csv', 'validation.csv'):
        (SHIPPED / f'{name}.{curve}').write_text((folder / curve).read_text())
    return path


def _mean(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {key: sum(state[key] for state in states) / len(states) for key in states[0]}


def _origin(card: dict) -> dict:
    """What a card says of where its weights come from."""
    return {key: card[key] for key in ('name', 'pairs_seen', 'steps', 'hours', 'commit', 'begun_from', 'mean_with')
            if key in card}


def _last_row(path: Path) -> dict[str, float]:
    rows = read_curve(path)
    if not rows:
        return {}
    row = rows[-1]
    return {'EPE3D moving, m': float(row['epe_moving']), 'zero flow, m': float(row['zero_moving']),
            'EPE3D static, m': float(row['epe_static'])}


def _commit() -> str:
    try:
        return subprocess.run(['git', 'rev-parse', 'HEAD'], capture_output=True, text=True, check=True,
                              cwd=Path(__file__).parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
