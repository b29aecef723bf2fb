"""Fit what `steps/belief.py` knows: `python -m ssrflow_ros.evaluation.belief [--recordings N]`.

Plays simulated recordings from seeds that neither training nor any report uses, weighs all proposals,
compares them with the truth, and prints the fitted numbers, to be pasted into `steps/belief.py`. To
be run again with new weights of the network.
"""
from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
from scipy.optimize import minimize

from ..errors import SSRFlowError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..simulator import LabelledSweep, simulate
from ..steps import belief
from ..steps.objects import FREE_SHARE, Candidates
from ..sweep import SweepPair

_SEED = 4_000_000
_SLOWEST = 0.25          # m/s of a mover
_OFF = (0.15, 0.5)       # m, or share of the true displacement, by which registration may err
_SCORED = 0.3            # probability, from which errors are fitted: what is less likely becomes no object


@dataclass
class Samples:
    """Features, outcomes and errors of all proposals."""

    moves: list = field(default_factory=list)      # (features, outcome)
    # The last entry of all others: features of the movement, which tell the probability.
    shift: list = field(default_factory=list)      # (features (2, F), squared errors (2,), ...)
    turn: list = field(default_factory=list)       # (features, squared error, ...)
    centre: list = field(default_factory=list)     # (features, squared errors (3,), ...)
    climb: list = field(default_factory=list)      # (features, squared error, ...)

    def add(self, seen: Candidates, points: np.ndarray, dt: float, owner: np.ndarray, motion: np.ndarray,
            boxes: np.ndarray) -> None:
        """Proposals among `points` (n, 3) m, whose true owner (n,) and displacement (n, 3) m are known."""
        n = np.array([len(group) for group in seen.groups])
        curvature, axes = belief.shift_axes(seen.fit)
        shift = belief.shift_features(curvature, seen.fit.cost, seen.moves, n, seen.size, seen.reach)
        turn = belief.turn_features(seen.fit.cost, n, seen.size)
        for k, group in enumerate(seen.groups):
            owners, counts = np.unique(owner[group], return_counts=True)
            true, number = motion[group].mean(axis=0), owners[np.argmax(counts)]
            moves = number >= 0 and 2 * counts.max() >= n[k] and np.linalg.norm(true) >= _SLOWEST * abs(dt)
            off = seen.fit.shift[k] - true[:2]
            right = moves and np.hypot(*off) <= max(_OFF[0], _OFF[1] * np.hypot(*true[:2]))
            if seen.free[k] < FREE_SHARE or np.hypot(*seen.fit.shift[k]) < 0.5 * abs(dt):
                continue
            self.moves.append((seen.features[k], float(right)))
            if not moves:
                continue
            sure = seen.features[k]
            self.shift.append((shift[k], (axes[k].T @ off) ** 2, sure))
            cluster = points[group].astype(float)
            arm, rest = cluster[:, :2] - cluster[:, :2].mean(axis=0), motion[group, :2] - true[:2]
            turned = ((arm[:, 0] * rest[:, 1] - arm[:, 1] * rest[:, 0]).sum()
                      / ((arm ** 2).sum() + 0.05 * len(arm)))
            self.turn.append((turn[k], (seen.fit.turn[k] - turned) ** 2, sure))
            self.climb.append((belief.climb_features(np.hypot(*seen.fit.shift[k]) / abs(dt)),
                               (true[2] / dt) ** 2, sure))
            low, high = cluster.min(axis=0), cluster.max(axis=0)
            centre = (low + high) / 2
            away = belief.view_axes(centre) @ (centre - boxes[number, :3])
            of_centre = belief.centre_features(n[k], high - low, float(np.hypot(*centre[:2])))
            self.centre.append((of_centre, away ** 2, sure))

    def fit(self) -> dict[str, np.ndarray]:
        """The numbers of `steps/belief.py`, by name."""
        moves = _logistic(*(np.array(column) for column in zip(*self.moves)))

        def likely(rows: list) -> list[np.ndarray]:
            features, squared, movement = (np.array(column) for column in zip(*rows))
            probability = 1 / (1 + np.exp(-movement @ moves))
            if rows is self.shift:
                features[..., belief.DOUBT] = belief.doubt(probability)[:, None]
            return [features[probability >= _SCORED], squared[probability >= _SCORED]]

        shift, squared = likely(self.shift)
        centre, away = likely(self.centre)
        return {'MOVES': moves, 'SHIFT': _log_variance(shift.reshape(-1, shift.shape[-1]), squared.ravel()),
                'TURN': _log_variance(*likely(self.turn)), 'CLIMB': _log_variance(*likely(self.climb)),
                'CENTRE': np.array([_log_variance(centre, column) for column in away.T])}


def _logistic(features: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Weights of the most likely logistic model, barely held back."""
    sign, scale = 2 * outcome - 1, features.std(axis=0) + 1e-3

    def loss(weights: np.ndarray) -> float:
        return np.logaddexp(0, -sign * (features @ weights)).mean() + 1e-4 * ((weights * scale) ** 2).sum()
    return minimize(loss, np.zeros(features.shape[1]), method='L-BFGS-B').x


def _log_variance(features: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Weights of the most likely log-linear variance of zero-mean errors; their mean NEES then is 1."""
    scale = features.std(axis=0)

    def loss(weights: np.ndarray) -> float:
        log = features @ weights
        return (log + (squared + 1e-6) * np.exp(-np.clip(log, -20, 20))).mean() + 1e-4 * ((weights * scale) ** 2).sum()
    start = np.zeros(features.shape[1])
    start[0] = np.log(squared.mean() + 1e-6)
    return minimize(loss, start, method='L-BFGS-B').x


def collect(samples: Samples, method: SceneFlow, newer: LabelledSweep, older: LabelledSweep) -> None:
    """Add one pair, as a live node sees it."""
    prepared = method.prepare(SweepPair(newer.sweep, older.sweep))
    flow, rows, dt = method.estimate(prepared), prepared.rows, prepared.pair.dt
    seen = method.objects.weigh(prepared.pair, prepared.ego_motion, rows, prepared.target,
                                flow.network_velocity * np.float32(dt), method.settings)
    if seen is not None:
        samples.add(seen, newer.sweep.points[rows], dt, newer.object_id[rows], newer.motion_previous[rows], newer.boxes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=200)
    parser.add_argument('--weights', default=Settings().weights)
    args = parser.parse_args()
    from tqdm import tqdm
    samples = Samples()
    for seed in tqdm(range(_SEED, _SEED + args.recordings), disable=None):
        method = SceneFlow(Settings(weights=args.weights))
        sweeps = list(simulate(seed, sweeps=4))
        for newer, older in zip(sweeps[1:], sweeps):
            try:
                collect(samples, method, newer, older)
            except SSRFlowError:
                continue        # refused: nothing is published there
    print_fit(samples)


def print_fit(samples: Samples, show: Callable[[str], None] = print) -> None:
    show(f'# {len(samples.moves)} proposals, {np.mean([right for _, right in samples.moves]):.0%} of them right')
    for name, weights in samples.fit().items():
        show(f'{name} = np.array({np.round(weights, 3).tolist()})')


if __name__ == '__main__':
    main()
