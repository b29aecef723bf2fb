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
