"""FlyingThings3D as FlowNet3D prepared it (FT3Do): an .npz a pair, with occlusion masks."""
from __future__ import annotations

from .files import alike, existing, in_image_axes, read_npz, some
from .labelled_pair import LabelledPair, Preparation, labelled_pair

PREPARATION = Preparation('FlyingThings3D, FlowNet3D form (TEST): as on file, 8,192 random points of each, scored '
                          'where the mask says that the point is seen in both frames; ego-motion left in', 'A', 8192)
_ALL_OCCLUDED = {f'TEST_A_{name}-0' for name in (
    '0149_right_0013', '0149_right_0012', '0123_right_0009', '0123_right_0008')}
"""Pairs without a single point that is seen in both frames: everybody leaves them out."""


class MaskedPairs:
    """An .npz a pair: points1, points2, flow, valid_mask1; axes x right, y down, z forward."""

    def __init__(self, files):
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> LabelledPair:
        path = self._files[number]
        data = read_npz(path, ('points1', 'points2', 'flow', 'valid_mask1'))
        source, target, flow = (in_image_axes(data[key][:, :3]) for key in ('points1', 'points2', 'flow'))
        seen = data['valid_mask1'].reshape(-1).astype(bool)
        alike(path, source, flow, seen)
        return labelled_pair(path.stem, source, target, flow, PREPARATION, scored=seen)


def open_at(path: str) -> MaskedPairs:
    """PATH is the folder of the files TEST_*.npz (and TRAIN_*.npz, which are not read)."""
    root = existing(path)
    files = (file for file in root.glob('TEST_*.npz') if file.stem not in _ALL_OCCLUDED)
    return MaskedPairs(some(files, root, 'TEST_*.npz'))
