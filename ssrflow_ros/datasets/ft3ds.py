"""FlyingThings3D as HPLFlowNet prepared it (FT3Ds): train/ and val/ with a folder a pair, one-to-one points."""
from __future__ import annotations

from .correspondence import CorrespondingPairs
from .files import existing, some
from .labelled_pair import Preparation

PREPARATION = Preparation('FlyingThings3D, HPLFlowNet form (val, 3,824 pairs): x and z negated on load, depth < 35 m '
                          'in both, 8,192 random points of each; no occlusion; ego-motion left in', 'A', 8192)


def open_at(path: str) -> CorrespondingPairs:
    """PATH is the folder that holds val/, or val/ or train/ itself."""
    root = existing(path)
    folder = root / 'val' if (root / 'val').is_dir() else root
    files = some(folder.glob('*/pc1.npy'), folder, 'folders with pc1.npy and pc2.npy (val/0000000/pc1.npy)')
    return CorrespondingPairs([file.parent for file in files], PREPARATION, signs=(-1, 1, -1))
