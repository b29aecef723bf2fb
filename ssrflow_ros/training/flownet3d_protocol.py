"""Pairs of stereo points as FlyingThings3D's: ego-motion left in, sampled and varied as published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..datasets import open_dataset
from ..datasets.labelled_pair import FLOWNET3D
from ..errors import InputError
from .augmentation import repeated, rotation
from .dataset import Items, as_item, drawn
from .pairs import MOVING


@dataclass(frozen=True)
class PointPWCAugmentation:
    """What the PointPWC family of networks does to both clouds alike: scale, turn (degrees) and shift (metres)."""

    scale: tuple[float, float] = (0.95, 1.05)
    yaw: float = 10.0
    shift: float = 1.0


AS_IT_IS = PointPWCAugmentation(scale=(1.0, 1.0), yaw=0.0, shift=0.0)


class FlowNet3DPairs(Items):
    """Labelled pairs of a published layout, `KIND:PATH` of `ssrflow_ros.datasets`, such as ft3ds:FOLDER/train."""

    def __init__(self, place: str, n_points: int, augmentation: PointPWCAugmentation, seed: int):
        self.pairs = open_dataset(place)
        self.n_points, self.augmentation, self.seed = n_points, augmentation, seed
        protocol = self.pairs[0].preparation.protocol
        if protocol != FLOWNET3D:
            raise InputError(
                f'{place}: training takes data sets that leave ego-motion in, and by the {protocol} '
                'protocol it is removed: take ft3ds or ft3do, or folders of pairs'
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, item: int) -> dict[str, torch.Tensor]:
        """As `PairDataset`'s."""
        place, rng = drawn(self.seed, item, len(self.pairs))
        labelled = self.pairs[place]
        rows = np.flatnonzero(labelled.scored)
        pair = labelled.pair
        source, target, flow = augmented(
            pair.source.points[rows], pair.target.points, labelled.flow[rows], self.augmentation, self.n_points, rng
        )
        return as_item(source, target, motion=flow, moving=np.linalg.norm(flow, axis=1) > MOVING)


def augmented(
    source: np.ndarray,
    target: np.ndarray,
    flow: np.ndarray,
    how: PointPWCAugmentation,
    n_points: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`n_points` of each cloud, drawn apart so that none has its partner by its row: source, target, flow, float32.

    source (N, 3), target (M, 3), flow (N, 3), metres, z up.
    """
    s, t = (repeated(rng.permutation(len(points))[:n_points], n_points, rng) for points in (source, target))
    turn = rotation(rng.uniform(-how.yaw, how.yaw)) * rng.uniform(*how.scale)
    shift = rng.uniform(-how.shift, how.shift, 3)
    varied = source[s] @ turn.T + shift, target[t] @ turn.T + shift, flow[s] @ turn.T
    first, second, motion = (array.astype(np.float32) for array in varied)
    return first, second, motion
