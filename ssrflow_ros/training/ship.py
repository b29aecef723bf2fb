"""From a checkpoint to shipped weights with a card: what they were trained on, how, and what they reach."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import torch

from ..errors import InputError
from ..network.ssrflow import SSRFlow
from ..network.weights import SHIPPED, load_weights, save_weights
from .config import TrainingConfig, changed
from .curve import read_curve


def ship(folder: Path, name: str, figures: dict | None = None) -> Path:
    """Write the averaged weights of the training in `folder` as `name`, with its card and learning curve.

    figures  further measurements for the card, {what: number with unit}.
    """
    checkpoint = folder / 'checkpoint.pt'
    if not checkpoint.exists():
        raise InputError(f'there is no checkpoint in {folder}: train there first')
    config = changed(TrainingConfig(), json.loads((folder / 'training.json').read_text()))
    state = torch.load(checkpoint, weights_only=True)
    network = SSRFlow(config.network)
    network.load_state_dict(state['average'])
    card = {
        'name': name,
        'preset': config.preset,
        'parameters': sum(p.numel() for p in network.parameters()),
        'trained_on': 'simulated LiDAR pairs (ssrflow_ros.simulator, all sensors and scenes), '
                      'ego-motion and ground removed; no real data',
        'pairs_seen': state['step'] * config.batch,
        'steps': state['step'],
        'hours': round(state['minutes'] / 60, 2),
        **_before(config.start),
        'commit': _commit(),
        'settings': config.as_dict(),
        'unseen_simulated_pairs': _last_row(folder / 'validation.csv'),
        **(figures or {}),
    }
    path = SHIPPED / f'{name}.safetensors'
    save_weights(path, network, card)
    path.with_suffix('.json').write_text(json.dumps(card, indent=1) + '\n')
    for curve in ('curve.csv', 'validation.csv'):
        (SHIPPED / f'{name}.{curve}').write_text((folder / curve).read_text())
    return path


def _before(start: str) -> dict[str, dict]:
    """What the card of the weights that the training began with says of theirs."""
    if not start:
        return {}
    card = load_weights(start).card
    return {'begun_from': {key: card[key] for key in ('name', 'pairs_seen', 'steps', 'hours', 'commit', 'begun_from')
                           if key in card}}


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
