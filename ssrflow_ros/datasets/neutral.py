"""Pairs in the neutral form: a folder of .npz that say themselves what they hold.

pc1 (N, 3), pc2 (M, 3) m; flow (N, 3) m, the sensor's motion included, nan where unlabelled; dt s; and, where known,
valid (N), dynamic (N) moves by itself, ground1 (N), in_box (N) foreground, ego_T (4, 4) maps pc1's frame into pc2's,
note. Axes x forward, y left, z up, unless the note says "camera axes" (x left, y up, z forward). A note with "stereo"
or "camera axes" makes it a pair of world A.
"""
from __future__ import annotations

import numpy as np

from .files import alike, existing, in_camera_axes, read_npz, some
from .labelled_pair import BACKGROUND, UNKNOWN, LabelledPair, Preparation, labelled_pair

LIDAR = Preparation('neutral pairs: all labelled points but the ground', 'B')
STEREO = Preparation('neutral pairs of stereo points: ground cut on both sides by its label, depth < 35 m, '
                     '8,192 random points of each; ego-motion left in', 'A', 8192)
_NEAR = 35.0  # metres of depth


class Pairs:
    """An .npz a pair."""

    def __init__(self, files):
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> LabelledPair:
        path = self._files[number]
        data = read_npz(path, ('pc1', 'pc2', 'flow', 'dt'))
        n, note = len(data['pc1']), str(data.get('note', ''))
        valid, ground, dynamic, in_box = (
            data.get(key, np.full(n, default)).astype(bool)
            for key, default in (('valid', True), ('ground1', False), ('dynamic', False), ('in_box', False)))
        alike(path, data['pc1'], data['flow'], valid, ground, dynamic, in_box)
        if 'stereo' in note or 'camera axes' in note:
            return self._stereo(path.stem, data, valid & ~ground, 'camera axes' in note)
        foreground = np.where(dynamic | in_box, UNKNOWN, BACKGROUND)
        return labelled_pair(path.stem, data['pc1'], data['pc2'], data['flow'], LIDAR, scored=valid & ~ground,
                             moving=dynamic if 'dynamic' in data else None,
                             category=foreground if 'dynamic' in data or 'in_box' in data else None,
                             target_from_source=data.get('ego_T'), dt=float(data['dt']))

    def _stereo(self, name: str, data: dict, scored: np.ndarray, camera_axes: bool) -> LabelledPair:
        """Ground and far points are no part of world A: they are cut, not only left unscored."""
        source, target, flow = (data[key] for key in ('pc1', 'pc2', 'flow'))
        if camera_axes:
            source, target, flow = (in_camera_axes(points) for points in (source, target, flow))
        kept, kept_target = (source[:, 0] < _NEAR), (target[:, 0] < _NEAR)
        if len(source) == len(target):  # stereo points correspond row by row, so the label holds for both
            kept = kept_target = scored & kept & kept_target
        return labelled_pair(name, source[kept], target[kept_target], flow[kept], STEREO, scored=scored[kept],
                             dt=float(data['dt']))


def open_at(path: str) -> Pairs:
    """PATH is the folder of the .npz files."""
    root = existing(path)
    return Pairs(some(root.glob('*.npz'), root, '.npz with pc1, pc2, flow and dt'))
