"""Labelled LiDAR of every layout behind one interface: `open_dataset('kittis:/data/KITTI')`.

A new one is one file with `open_at(path)`, or one row of `pair_files.LAYOUTS`, and one line in `KINDS`. A data set has
a length and gives `LabelledPair`s by number; the files are the user's, nothing is downloaded. What a layout needs
beyond numpy is imported when it is opened.
"""

from __future__ import annotations

import importlib
from typing import Protocol

from ..errors import InputError, did_you_mean
from ..settings import Settings
from .labelled_pair import LabelledPair, Preparation

__all__ = ['KINDS', 'Dataset', 'LabelledPair', 'Preparation', 'open_dataset']

KINDS: dict[str, tuple[str, str]] = {
    'pairs': ('neutral', 'folder of .npz with pc1, pc2, flow, dt, valid, ground1, dynamic, ego_T'),
    'simulated': ('simulated', 'N pairs of the simulator, seeds that no training has seen, e.g. simulated:200'),
    'bag': ('recording', 'any rosbag2; scored if "ssrflow simulate" made it, else judged by nearest neighbours'),
    'ft3ds': ('pair_files', 'FlyingThings3D of HPLFlowNet: val/*/pc1.npy, pc2.npy'),
    'ft3do': ('pair_files', 'FlyingThings3D of FlowNet3D: TEST_*.npz, with occlusion masks'),
    'kittis': ('pair_files', 'KITTI scene flow of HPLFlowNet: 000000/pc1.npy, pc2.npy'),
    'kittio': ('pair_files', 'KITTI scene flow of FlowNet3D, ground removed: *.npz with pos1, pos2, gt'),
    'lidar_kitti': ('pair_files', 'LiDAR-KITTI: *.npz with pc1, pc2, flow, no correspondences'),
    'sf_kitti': ('pair_files', 'SF-KITTI: */*.npz with pc1, pc2, gt, fg_index'),
    'argoverse2': ('argoverse2', 'Argoverse 2 sensor logs: feather sweeps, poses, flow labels or boxes'),
    'nuscenes': ('nuscenes', 'nuScenes: v1.0-*/ tables, samples/ and sweeps/ of LIDAR_TOP'),
}
"""Layouts by name: the module here that reads it, and what it looks like."""


class Dataset(Protocol):
    """Labelled pairs by number, 0 to its length; each is read when it is asked for.

    Units and frames are those of `LabelledPair`. InputError where a pair is damaged.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> LabelledPair: ...


def open_dataset(place: str, settings: Settings = Settings()) -> Dataset:
    """The data set at `place`, 'KIND:PATH'; InputError with cause and cure if there is none.

    settings  of which `deskew`, that sweeps bear the time of each point, and `base_frame`, from where /tf_static leads
              to the sensor, are of recordings alone.
    """
    kind, colon, path = place.partition(':')
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS, f'known are {", ".join(KINDS)}')
        raise InputError(f"{place}: there is no kind of data '{kind}': {hint}; give KIND:PATH")
    if not path:
        raise InputError(f'{place}: the place is missing: give {kind}:PATH ({KINDS[kind][1]})')
    module = importlib.import_module(f'.{KINDS[kind][0]}', __package__)
    if kind == 'bag':
        return module.open_at(path, settings)
    if settings.deskew:
        raise InputError(f'{place}: such data know no time of each point: give a recording (bag:PATH), or no --deskew')
    return getattr(module, 'LAYOUTS', {}).get(kind, module).open_at(path)
