"""The method, measured on labelled pairs of sweeps.

    python -m ssrflow_ros.evaluation.pairs FOLDER           # real pairs
    python -m ssrflow_ros.evaluation.pairs --simulated 40   # unseen simulated ones, all sensors and scenes

A pair is an .npz with pc1 (N, 3), pc2 (M, 3), flow (N, 3) m with the sensor's motion included and nan
where unlabelled, valid (N), dynamic (N), ground1 (N), dt s and, where it is known, ego_T (4, 4), which
maps pc1's frame into pc2's. No pose is given to the method.
"""
from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import SSRFlowError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..simulator import simulate
from ..sweep import EgoMotion, Sweep, SweepPair
from .metrics import flow_errors, moving_iou


_MOVING = 0.05  # metres over 0.1 s: the published threshold of "dynamic"
_UNSEEN_SEED = 3_000_000  # no training and no choice of a constant used the seeds from here on


@dataclass(frozen=True, eq=False)
class LabelledPair:
    """A pair and its labels; masks and flow are aligned with `pair.source.points`."""

    name: str
    pair: SweepPair
    flow: np.ndarray
    scored: np.ndarray
    moving: np.ndarray
    ego: EgoMotion | None

    @classmethod
    def load(cls, path: Path) -> 'LabelledPair':
        with np.load(path, allow_pickle=False) as file:
            data = dict(file)
        source = Sweep.from_points(data['pc1'], 0)
        target = Sweep.from_points(data['pc2'], round(float(data['dt']) * 1e9))
        ego = EgoMotion(data['ego_T'].astype(np.float64), 'given') if 'ego_T' in data else None
        rows, flow = source.rows, data['flow']
        scored = data['valid'] & np.isfinite(flow).all(axis=1) & ~data['ground1']
        return cls(path.stem, SweepPair(source, target), flow[rows], scored[rows], data['dynamic'][rows], ego)

    @classmethod
    def simulated(cls, seed: int) -> 'LabelledPair':
        """A simulated pair at 10 Hz; every point that is not ground is scored."""
        first, second = simulate(seed, sweeps=2)
        moving = np.linalg.norm(first.motion_next, axis=1) >= _MOVING
        ego = EgoMotion(np.linalg.inv(second.pose) @ first.pose, 'given')
        return cls(f'seed {seed}', SweepPair(first.sweep, second.sweep), first.flow_next, ~first.ground, moving, ego)

    def residual(self, flow: np.ndarray, ego: EgoMotion) -> np.ndarray:
        """(N, 3) what `flow` leaves when `ego` is taken out, in the source frame."""
        points = self.pair.source.points
        return ego.into_source(points + flow) - points


def evaluate(method: SceneFlow, labelled: LabelledPair) -> dict[str, float]:
    """EPE3D, m, beside zero flow's: of all labelled non-ground points, and of the moving ones, ego-motion removed."""
    found = method(labelled.pair)
    scored, moving = labelled.scored, labelled.scored & labelled.moving
    whole = flow_errors(found.flow[scored], labelled.flow[scored])
    row = {'epe': whole.epe3d, 'zero': flow_errors(np.zeros_like(labelled.flow[scored]), labelled.flow[scored]).epe3d,
           'acc3dr': whole.acc3dr, 'points': whole.n}
    ego_only = found.ego_motion.displacement(labelled.pair.source.points)[scored]
    row['ego_only'] = flow_errors(ego_only, labelled.flow[scored]).epe3d
    true_ego = labelled.ego or found.ego_motion
    truth = labelled.residual(labelled.flow, true_ego)
    residual = found.velocity * labelled.pair.dt
    row['moving'] = flow_errors(residual[moving], truth[moving]).epe3d
    row['moving_zero'] = flow_errors(np.zeros_like(truth[moving]), truth[moving]).epe3d
    static = scored & ~labelled.moving
    row['static'] = flow_errors(residual[static], truth[static]).epe3d
    row['moving_points'] = int(moving.sum())
    row['moving_iou'] = moving_iou(found.moving[scored], labelled.moving[scored]) if moving.any() else np.nan
    row['ms'] = sum(found.timings_ms.values())
    return row


COLUMNS = ('epe', 'zero', 'ego_only', 'acc3dr', 'static', 'moving', 'moving_zero', 'moving_iou', 'points',
           'moving_points', 'ms')


def measured(settings: Settings, labelled: LabelledPair, seeds: int) -> dict[str, float] | str:
    """Mean of `evaluate` over sampling seeds, or why there is no answer."""
    try:
        rows = [evaluate(SceneFlow(settings.replace(seed=seed)), labelled) for seed in range(seeds)]
    except SSRFlowError as error:
        return str(error)
    return {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, nargs='?', help='folder of labelled pairs, *.npz')
    parser.add_argument('--simulated', type=int, default=0, metavar='N', help='measure on N simulated pairs')
    parser.add_argument('--weights', default=Settings().weights)
    parser.add_argument('--network-points', type=int, default=Settings().network_points)
    parser.add_argument('--seeds', type=int, default=1, help='mean over this many sampling seeds')
    args = parser.parse_args()
    settings = Settings(weights=args.weights, network_points=args.network_points)
    pairs = [(LabelledPair.load(path), settings) for path in sorted(args.folder.glob('*.npz'))] if args.folder else []
    # A pair in camera axes has no ground below and no static world: only the network is asked.
    pairs = [(pair, settings.replace(ground='none', ego_motion='none') if 'ft3d' in pair.name else chosen)
             for pair, chosen in pairs]
    pairs += [(LabelledPair.simulated(_UNSEEN_SEED + i), settings) for i in range(args.simulated)]
    print('EPE3D in metres over the pair; labelled non-ground points; no pose given')
    print(f'{"pair":24}' + ''.join(f'{name:>14}' for name in COLUMNS))
    answered = []
    for labelled, chosen in pairs:
        row = measured(chosen, labelled, args.seeds)
        if isinstance(row, str):
            print(f'{labelled.name:24} {row}', flush=True)
            continue
        answered.append(row)
        _print_row(labelled.name, row)
    if args.simulated and answered:
        _print_row('mean', {name: float(np.nanmean([row[name] for row in answered])) for name in COLUMNS})


def _print_row(name: str, row: dict[str, float]) -> None:
    print(f'{name:24}' + ''.join(f'{row[column]:14.3f}' for column in COLUMNS), flush=True)


if __name__ == '__main__':
    main()
