"""Fit the head that says where the finest level is decoded (`network/focus.py`), and put it into weights.

    python studies/focus_head.py onboard focused.safetensors     # 560 pairs, 20 minutes of one core

The network itself stays as it is. Pairs are of the simulator, seeds from 2,900,000 on, the sensors in turn, which
neither its training nor any evaluation uses; one pair in seven is left out of the fit and tells the share of all points
and of those that move which pass each threshold.
"""
from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Iterator

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from ssrflow_ros import SceneFlow, Settings
from ssrflow_ros.datasets.simulated import PREPARATION, from_sweeps
from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.network.focus import Focus
from ssrflow_ros.network.pyramid import Pyramid
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights, save_weights
from ssrflow_ros.simulator import SENSORS, simulate

SEED, PAIRS, POINTS, WIDTH = 2_900_000, 560, 2048, 24
EPOCHS, BATCH, RATE = 10, 4096, 4e-3
MISSED = 4.0        # times as bad as a point decoded for nothing
FAR = 0.1           # m, of motion that counts once; more counts more, up to three times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights', help='shipped weights, or a .safetensors file')
    parser.add_argument('output', type=Path, metavar='OUT.safetensors')
    parser.add_argument('--pairs', type=int, default=PAIRS)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    loaded = load_weights(args.weights)
    network = SSRFlow(dataclasses.replace(loaded.network.config, focus_width=WIDTH)).eval()
    network.load_state_dict(loaded.network.state_dict(), strict=False)
    told, moves, weight, pair = (torch.cat(parts) for parts in zip(*samples(network, args.weights, args.pairs)))
    left_out = pair % 7 == 0
    fit(network.focus, told[~left_out], moves[~left_out], weight[~left_out])
    with torch.no_grad():
        odds = network.focus.head(told[left_out])[:, 0]
    print('least log odds: share of all points, of those that move')
    for least in np.arange(0, -3.5, -0.5):
        passed = odds > least
        print(f'{least:+.1f}: {passed.float().mean():.3f}, {passed[moves[left_out]].float().mean():.3f}')
    card = {**loaded.card, 'focus': f'{len(pair.unique())} simulated pairs, seeds from {SEED} on'}
    save_weights(args.output, network.requires_grad_(False), card)


def samples(network: SSRFlow, weights: str, count: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Of each pair what the head is told of each point (N, F), whether it moves (N,), its weight, the pair's number."""
    method = SceneFlow(Settings(network_points=POINTS, threads=1, weights=weights, compiled=False))
    given: list[torch.Tensor] = []
    network.focus.head.register_forward_hook(lambda module, inputs, output: given.append(inputs[0]))
    names = list(SENSORS)
    for number in tqdm(range(count), unit='pair'):
        sensor = names[number % len(names)]
        labelled = from_sweeps(f'{sensor}/{SEED + number}', *simulate(SEED + number, 2, sensor), PREPARATION)
        try:
            prepared = method.prepare(labelled.pair, labelled.ego)
        except SSRFlowError:
            continue
        clouds = prepared.sampled.of(prepared.points), prepared.sampled_target.of(prepared.target)
        if min(map(len, clouds)) < 64:
            continue
        given.clear()
        with torch.inference_mode():
            source, target = Pyramid.of_pair(*(torch.from_numpy(cloud)[None] for cloud in clouds), network.config)
            network.finest_flow(source, target)
        rows = prepared.rows[prepared.sampled.rows][source.order[0].numpy()]
        motion = np.linalg.norm(np.nan_to_num(labelled.residual(labelled.flow, labelled.ego)[rows]), axis=1)
        moves = labelled.moving[rows] & labelled.scored[rows]
        weight = np.where(moves, np.clip(motion / FAR, 0.3, 3.0), 1.0).astype(np.float32)
        yield given[0][0].clone(), torch.from_numpy(moves), torch.from_numpy(weight), torch.full((len(rows),), number)


def fit(focus: Focus, told: torch.Tensor, moves: torch.Tensor, weight: torch.Tensor) -> None:
    """Fit the head to points (n, F), on standardised features, and take the standards into its first layer."""
    mean, deviation = told.mean(dim=0), told.std(dim=0) + 1e-3
    standard = (told - mean) / deviation
    optimiser = torch.optim.AdamW(focus.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, EPOCHS * -(-len(told) // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(told)).split(BATCH):
            loss = binary_cross_entropy_with_logits(focus.head(standard[rows])[:, 0], moves[rows].float(),
                                                    weight=weight[rows], pos_weight=torch.tensor(MISSED))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    first = focus.head[0]
    with torch.no_grad():
        first.weight /= deviation
        first.bias -= first.weight @ mean


if __name__ == '__main__':
    main()
