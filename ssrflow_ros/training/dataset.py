"""From a folder of training pairs to what the network takes: sampled, augmented, joined into batches, as pyramids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import InputError
from ..network.config import NetworkConfig
from ..network.pyramid import Pyramid
from .augmentation import Augmentation, augmented
from .pairs import TrainingPair

_OF_SOURCE = ('motion', 'moving', 'labels')  # of an item, what is known of each point that the network sees


class Items(Dataset[dict[str, torch.Tensor]], ABC):
    """So many pairs, drawn by number, on and on; an item is what `as_item` gives."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, item: int) -> dict[str, torch.Tensor]: ...


class PairDataset(Items):
    """Draws pairs from a folder, on and on; item i is the same in every run with the same seed and folder."""

    def __init__(self, folder: Path, n_points: int, augmentation: Augmentation = Augmentation(), seed: int = 0):
        self.paths = sorted(Path(folder).glob('*.npz'))
        if not self.paths:
            raise InputError(f'no training pairs in {folder}: make some with "ssrflow train pairs"')
        TrainingPair.load(self.paths[0])  # here its error is one line, in a data worker it would be many
        self.n_points, self.augmentation, self.seed = n_points, augmentation, seed

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> dict[str, torch.Tensor]:
        """As `as_item` gives it, with 'motion' (1, N, 3) and 'moving' (1, N)."""
        place, rng = drawn(self.seed, item, len(self.paths))
        source, target, motion, moving = augmented(
            TrainingPair.load(self.paths[place]), self.augmentation, self.n_points, rng
        )
        return as_item(source, target, motion=motion, moving=moving)


def drawn(seed: int, item: int, count: int) -> tuple[int, np.random.Generator]:
    """Which of `count` pairs is drawn as number `item`, all of them once a turn, and the chance that varies it."""
    turn, place = divmod(item, count)
    order = np.random.default_rng([seed, turn]).permutation(count)
    return int(order[place]), np.random.default_rng([seed, item])


def as_item(source: np.ndarray, target: np.ndarray, **of_source: np.ndarray) -> dict[str, torch.Tensor]:
    """Clouds 'source' (1, N, C) and 'target' (1, M, C), metres, and what is known of each source point (1, N, ...)."""
    return {
        name: torch.from_numpy(values)[None]
        for name, values in {'source': source, 'target': target, **of_source}.items()
    }


def joined(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Join items along their batch axis."""
    return {name: torch.cat([item[name] for item in items]) for name in items[0]}


def on_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The batch of tensors on `device`."""
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}


def with_pyramids(batch: dict[str, torch.Tensor], config: NetworkConfig) -> dict:
    """The batch with pyramids in place of its clouds, what is known of source points in the pyramid's order."""
    source, target = Pyramid.of_pair(batch['source'], batch['target'], config).halves()
    pair = torch.arange(len(source.order), device=source.order.device)[:, None]
    ordered = {name: batch[name][pair, source.order] for name in _OF_SOURCE if name in batch}
    return {**batch, **ordered, 'source': source, 'target': target}


def joined_with_pyramids(items: list[dict[str, torch.Tensor]], config: NetworkConfig) -> dict:
    """Both, for data workers of a training on a CPU."""
    return with_pyramids(joined(items), config)
