"""Pairs in the neutral form: a folder of .npz that say themselves what they hold.

pc1 (N, 3), pc2 (M, 3) m; flow (N, 3) m, the sensor's motion included, nan where unlabelled; dt s; and, where known,
valid (N), dynamic (N) moves by itself, ground1 (N), in_box (N) foreground, ego_T (4, 4) maps pc1's frame into pc2's,
note. Axes x forward, y left, z up, unless the note says "camera axes" (x left, y up, z forward). A note with "stereo"
or "camera axes" makes it one of the FlowNet3D protocol.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .files import alike, existing, in_threes, read_npz, some, yes_or_no
from .labelled_pair import ARGOVERSE2, BACKGROUND, FLOWNET3D, UNKNOWN, LabelledPair, Preparation, labelled_pair
from .pair_files import LEFT_UP_FORWARD, PairFiles, near_in_both, near_in_each, turned

LIDAR = Preparation('neutral pairs: all labelled points but the ground', ARGOVERSE2)
STEREO = Preparation(
    'neutral pairs of stereo points: ground cut on both sides by its label, depth < 35 m, '
    '8,192 random points of each; ego-motion left in',
    FLOWNET3D,
    8192,
)


def read(path: Path, name: str) -> LabelledPair:
    """The pair in a file; InputError if it is damaged or of another layout."""
    data = read_npz(path, ('pc1', 'pc2', 'flow', 'dt'))
    note, dt = str(data.get('note', '')), data['dt'].item()
    source, target, flow = (in_threes(key, data[key]) for key in ('pc1', 'pc2', 'flow'))
    valid, ground, dynamic, in_box = (
        yes_or_no(key, data.get(key, np.full(len(source), default)))
        for key, default in (('valid', True), ('ground1', False), ('dynamic', False), ('in_box', False))
    )
    alike(path, source, flow, valid, ground, dynamic, in_box)
    scored = valid & ~ground
    if 'stereo' in note or 'camera axes' in note:
        # Ground and far points are no part of the FlowNet3D protocol: they are cut, not only left unscored.
        axes = LEFT_UP_FORWARD if 'camera axes' in note else None
        source, target, flow = (turned(points, axes) for points in (source, target, flow))
        if len(source) == len(target):  # stereo points correspond row by row, so the label holds for both
            kept = kept_target = near_in_both(source, target)[0] & scored
        else:
            kept, kept_target = near_in_each(source, target)
        return labelled_pair(name, source[kept], target[kept_target], flow[kept], STEREO, scored=scored[kept], dt=dt)
    foreground = np.where(dynamic | in_box, UNKNOWN, BACKGROUND)
    return labelled_pair(
        name,
        source,
        target,
        flow,
        LIDAR,
        scored=scored,
        moving=dynamic if 'dynamic' in data else None,
        category=foreground if 'dynamic' in data or 'in_box' in data else None,
        target_from_source=data.get('ego_T'),
        dt=dt,
    )


def open_at(path: str) -> PairFiles:
    """PATH is the folder of the .npz files."""
    root = existing(path)
    return PairFiles(root, some(root.glob('*.npz'), root, '.npz with pc1, pc2, flow and dt'), read)
