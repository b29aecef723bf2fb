"""KITTI scene flow as HPLFlowNet prepared it (KITTIs): a folder a frame, one-to-one stereo points."""
from __future__ import annotations

from ..errors import InputError
from .correspondence import CorrespondingPairs
from .files import existing, some
from .labelled_pair import Preparation

PREPARATION = Preparation('KITTI scene flow 2015, HPLFlowNet form: the 142 frames of KITTI raw, ground y < -1.4 m cut, '
                          'depth < 35 m in both, 8,192 random points of each; no occlusion; ego-motion left in',
                          'A', 8192)
_UNLISTED = frozenset((0, 1, 4, 5, 6, 82, 87, *range(99, 105), *range(133, 141), *range(151, 155), 156, 165, 166, 167,
                       *range(170, 199)))
"""Of the 200 training frames those that KITTI's devkit does not map to KITTI raw, and nobody scores."""


def open_at(path: str) -> CorrespondingPairs:
    """PATH is the folder of the frames 000000 to 000199 (KITTI_processed_occ_final)."""
    root = existing(path)
    files = some(root.glob('[0-9]*/pc1.npy'), root, 'frames with pc1.npy and pc2.npy (000002/pc1.npy)')
    folders = [file.parent for file in files if file.parent.name.isdigit() and int(file.parent.name) not in _UNLISTED]
    if not folders:
        raise InputError(f'{root} holds none of the 142 frames that are scored: give the folder with all 200 frames')
    return CorrespondingPairs(folders, PREPARATION, ground=-1.4)
