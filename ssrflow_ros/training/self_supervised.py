"""Learning from recorded sweeps without labels; what moves and what stands still is found in `recording.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..network.pyramid import Pyramid
from ..network.ssrflow import FlowPyramid
from ..operators import interpolate, interpolation_weights
from ..steps.range_image import RangeImage
from ..steps.sampling import sample_pair
from ..transforms import invert, transformed
from .augmentation import NO_AUGMENTATION, Augmentation, around, repeated, rotation, view_from, within
from .config import TrainingConfig
from .dataset import Items, as_item, drawn
from .losses import cross_frame_similarity, local_flow_consistency, mean_where
from .recording import RecordedSweep
from .self_losses import STATIC, UNKNOWN, chamfer, moving_distances, rigid_motion

_DENSE = 4  # points that are judged for each that the network sees
_BEFORE = 4  # sweeps
_NOTHING = np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int32)


class RecordedPairs(Items):
    """Neighbouring sweeps of a folder of recorded ones, as the network takes them; `augmentation` as far as it applies.

    Beside the sampled points an item holds denser clouds `all_source` (1, D, 3) and `all_target` with labels: the
    flow is judged where it is used, at every point, interpolated from those that the network saw.
    """

    def __init__(self, folder: Path, config: TrainingConfig, n_points: int, augmentation: Augmentation):
        paths = sorted(Path(folder).glob('*.npz'))
        runs = [RecordedSweep.load(path).run for path in paths]
        # With each, the earliest of the _BEFORE sweeps before them that is of their run; None at its beginning.
        self.pairs = [
            (
                paths[i],
                paths[i + 1],
                next((paths[j] for j in range(max(0, i - _BEFORE), i) if runs[j] == runs[i]), None),
            )
            for i in range(len(paths) - 1)
            if runs[i] == runs[i + 1]
        ]
        if not self.pairs:
            raise InputError(f'no two sweeps in {folder} follow each other: give a longer recording')
        self.config, self.n_points, self.augmentation = config, n_points, augmentation

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, item: int) -> dict[str, torch.Tensor]:
        """Item i is the same in every run with the same seed; the newest sweep is the source, unless reversed."""
        how, n = self.augmentation, self.n_points
        place, rng = drawn(self.config.seed, item, len(self))
        *neighbours, past_path = self.pairs[place]
        older, newer = map(RecordedSweep.load, neighbours)
        past = None if past_path is None else RecordedSweep.load(past_path)
        source, target = newer, older
        if rng.random() < how.reverse:
            source, target, past = older, newer, None  # what is to come is not known
        (points, others), views = varied(source, target, past, how, rng)
        s, t = sample_pair(points[0], others[0], n, int(rng.integers(2**31)), rng.uniform(*how.focus), views)
        known = repeated(np.column_stack([s.of(points[0]), points[1][s.rows]]), n, rng)
        dense = {}
        for name, (xyz, labels) in (('all_source', points), ('all_target', others)):
            rows = repeated(rng.permutation(len(xyz))[: _DENSE * n], _DENSE * n, rng)
            dense[name] = torch.from_numpy(xyz[rows])[None]
            dense[f'{name}_labels'] = torch.from_numpy(labels[rows].astype(np.int64))[None]
        sampled = as_item(
            known[:, :-1].astype(np.float32), repeated(t.of(others[0]), n, rng), labels=known[:, -1].astype(np.int64)
        )
        return {**sampled, **dense}


def varied(
    source: RecordedSweep,
    target: RecordedSweep,
    past: RecordedSweep | None,
    how: Augmentation,
    rng: np.random.Generator,
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[RangeImage]]:
    """Of source and target, in the source's frame: points (N, 3) float32 and labels (N,), and the range images of all
    three, before the crop; range, density, crop, turn, flip, scale."""
    clouds, grounds, eyes = [], [], []
    for sweep, share in zip((source, target, past), (*rng.uniform(*how.keep, 2), 1.0)):
        into = invert(source.pose) @ sweep.pose if sweep else np.eye(4)
        ground, points, labels = (sweep.ground, sweep.points, sweep.labels) if sweep else _NOTHING
        kept, ground_kept = (rng.random(len(some)) < share for some in (points, ground))
        clouds.append((transformed(points[kept], into), labels[kept]))
        grounds.append(transformed(ground[ground_kept], into))
        eyes.append(into[:3, 3])
    seen = [np.concatenate([cloud[0], ground]) for cloud, ground in zip(clouds, grounds)]
    reach = rng.uniform(*how.max_range)
    clouds = [_only(cloud, within(cloud[0], reach)) for cloud in clouds[:2]]
    points, labels = clouds[0]
    if rng.random() < how.crop and len(points):
        movers = np.flatnonzero(labels > 0)
        centre = points[rng.choice(movers) if len(movers) else rng.integers(len(points))]
        radius = rng.uniform(*how.crop_radius)
        clouds = [_only(cloud, around(cloud[0], centre, radius)) for cloud in clouds]
    turn = rotation(rng.uniform(-how.yaw, how.yaw)) * rng.uniform(*how.scale)
    if rng.random() < how.flip:
        turn = turn * np.array([1.0, -1.0, 1.0])
    lift = np.array([0.0, 0.0, rng.uniform(-how.height, how.height)])
    nowhere = np.full((1, 3), 1e3, np.float32), np.full(1, UNKNOWN, np.int32)  # for a cloud that lost all its points
    return (
        [
            ((points @ turn.T + lift).astype(np.float32), labels) if len(points) else nowhere
            for points, labels in clouds
        ],
        [view_from(eye @ turn.T + lift, points @ turn.T + lift) for eye, points in zip(eyes, seen)],
    )


def _only(cloud: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return cloud[0][rows], cloud[1][rows]


class SelfSupervised:
    """The objective of `Training` without labels."""

    FIGURES = ('chamfer_moving', 'zero_moving', 'static')
    GRAPH_SAFE = False

    def __init__(self, config: TrainingConfig):
        self.config = config

    def training(self, pairs: Path) -> Items:
        """Recorded pairs to train on, varied each time they are drawn."""
        return RecordedPairs(pairs, self.config, self.config.n_points, self.config.augmentation)

    @staticmethod
    def describe(pairs: Path) -> str:
        """What lies there, in words, for the card of the weights."""
        return f'{len(list(Path(pairs).glob("*.npz")))} sweeps of a recording, labelled by free space'

    def validation(self, pairs: Path) -> Items:
        """Recorded pairs to judge by, whole."""
        return RecordedPairs(pairs, self.config, self.config.validation_points, NO_AUGMENTATION)

    def loss(self, prediction: FlowPyramid, source: Pyramid, target: Pyramid, batch: dict) -> torch.Tensor:
        """The weighted sum of the parts."""
        weights, shared = self.config.self_loss, self.config.loss
        flow, points, labels = self._flow(prediction, batch), batch['all_source'], batch['all_source_labels']
        total = weights.static * mean_where(flow.norm(dim=-1), labels == STATIC)
        total = total + weights.chamfer * chamfer(points + flow, batch['all_target'], weights.cap)
        moving = self._moving(flow, batch)
        if weights.dynamic and len(moving):
            total = total + weights.dynamic * moving.mean()
        if weights.rigid:
            rigid = rigid_motion(points, flow.detach(), labels, points, labels)
            total = total + weights.rigid * mean_where((flow - rigid).norm(dim=-1), labels > 0)
        if shared.lfc_weight:
            rigid = rigid_motion(points, flow.detach(), labels, source.points[0], batch['labels'])
            total = total + shared.lfc_weight * local_flow_consistency(prediction.flows[0], rigid, source, shared)
        if shared.cfs_weight:
            total = total + shared.cfs_weight * cross_frame_similarity(prediction, target, shared)
        return total

    @torch.no_grad()
    def figures(self, prediction: FlowPyramid, batch: dict) -> torch.Tensor:
        """m: capped Chamfer distance of what moves, zero flow's, and mean flow of what stands still; nan for none."""
        flow, static = self._flow(prediction, batch), batch['all_source_labels'] == STATIC
        return torch.stack(
            [
                self._moving(flow, batch).mean(),
                self._moving(torch.zeros_like(flow), batch).mean(),
                flow.norm(dim=-1)[static].mean(),
            ]
        )

    @staticmethod
    def format_metrics(moving: float, zero: float, static: float) -> str:
        """The figures in words."""
        return f'Chamfer moving {moving:.3f} m (zero flow {zero:.3f}), static {static:.3f} m'

    def _flow(self, prediction: FlowPyramid, batch: dict) -> torch.Tensor:
        """The prediction at all points (B, D, 3), interpolated from those that the network saw."""
        return interpolate(prediction.flows[0], *interpolation_weights(batch['all_source'], batch['source'].points[0]))

    def _moving(self, flow: torch.Tensor, batch: dict) -> torch.Tensor:
        return moving_distances(
            batch['all_source'] + flow,
            batch['all_source_labels'],
            batch['all_target'],
            batch['all_target_labels'],
            self.config.self_loss.cap,
        )
