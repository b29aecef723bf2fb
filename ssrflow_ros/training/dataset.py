"""From a folder of training pairs to what the network takes: sampled, augmented, as pyramids."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import InputError
from ..network.config import NetworkConfig
from ..network.pyramid import Pyramid
from .augmentation import Augmentation, augmented
from .pairs import TrainingPair


class PairDataset(Dataset):
    """Draws pairs from a folder, on and on; item i is the same in every run with the same seed and folder."""

    def __init__(self, folder: Path, n_points: int, config: NetworkConfig,
                 augmentation: Augmentation = Augmentation(), seed: int = 0):
        self.paths = sorted(Path(folder).glob('*.npz'))
        if not self.paths:
            raise InputError(f'no training pairs in {folder}: make some with "ssrflow train pairs"')
        self.n_points, self.config, self.augmentation, self.seed = n_points, config, augmentation, seed

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> dict:
        """{'source', 'target': flat pyramids, 'motion' (1, N, 3), 'moving' (1, N)}, batch axis in place."""
        place, rng = drawn(self.seed, item, len(self.paths))
        source, target, motion, moving = augmented(
            TrainingPair.load(self.paths[place]), self.augmentation, self.n_points, rng)
        return as_item(source, target, self.config, motion=motion, moving=moving)


def drawn(seed: int, item: int, count: int) -> tuple[int, np.random.Generator]:
    """Which of `count` pairs is drawn as number `item`, all of them once a turn, and the chance that varies it."""
    turn, place = divmod(item, count)
    order = np.random.default_rng([seed, turn]).permutation(count)
    return int(order[place]), np.random.default_rng([seed, item])


def as_item(source: np.ndarray, target: np.ndarray, config: NetworkConfig, **of_source: np.ndarray) -> dict:
    """Flat pyramids of clouds (N, C) and (M, C), and arrays (N, ...) in the source pyramid's order."""
    pyramids = [Pyramid.build(torch.from_numpy(cloud)[None], config) for cloud in (source, target)]
    order = pyramids[0].order
    return {'source': pyramids[0].tensors(), 'target': pyramids[1].tensors(),
            **{name: torch.from_numpy(values)[order] for name, values in of_source.items()}}


def collate(items: list[dict]) -> dict:
    """Join items along their batch axis."""
    first = items[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(items)
    return {key: collate([item[key] for item in items]) for key in first}
