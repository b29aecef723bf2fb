"""KITTI scene flow as FlowNet3D prepared it (KITTIo): an .npz a pair, ground removed, targets without partners."""
from __future__ import annotations

from .files import alike, existing, read_npz, some
from .labelled_pair import LabelledPair, Preparation, labelled_pair

PREPARATION = Preparation('KITTI scene flow 2015, FlowNet3D form (150 pairs): ground removed on file, depth < 35 m, '
                          '8,192 random points of each; occlusion left in; ego-motion left in', 'A', 8192)
_NEAR = 35.0  # metres of depth


class Pairs:
    """An .npz a pair: pos1, pos2, gt; axes x forward, y left, z up."""

    def __init__(self, files):
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> LabelledPair:
        path = self._files[number]
        data = read_npz(path, ('pos1', 'pos2', 'gt'))
        source, target, flow = (data[key][:, :3] for key in ('pos1', 'pos2', 'gt'))
        alike(path, source, flow)
        near = source[:, 0] < _NEAR
        return labelled_pair(path.stem, source[near], target[target[:, 0] < _NEAR], flow[near], PREPARATION)


def open_at(path: str) -> Pairs:
    """PATH is the folder of the .npz files (kitti_rm_ground)."""
    root = existing(path)
    return Pairs(some(root.glob('*.npz'), root, '.npz with pos1, pos2 and gt'))
