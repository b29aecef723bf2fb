"""The method, measured on labelled pairs of sweeps: `python -m ssrflow_ros.evaluation.pairs FOLDER`.

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
from ..sweep import EgoMotion, Sweep, SweepPair
from .metrics import flow_errors, moving_iou


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='folder of labelled pairs, *.npz')
    parser.add_argument('--weights', default=Settings().weights)
    parser.add_argument('--network-points', type=int, default=Settings().network_points)
    parser.add_argument('--seeds', type=int, default=1, help='mean over this many sampling seeds')
    args = parser.parse_args()
    base = Settings(weights=args.weights, network_points=args.network_points)
    names = ('epe', 'zero', 'ego_only', 'acc3dr', 'static', 'moving', 'moving_zero', 'moving_iou', 'points',
             'moving_points', 'ms')
    print('EPE3D in metres over the pair; labelled non-ground points; no pose given')
    print(f'{"pair":24}' + ''.join(f'{name:>14}' for name in names))
    for path in sorted(args.folder.glob('*.npz')):
        labelled = LabelledPair.load(path)
        # Camera-axes pairs have no ground below and no static world: only the network is asked.
        toy = 'ft3d' in path.stem
        rows = []
        for seed in range(args.seeds):
            method = SceneFlow(base.replace(seed=seed, **({'ground': 'none', 'ego_motion': 'none'} if toy else {})))
            try:
                rows.append(evaluate(method, labelled))
            except SSRFlowError as error:
                print(f'{path.stem:24} {error}')
                break
        else:
            mean = {name: np.mean([row[name] for row in rows]) for name in names}
            print(f'{path.stem:24}' + ''.join(f'{mean[name]:14.3f}' for name in names), flush=True)


if __name__ == '__main__':
    main()
