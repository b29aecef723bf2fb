"""Pairs in HPLFlowNet's form: pc1.npy and pc2.npy whose rows correspond; flow is their difference."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from .files import alike, in_camera_axes, read_npy
from .labelled_pair import LabelledPair, Preparation, labelled_pair

_NEAR = 35.0  # metres of depth


class CorrespondingPairs:
    """A folder a pair; axes on file, after `signs`: x left, y up, z forward."""

    def __init__(self, folders: Sequence[Path], preparation: Preparation, signs: tuple[int, int, int] = (1, 1, 1),
                 ground: float = -np.inf):
        """`ground`: rows lower than this (m) in both clouds are cut."""
        self._folders, self._preparation, self._signs, self._ground = folders, preparation, signs, ground

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, number: int) -> LabelledPair:
        folder = self._folders[number]
        pc1, pc2 = (read_npy(folder / name) * np.array(self._signs, np.float32) for name in ('pc1.npy', 'pc2.npy'))
        alike(folder, pc1, pc2)
        ground = (pc1[:, 1] < self._ground) & (pc2[:, 1] < self._ground)
        near = (pc1[:, 2] < _NEAR) & (pc2[:, 2] < _NEAR)
        source, target = (in_camera_axes(points[~ground & near]) for points in (pc1, pc2))
        return labelled_pair(folder.name, source, target, target - source, self._preparation)
