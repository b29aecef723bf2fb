"""LiDAR-KITTI (Rigid3DSceneFlow): velodyne sweeps of KITTI scene flow, an .npz a pair, no correspondences."""
from __future__ import annotations

import numpy as np

from .files import alike, existing, in_camera_axes, read_npz, some
from .labelled_pair import LabelledPair, Preparation, labelled_pair

PREPARATION = Preparation('LiDAR-KITTI (142 pairs): ground y < -1.4 m cut in each frame by itself, depth < 35 m, '
                          '8,192 random points of each; ego-motion left in', 'A', 8192)
_GROUND, _NEAR = -1.4, 35.0  # metres


class Pairs:
    """An .npz a pair: pc1, pc2, flow, perhaps poses pose_s, pose_t; axes x left, y up, z forward."""

    def __init__(self, files):
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> LabelledPair:
        path = self._files[number]
        data = read_npz(path, ('pc1', 'pc2', 'flow'))
        alike(path, data['pc1'], data['flow'])
        kept1, kept2 = ((points[:, 1] > _GROUND) & (points[:, 2] < _NEAR) for points in (data['pc1'], data['pc2']))
        source, target, flow = (in_camera_axes(data[key][kept, :3]) for key, kept in (
            ('pc1', kept1), ('pc2', kept2), ('flow', kept1)))
        pose = None
        if 'pose_s' in data and 'pose_t' in data:
            pose = np.linalg.inv(data['pose_t']) @ data['pose_s']
            axes = np.eye(4)[[2, 0, 1, 3]]
            pose = axes @ pose @ axes.T
        return labelled_pair(path.stem, source, target, flow, PREPARATION, target_from_source=pose)


def open_at(path: str) -> Pairs:
    """PATH is the folder of the 142 .npz files."""
    root = existing(path)
    return Pairs(some(root.rglob('*.npz'), root, '.npz with pc1, pc2 and flow'))
