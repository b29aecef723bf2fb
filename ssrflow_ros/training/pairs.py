"""Training pairs: made once by the simulator and kept on disk."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..array_files import load_npz
from ..atomic_write import atomic_write, make_folder
from ..errors import InputError
from ..settings import Settings
from ..simulator import simulate
from ..steps.cells import thin
from ..steps.ground import make_ground
from ..steps.range_image import nearest_in_cells
from ..transforms import invert

MOVING = 0.05  # metres over a pair: what counts as moving, as in the published protocols at 10 Hz
_MOST_POINTS = 24_000  # kept of each sweep, after thinning
_VOXEL = 0.1  # metres
_BEFORE = (0.1, 0.6)  # seconds that the sweep before lies before the target
_NOTHING = np.zeros((0, 3), np.float32)


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """Two sweeps without ground, each in its own sensor frame, what moved between them, and a sweep before them.

    source (N, 3), target (M, 3) m; source_motion (N, 3) residual displacement until the target,
    target_motion (M, 3) the same backwards, each in its own frame; target_from_source (4, 4).
    source_ground (G, 3), target_ground (H, 3) m what was taken out, the nearest return in each direction: there the
    sweeps saw through, too.
    past (P, 3), past_ground (Q, 3) m the nearest returns of the sweep before, in its own frame; past_from_source
    (4, 4); past_age, times the pair's own time that it lies before the source. None of it where it is not known.
    origin, in words, where the pair comes from; '' if that is not known.
    """

    source: np.ndarray
    target: np.ndarray
    source_motion: np.ndarray
    target_motion: np.ndarray
    target_from_source: np.ndarray
    source_ground: np.ndarray
    target_ground: np.ndarray
    past: np.ndarray = field(default_factory=lambda: _NOTHING)
    past_ground: np.ndarray = field(default_factory=lambda: _NOTHING)
    past_from_source: np.ndarray = field(default_factory=lambda: np.eye(4))
    past_age: float = 0.0
    origin: str = ''

    def reversed(self) -> 'TrainingPair':
        """The same pair with time running backwards; what is to come is not known."""
        return TrainingPair(
            self.target,
            self.source,
            self.target_motion,
            self.source_motion,
            invert(self.target_from_source),
            self.target_ground,
            self.source_ground,
        )

    def save(self, path: Path) -> None:
        """Write an .npz, whole or not at all."""
        with atomic_write(path) as unfinished:
            np.savez(unfinished, **vars(self))

    @classmethod
    def load(cls, path: Path) -> 'TrainingPair':
        """Raises InputError for a pair that another version made."""
        fields: dict[str, Any] = {name: array if array.ndim else array.item() for name, array in load_npz(path).items()}
        try:
            return cls(**fields)
        except (TypeError, ValueError):
            raise InputError(
                f'{path} was made by another version of this package: make its folder anew with "ssrflow train pairs"'
            ) from None


def make_pair(seed: int, scene: str | None = None, sensor: str | None = None) -> TrainingPair:
    """A simulated pair: sweep rate, age of the sweep before, quality of the ground removal and, unless they are given
    as to `simulate`, scene and sensor are drawn from the seed."""
    rng = np.random.default_rng([seed, 0x55F])
    rate = 10.0 if rng.random() < 0.6 else float(rng.uniform(5.0, 20.0))
    gap = max(1, round(rate * rng.uniform(*_BEFORE)))
    sweeps = past, target, source = list(simulate(seed, gap + 2, sensor, scene, rate, (0, gap, gap + 1)))
    # Mostly the ground removal that the network meets in use, with its mistakes; sometimes the truth.
    remove = make_ground(Settings()) if rng.random() < 0.7 else None
    kept, grounds = [], []
    for labelled in sweeps:
        points = labelled.sweep.points
        ground = remove(points) if remove else labelled.ground
        grounds.append(points[ground][nearest_in_cells(points[ground])])
        rows = np.flatnonzero(~ground & (np.linalg.norm(points, axis=1) < 90.0))
        rows = rows[thin(points[rows], _VOXEL)]
        if len(rows) > _MOST_POINTS:
            rows = np.sort(rng.choice(rows, _MOST_POINTS, replace=False))
        kept.append(rows)
    before, older, newer = (labelled.sweep.points[rows] for labelled, rows in zip(sweeps, kept))
    return TrainingPair(
        newer,
        older,
        source.motion_previous[kept[2]],
        target.motion_next[kept[1]],
        invert(target.pose) @ source.pose,
        grounds[2],
        grounds[1],
        before[nearest_in_cells(before)],
        grounds[0],
        invert(past.pose) @ source.pose,
        gap + 1.0,
        f'simulated, scene {scene or "drawn"}, sensor {sensor or "drawn"}',
    )


def make_pairs(folder: Path, first_seed: int, count: int, scene: str | None = None, sensor: str | None = None) -> int:
    """Make the pairs of `count` seeds that `folder` lacks, all of one scene or sensor if it is given; the number made.
    Safe to stop and to repeat."""
    make_folder(folder)
    seeds = missing(folder, first_seed, count)
    for seed in seeds:
        make_pair(seed, scene, sensor).save(_path(folder, seed))
    return len(seeds)


def missing(folder: Path, first_seed: int, count: int) -> list[int]:
    """Those of `count` seeds of which the folder has no pair."""
    return [seed for seed in range(first_seed, first_seed + count) if not os.path.lexists(_path(folder, seed))]


def _path(folder: Path, seed: int) -> Path:
    return folder / f'{seed:09d}.npz'


def describe_pairs(folder: Path) -> str:
    """How many pairs of which origin lie in a folder, in words."""
    origins: Counter[str] = Counter()
    for path in folder.glob('*.npz'):
        with np.load(path) as arrays:  # only the one array is read
            origins[(str(arrays['origin']) if 'origin' in arrays else '') or 'origin not recorded'] += 1
    return 'pairs of sweeps, ego-motion and ground removed: ' + '; '.join(
        f'{count} {origin}' for origin, count in origins.most_common()
    )
