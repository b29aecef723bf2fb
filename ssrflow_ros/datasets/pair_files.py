"""Data sets that keep a pair in a file (.npz) or a folder (pc1.npy, pc2.npy): one row of `LAYOUTS` for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..transforms import rigid_fit
from .files import alike, existing, in_threes, read_npy, read_npz, reading, some, yes_or_no
from .labelled_pair import ARGOVERSE2, BACKGROUND, FLOWNET3D, UNKNOWN, LabelledPair, Preparation, labelled_pair

NEAR, GROUND = 35.0, -1.4
"""Metres: depth of stereo points that are kept, and height in a KITTI camera's frame below which the ground is cut."""
LEFT_UP_FORWARD, RIGHT_DOWN_FORWARD, RIGHT_UP_BACKWARD = (1, 1, 1), (1, -1, -1), (-1, -1, 1)
"""Axes on file, as the signs of z, x, y, which are forward, left, up."""

Kept = tuple[Any, Any]  # rows of source and target


def turned(points: np.ndarray, axes: tuple[int, int, int] | None) -> np.ndarray:
    """(N, 3) of `points` (N, 3+) in the given `axes`, as x forward, y left, z up; None: they are these already."""
    return points[:, :3] if axes is None else points[:, (2, 0, 1)] * np.array(axes, points.dtype)


def all_kept(source: np.ndarray, target: np.ndarray) -> Kept:
    """Every row."""
    return slice(None), slice(None)


def near_in_each(source: np.ndarray, target: np.ndarray) -> Kept:
    """What is near, of each cloud by itself."""
    return source[:, 0] < NEAR, target[:, 0] < NEAR


def near_in_both(source: np.ndarray, target: np.ndarray) -> Kept:
    """Rows, which correspond, that are near in both clouds."""
    kept = (source[:, 0] < NEAR) & (target[:, 0] < NEAR)
    return kept, kept


def _near_above_ground_in_each(source: np.ndarray, target: np.ndarray) -> Kept:
    kept, kept_target = ((points[:, 2] > GROUND) & (points[:, 0] < NEAR) for points in (source, target))
    return kept, kept_target


def _near_above_ground_in_both(source: np.ndarray, target: np.ndarray) -> Kept:
    kept = near_in_both(source, target)[0] & ~((source[:, 2] < GROUND) & (target[:, 2] < GROUND))
    return kept, kept


def _nothing_more(data: dict[str, np.ndarray], source: np.ndarray, flow: np.ndarray) -> dict[str, Any]:
    return {}


def _mask(data: dict[str, np.ndarray], source: np.ndarray, flow: np.ndarray) -> dict[str, Any]:
    return {'scored': data['valid_mask1']}


def _foreground(data: dict[str, np.ndarray], source: np.ndarray, flow: np.ndarray) -> dict[str, Any]:
    foreground = data['fg_index']
    still = ~foreground & np.isfinite(source + flow).all(axis=1)
    ego = rigid_fit(source[still], source[still] + flow[still]) if still.sum() >= 3 else None
    return {'category': np.where(foreground, UNKNOWN, BACKGROUND), 'target_from_source': ego}


def _poses(data: dict[str, np.ndarray], source: np.ndarray, flow: np.ndarray) -> dict[str, Any]:
    if 'pose_s' not in data or 'pose_t' not in data:
        return {}
    axes = np.eye(4)[[2, 0, 1, 3]]
    return {'target_from_source': axes @ (np.linalg.inv(data['pose_t']) @ data['pose_s']) @ axes.T}


@dataclass(frozen=True)
class Layout:
    """How a data set keeps its pairs.

    files        pattern of the files below the folder, one a pair; in words: `expected`.
    keys         arrays of a file: source, target; flow, without which rows correspond; a mask of the source's rows.
    axes         on file.
    kept         rows of source and target, x forward, y left, z up, that the protocol keeps.
    truth        further arguments of `labelled_pair`, of the arrays on file and of source and flow in our axes.
    chosen       whether a pair of that name is scored.
    part         folder of those that are scored, where there is one.
    """

    files: str
    expected: str
    preparation: Preparation
    keys: tuple[str, ...]
    axes: tuple[int, int, int] | None = None
    kept: Callable[[np.ndarray, np.ndarray], Kept] = all_kept
    truth: Callable[[dict[str, np.ndarray], np.ndarray, np.ndarray], dict[str, Any]] = _nothing_more
    chosen: Callable[[str], bool] = lambda name: True
    part: str = ''

    def open_at(self, path: str) -> 'PairFiles':
        """PATH is the folder of the files, or that which holds their `part`."""
        root = existing(path)
        root = root / self.part if (root / self.part).is_dir() else root
        files = some(root.glob(self.files), root, self.expected)
        chosen = [file for file in files if self.chosen(_name(file, root))]
        if not chosen:
            raise InputError(f'{root} holds none of the pairs that are scored: give the folder with all of them')
        return PairFiles(root, chosen, self.read)

    def read(self, path: Path, name: str) -> LabelledPair:
        """The pair in a file; InputError if it is damaged or of another layout."""
        if path.suffix == '.npy':
            data = {key: read_npy(path.with_name(f'{key}.npy')) for key in self.keys}
        else:
            data = read_npz(path, self.keys)
        source, target, *flows = (turned(in_threes(key, data[key]), self.axes) for key in self.keys[:3])
        flow = flows[0] if flows else target
        masks = {key: yes_or_no(key, data[key]) for key in self.keys[3:]}
        alike(path, source, flow, *masks.values())
        truth = self.truth({**data, **masks}, source, flow)
        kept, kept_target = self.kept(source, target)
        source, target, flow = source[kept], target[kept_target], flow[kept]
        return labelled_pair(
            name,
            source,
            target,
            flow if flows else target - source,
            self.preparation,
            **{key: value if key == 'target_from_source' else value[kept] for key, value in truth.items()},
        )


class PairFiles:
    """Labelled pairs of a file each, which `read(path, name)` reads."""

    def __init__(self, root: Path, files: Sequence[Path], read: Callable[[Path, str], LabelledPair]):
        self._root, self._files, self._read = root, files, read

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> LabelledPair:
        path = self._files[number]
        with reading(path.parent if path.suffix == '.npy' else path):
            return self._read(path, _name(path, self._root))


def _name(path: Path, root: Path) -> str:
    """That of the file, or of its folder, below `root`."""
    return (path.parent if path.suffix == '.npy' else path.with_suffix('')).relative_to(root).as_posix()


_OCCLUDED = {
    f'TEST_A_{name}-0' for name in ('0149_right_0013', '0149_right_0012', '0123_right_0009', '0123_right_0008')
}
"""Pairs of FT3Do without a single point that is seen in both frames: everybody leaves them out."""
_UNLISTED = frozenset(
    (0, 1, 4, 5, 6, 82, 87, *range(99, 105), *range(133, 141), *range(151, 155), 156, 165, 166, 167, *range(170, 199))
)
"""Of the 200 training frames of KITTI those that its devkit does not map to KITTI raw, and nobody scores."""

LAYOUTS = {
    'ft3ds': Layout(
        '*/pc1.npy',
        'folders with pc1.npy and pc2.npy (val/0000000/pc1.npy)',
        Preparation(
            'FlyingThings3D, HPLFlowNet form (val, 3,824 pairs): x and z negated on load, depth < 35 m in '
            'both, 8,192 random points of each; no occlusion; ego-motion left in',
            FLOWNET3D,
            8192,
        ),
        ('pc1', 'pc2'),
        RIGHT_UP_BACKWARD,
        near_in_both,
        part='val',
    ),
    'ft3do': Layout(
        'TEST_*.npz',
        'TEST_*.npz',
        Preparation(
            'FlyingThings3D, FlowNet3D form (TEST): as on file, 8,192 random points of each, scored where the '
            'mask says that the point is seen in both frames; ego-motion left in',
            FLOWNET3D,
            8192,
        ),
        ('points1', 'points2', 'flow', 'valid_mask1'),
        RIGHT_DOWN_FORWARD,
        truth=_mask,
        chosen=lambda name: name not in _OCCLUDED,
    ),
    'kittis': Layout(
        '[0-9]*/pc1.npy',
        'frames with pc1.npy and pc2.npy (000002/pc1.npy)',
        Preparation(
            'KITTI scene flow 2015, HPLFlowNet form: the 142 frames of KITTI raw, ground y < -1.4 m cut, '
            'depth < 35 m in both, 8,192 random points of each; no occlusion; ego-motion left in',
            FLOWNET3D,
            8192,
        ),
        ('pc1', 'pc2'),
        LEFT_UP_FORWARD,
        _near_above_ground_in_both,
        chosen=lambda name: name.isdecimal() and int(name) not in _UNLISTED,
    ),
    'kittio': Layout(
        '*.npz',
        '.npz with pos1, pos2 and gt',
        Preparation(
            'KITTI scene flow 2015, FlowNet3D form (150 pairs): ground removed on file, depth < 35 m, 8,192 '
            'random points of each; occlusion left in; ego-motion left in',
            FLOWNET3D,
            8192,
        ),
        ('pos1', 'pos2', 'gt'),
        None,
        near_in_each,
    ),
    'lidar_kitti': Layout(
        '**/*.npz',
        '.npz with pc1, pc2 and flow',
        Preparation(
            'LiDAR-KITTI (142 pairs): ground y < -1.4 m cut in each frame by itself, depth < 35 m, 8,192 '
            'random points of each; ego-motion left in',
            FLOWNET3D,
            8192,
        ),
        ('pc1', 'pc2', 'flow'),
        LEFT_UP_FORWARD,
        _near_above_ground_in_each,
        _poses,
    ),
    'sf_kitti': Layout(
        '**/*.npz',
        'SCENE/FRAME.npz with pc1, pc2, gt and fg_index',
        Preparation(
            'SF-KITTI: ground removed on file, all points; foreground is what a box holds, standing or not; '
            'true ego-motion is fitted to the flow of the background',
            ARGOVERSE2,
        ),
        ('pc1', 'pc2', 'gt', 'fg_index'),
        RIGHT_DOWN_FORWARD,
        truth=_foreground,
    ),
}
"""HPLFlowNet's (ft3ds, kittis), FlowNet3D's (ft3do, kittio), Rigid3DSceneFlow's and FH-Net's (sf_kitti)."""
