"""SF-KITTI (FH-Net): KITTI tracking sweeps with flow from boxes and poses, SCENE/FRAME.npz."""
from __future__ import annotations

import numpy as np

from .files import alike, existing, in_image_axes, read_npz, some
from .labelled_pair import BACKGROUND, UNKNOWN, LabelledPair, Preparation, labelled_pair

PREPARATION = Preparation('SF-KITTI: ground removed on file, all points; foreground is what a box holds, standing or '
                          'not; true ego-motion is fitted to the flow of the background', 'B')


class Pairs:
    """An .npz a pair: pc1, pc2, gt (flow, ego-motion included), fg_index; axes x right, y down, z forward."""

    def __init__(self, files):
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> LabelledPair:
        path = self._files[number]
        data = read_npz(path, ('pc1', 'pc2', 'gt', 'fg_index'))
        source, target, flow = (in_image_axes(data[key][:, :3]) for key in ('pc1', 'pc2', 'gt'))
        foreground = data['fg_index'].reshape(-1).astype(bool)
        alike(path, source, flow, foreground)
        still = ~foreground & np.isfinite(flow).all(axis=1)
        ego = rigid_fit(source[still], source[still] + flow[still]) if still.sum() >= 3 else None
        return labelled_pair(f'{path.parent.name}/{path.stem}', source, target, flow, PREPARATION,
                             category=np.where(foreground, UNKNOWN, BACKGROUND), target_from_source=ego)


def rigid_fit(points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(4, 4) float64 rigid transform that takes `points` (N, 3) to `moved` with least squares (Kabsch)."""
    points, moved = points.astype(np.float64), moved.astype(np.float64)
    middle, moved_middle = points.mean(0), moved.mean(0)
    left, _, right = np.linalg.svd((moved - moved_middle).T @ (points - middle))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = turn, moved_middle - turn @ middle
    return transform


def open_at(path: str) -> Pairs:
    """PATH is the folder of the scenes 0000, 0001, ... with a file a frame."""
    root = existing(path)
    return Pairs(some(root.rglob('*.npz'), root, 'SCENE/FRAME.npz with pc1, pc2, gt and fg_index'))
