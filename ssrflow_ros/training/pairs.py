"""Training pairs: made once by the simulator, kept on disk, augmented anew each time one is drawn."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import InputError
from ..network.config import NetworkConfig
from ..network.pyramid import Pyramid
from ..settings import Settings
from ..simulator import simulate
from ..steps.ground import make_ground
from ..steps.sampling import sample_pair, thin

MOVING = 0.05  # metres over a pair: what counts as moving, as in the published protocols at 10 Hz
_MOST_POINTS = 24_000  # kept of each sweep, after thinning
_VOXEL = 0.1  # metres


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """Two sweeps without ground, each in its own sensor frame, and what moved between them.

    source (N, 3), target (M, 3) m; source_motion (N, 3) residual displacement until the target,
    target_motion (M, 3) the same backwards, each in its own frame; target_from_source (4, 4).
    """

    source: np.ndarray
    target: np.ndarray
    source_motion: np.ndarray
    target_motion: np.ndarray
    target_from_source: np.ndarray

    def reversed(self) -> 'TrainingPair':
        """The same pair with time running backwards."""
        return TrainingPair(self.target, self.source, self.target_motion, self.source_motion,
                            np.linalg.inv(self.target_from_source))

    def save(self, path: Path) -> None:
        """Written beside and renamed, so that a broken run leaves no half pair."""
        part = path.with_suffix('.part')
        with open(part, 'wb') as file:
            np.savez(file, **vars(self))
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path) -> 'TrainingPair':
        with np.load(path) as arrays:
            return cls(**arrays)


def make_pair(seed: int) -> TrainingPair:
    """A simulated pair: scene, sensor, sweep rate and quality of the ground removal drawn from the seed."""
    rng = np.random.default_rng([seed, 0x55F])
    rate = 10.0 if rng.random() < 0.6 else float(rng.uniform(5.0, 20.0))
    first, second = simulate(seed, sweeps=2, rate=rate)
    # Mostly the ground removal that the network meets in use, with its mistakes; sometimes the truth.
    remove = make_ground(Settings()) if rng.random() < 0.7 else None
    kept = []
    for labelled in (first, second):
        points = labelled.sweep.points
        ground = remove(points) if remove else labelled.ground
        rows = np.flatnonzero(~ground & (np.linalg.norm(points, axis=1) < 90.0))
        rows = rows[thin(points[rows], _VOXEL)]
        if len(rows) > _MOST_POINTS:
            rows = np.sort(rng.choice(rows, _MOST_POINTS, replace=False))
        kept.append(rows)
    return TrainingPair(first.sweep.points[kept[0]], second.sweep.points[kept[1]],
                        first.motion_next[kept[0]], second.motion_previous[kept[1]],
                        np.linalg.inv(second.pose) @ first.pose)


@dataclass(frozen=True)
class Augmentation:
    """How a pair is varied each time it is drawn; the defaults train the onboard weights.

    Angles in degrees, lengths in metres; `reverse`, `flip`, `keep`, `focus` and `crop` are shares.
    Pose noise stays in the label: what ego-motion left over is apparent motion too, and the network
    may correct it; a share `astray` has 15 times as much of it. Up to `movers` upright pieces of the
    static world are set in motion, whatever they are: what moves then has every shape and speed, and
    "nothing moves" is no answer that pays. A crop is an upright cylinder around something that moves, if anything does:
    few points a pair then are as dense as many points a whole sweep are in use, and tell more.
    """

    reverse: float = 0.5
    flip: float = 0.5
    yaw: float = 180.0
    scale: tuple[float, float] = (0.9, 1.1)
    height: float = 0.5
    pose_angle: float = 0.05
    pose_shift: float = 0.02
    max_range: tuple[float, float] = (20.0, 80.0)
    keep: tuple[float, float] = (0.4, 1.0)
    focus: tuple[float, float] = (0.0, 0.6)
    crop: float = 0.75
    crop_radius: tuple[float, float] = (12.0, 35.0)
    astray: float = 0.2
    movers: int = 12
    mover_radius: tuple[float, float] = (0.5, 4.0)
    mover_shift: tuple[float, float] = (0.03, 3.0)
    mover_yaw: float = 4.0


NO_AUGMENTATION = Augmentation(reverse=0.0, flip=0.0, yaw=0.0, scale=(1.0, 1.0), height=0.0, pose_angle=0.0,
                               pose_shift=0.0, max_range=(70.0, 70.0), keep=(1.0, 1.0), focus=(0.5, 0.5),
                               crop=0.0, astray=0.0, movers=0)


class PairDataset(Dataset):
    """Draws pairs from a folder; item i is the same in every run with the same seed and folder."""

    def __init__(self, folder: Path, n_points: int, config: NetworkConfig,
                 augmentation: Augmentation = Augmentation(), seed: int = 0, length: int | None = None):
        self.paths = sorted(Path(folder).glob('*.npz'))
        if not self.paths:
            raise InputError(f'no training pairs in {folder}: make some with "ssrflow train pairs"')
        self.n_points, self.config, self.augmentation, self.seed = n_points, config, augmentation, seed
        self.length = length if length is not None else len(self.paths)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> dict:
        """{'source', 'target': flat pyramids, 'motion' (1, N, 3), 'moving' (1, N)}, batch axis in place."""
        turn, place = divmod(item, len(self.paths))
        order = np.random.default_rng([self.seed, turn]).permutation(len(self.paths))
        rng = np.random.default_rng([self.seed, item])
        source, target, motion, moving = augmented(
            TrainingPair.load(self.paths[order[place]]), self.augmentation, self.n_points, rng)
        pyramids = [Pyramid.build(torch.from_numpy(points)[None], self.config) for points in (source, target)]
        order = pyramids[0].order
        return {'source': pyramids[0].tensors(), 'target': pyramids[1].tensors(),
                'motion': torch.from_numpy(motion)[order], 'moving': torch.from_numpy(moving)[order]}


def collate(items: list[dict]) -> dict:
    """Join items along their batch axis."""
    first = items[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(items)
    return {key: collate([item[key] for item in items]) for key in first}


def augmented(pair: TrainingPair, how: Augmentation, n_points: int,
              rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sampled source (n, 3), target (n, 3) in the source's frame, motion (n, 3), float32 m, and moving (n,)."""
    if rng.random() < how.reverse:
        pair = pair.reversed()
    into_source = np.linalg.inv(pair.target_from_source)
    target = pair.target @ into_source[:3, :3].T + into_source[:3, 3]
    source, motion = pair.source.astype(np.float64), pair.source_motion.astype(np.float64)

    reach = rng.uniform(*how.max_range)
    source_in = _within(source, reach) & (rng.random(len(source)) < rng.uniform(*how.keep))
    target_in = _within(target, reach) & (rng.random(len(target)) < rng.uniform(*how.keep))
    source, motion, target = source[source_in], motion[source_in], target[target_in]
    target_still = np.linalg.norm(pair.target_motion[target_in], axis=1) < MOVING
    target = _set_in_motion(source, motion, target, target_still, how, rng)
    if rng.random() < how.crop and len(source):
        movers = np.flatnonzero(np.linalg.norm(motion, axis=1) > MOVING)
        centre = source[rng.choice(movers) if len(movers) else rng.integers(len(source))]
        radius = rng.uniform(*how.crop_radius)
        source_in, target_in = _around(source, centre, radius), _around(target, centre, radius)
        source, motion, target = source[source_in], motion[source_in], target[target_in]

    turn = _rotation(rng.uniform(-how.yaw, how.yaw)) * rng.uniform(*how.scale)
    if rng.random() < how.flip:
        turn = turn * np.array([1.0, -1.0, 1.0])
    lift = np.array([0.0, 0.0, rng.uniform(-how.height, how.height)])
    source, motion, target = source @ turn.T + lift, motion @ turn.T, target @ turn.T + lift

    moving = np.linalg.norm(motion, axis=1) > MOVING
    amount = 15.0 if rng.random() < how.astray else 1.0
    noise, shift = _small_rotation(rng, amount * how.pose_angle), rng.normal(0.0, amount * how.pose_shift, 3)
    target = target @ noise.T + shift
    motion = (source + motion) @ noise.T + shift - source

    if not len(source):
        motion, moving = np.zeros((1, 3)), np.zeros(1, bool)
    source, target = _filled(source, rng), _filled(target, rng)
    s, t = sample_pair(source, target, n_points, int(rng.integers(2**31)), rng.uniform(*how.focus))
    s, t = _repeated(s, n_points, rng), _repeated(t, n_points, rng)
    return source[s], target[t], motion.astype(np.float32)[s], moving[s]


def _set_in_motion(source: np.ndarray, motion: np.ndarray, target: np.ndarray, target_still: np.ndarray,
                   how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Move pieces of the static world: adds to `motion` in place, returns the target with them moved."""
    target, still = target.copy(), np.linalg.norm(motion, axis=1) < MOVING
    for _ in range(rng.integers(how.movers + 1) if still.any() else 0):
        centre = source[rng.choice(np.flatnonzero(still))]
        radius, heading = rng.uniform(*how.mover_radius), rng.uniform(0.0, 2.0 * np.pi)
        length = np.exp(rng.uniform(*np.log(how.mover_shift)))
        shift = length * np.array([np.cos(heading), np.sin(heading), rng.normal(0.0, 0.05)])
        turn = _rotation(rng.normal(0.0, how.mover_yaw))
        here = still & _around(source, centre, radius)
        there = target_still & _around(target, centre, radius)
        motion[here] = (source[here] - centre) @ turn.T + centre + shift - source[here]
        target[there] = (target[there] - centre) @ turn.T + centre + shift
        still, target_still = still & ~here, target_still & ~there
        if not still.any():
            break
    return target


def _within(points: np.ndarray, reach: float) -> np.ndarray:
    return np.einsum('ij,ij->i', points, points) < reach ** 2


def _around(points: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    return _within(points[:, :2] - centre[:2], radius)


def _filled(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Float32; one far point stands in for a cloud that lost all of its own."""
    return points.astype(np.float32) if len(points) else rng.normal(0, 50, (1, 3)).astype(np.float32)


def _repeated(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """`rows`, filled up to n with repetitions so that pairs stack into batches."""
    return np.concatenate([rows, rng.choice(rows, n - len(rows))]) if len(rows) < n else rows


def _rotation(yaw: float) -> np.ndarray:
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _small_rotation(rng: np.random.Generator, sigma: float) -> np.ndarray:
    x, y, z = np.radians(rng.normal(0.0, sigma, 3))
    return np.eye(3) + np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def make_pairs(folder: Path, first_seed: int, count: int) -> int:
    """Make the pairs of `count` seeds that `folder` lacks; the number made. Safe to stop and to repeat."""
    folder.mkdir(parents=True, exist_ok=True)
    made = 0
    for seed in range(first_seed, first_seed + count):
        path = folder / f'{seed:09d}.npz'
        if not path.exists():
            make_pair(seed).save(path)
            made += 1
    return made
