"""One training a variant, all on the same budget, and a table of what each reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch

from ..atomic_write import atomic_write, check_free, signature
from ..errors import InputError
from ..network.ssrflow import SSRFlow
from .config import TrainingConfig, changed
from .curve import read_curve
from .train import Training

UNCHANGED = 'as-it-is'
COMMAND, TABLE = 'ablate', 'ablation.md'


def _network(**switches: Any) -> dict:
    return {'switches': switches}


def _loss(**changes: Any) -> dict:
    return {'loss': changes}


VARIANTS: dict[str, dict] = {
    UNCHANGED: {},
    'input-xyz': _network(offset_input=False, beyond_input=False, past_input=False),
    'input-offset': _network(beyond_input=False, past_input=False),
    'input-beyond': _network(past_input=False),
    'attention-single': _network(attention='single'),
    'attention-none': _network(attention='none'),
    'position-inside': _network(position_encoder='inside'),
    'position-none': _network(position_encoder='none'),
    'initial-local': _network(initial_flow='local'),
    'fusion-max': _network(fusion_pooling='max'),
    'str-none': _network(temporal=False, spatial=False),
    'str-temporal-only': _network(spatial=False),
    'str-spatial-only': _network(temporal=False),
    'str-not-finest': _network(finest_reembedded=1),
    'lfe-point-to-patch': _network(local_flow_embedding='point_to_patch'),
    'depth-1': _network(mlp_depth=1),
    'depth-3': _network(mlp_depth=3),
    'narrow': _network(widths=(32, 48, 96, 128, 160), predictor_width=64, predictor_out=32),
    'wide': _network(widths=(64, 96, 192, 256, 320), fusion_width=192, predictor_width=128, predictor_out=64),
    'k-16': _network(k_embedding=16),
    'k-32': _network(k_embedding=32),
    'levels-sparse': _network(divisors=(1, 4, 16, 32, 128), lengths=(1.0, 2.0, 4.0, 6.0, 12.0)),
    'radius-2': _network(radius=2.0),
    'lfc-0.1': _loss(lfc_weight=0.1),
    'lfc-1': _loss(lfc_weight=1.0),
    'lfc-1-k-32': _loss(lfc_weight=1.0, lfc_k=32),
    'lfc-1-k-32-r-0.05': _loss(lfc_weight=1.0, lfc_k=32, lfc_radius=0.05),
    'lfc-1-r-1': _loss(lfc_weight=1.0, lfc_radius=1.0),
    'lfc-1-knn-only': _loss(lfc_weight=1.0, lfc_radius=1e6),
    'cfs-0.1': _loss(cfs_weight=0.1),
    'cfs-1': _loss(cfs_weight=1.0),
    'cfs-0.1-r-1': _loss(cfs_weight=0.1, cfs_radius=1.0),
    'cfs-0.1-knn-only': _loss(cfs_weight=0.1, cfs_radius=1e6),
    'cfs-0.1-th-0.8': _loss(cfs_weight=0.1, cfs_threshold=0.8),
    'lfc-1-cfs-0.1': _loss(lfc_weight=1.0, cfs_weight=0.1),
    'no-balance': _loss(balance_moving=1.0),
    'finest-level-only': _loss(alpha=(1.0, 0.0, 0.0, 0.0, 0.0)),
}
"""What section by section of the paper asks for: changes to the training's settings, by name."""


def chosen(variants: Mapping[str, dict], only: list[str]) -> dict[str, dict]:
    """Those named in `only`, all if it is empty, the unchanged one always and first."""
    unknown = [name for name in only if name not in variants]
    if unknown:
        raise InputError(f"there is no variant '{unknown[0]}': choose from {', '.join(variants)}")
    return {UNCHANGED: {}, **{name: changes for name, changes in variants.items() if not only or name in only}}


def ablate(
    folder: Path,
    pairs: Path,
    validation: Path,
    base: TrainingConfig,
    variants: Mapping[str, dict],
    seeds: int = 1,
    device: torch.device | str = 'cpu',
    workers: int = 1,
) -> Path:
    """Train every variant of `base` that is not done, one after another; the table, written after each.

    Each lies in a folder of its own and goes on where it stopped.
    """
    runs = {
        (name, seed): changed(changed(base, changes), {'seed': base.seed + seed})
        for name, changes in variants.items()
        for seed in range(seeds)
    }
    for config in runs.values():
        config.network  # noqa: B018  a wrong switch is told now, not after hours
    table = folder / TABLE
    check_free(table, COMMAND, overwrite=True)
    for (name, _), config in runs.items():
        print(f'{name}, seed {config.seed}', flush=True)
        training = Training(folder / f'{name}-{config.seed}', pairs, config, validation, device=device)
        assert training.validation is not None  # a folder is given
        training.run(validate_every=config.steps, workers=workers)
        with atomic_write(table, COMMAND, overwrite=True) as unfinished:
            title, *lines = _table(folder, base, variants, runs, len(training.validation))
            unfinished.write_text('\n'.join([f'{title} <!-- {signature(COMMAND)} -->', *lines]) + '\n')
    return table


def _table(
    folder: Path, base: TrainingConfig, variants: Mapping[str, dict], runs: dict, n_validation: int
) -> Iterator[str]:
    yield (
        f'{base.preset}, {base.steps * base.batch} pairs of {base.n_points} points seen by each'
        + (f', begun from {base.start}' if base.start else '')
        + f'; EPE3D in m on {n_validation} validation pairs of {base.validation_points} points, ego-motion removed, '
        'the network alone; mean (half of the range) over seeds.'
    )
    yield ''
    yield '| variant | changes | parameters, M | seeds | moving | static | zero flow, moving | minutes |'
    yield '|---|---|---|---|---|---|---|---|'
    for name, changes in variants.items():
        configs = [config for (its_name, _), config in runs.items() if its_name == name]
        ends = [
            end[-1]
            for end in (read_curve(folder / f'{name}-{config.seed}' / 'validation.csv') for config in configs)
            if end and int(end[-1]['step']) == base.steps
        ]
        if ends:
            parameters = sum(p.numel() for p in SSRFlow(configs[0].network).parameters())
            told = json.dumps(changes)[1:-1].replace('"', '')
            yield (
                f'| {name} | {told} | {parameters / 1e6:.2f} | {len(ends)} | {_spread(ends, "epe_moving")} | '
                f'{_spread(ends, "epe_static")} | {_spread(ends, "zero_moving")} | {_spread(ends, "minutes", 1)} |'
            )


def _spread(rows: list[dict], column: str, digits: int = 3) -> str:
    values = [float(row[column]) for row in rows]
    more = f' ({(max(values) - min(values)) / 2:.{digits}f})' if len(values) > 1 else ''
    return f'{np.mean(values):.{digits}f}{more}'
