"""nuScenes, from its own files: the tables v1.0-*/*.json and the sweeps of LIDAR_TOP.

Sources are the annotated sweeps (2 a second), each target is the sweep 0.1 s later; its boxes are interpolated
between the annotations on both sides of it, as the devkit does.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..errors import InputError
from ..settings import Settings
from ..steps.ground import make_ground
from ..transforms import invert, pose_matrix, rigid
from .boxes import Box, flow_of_boxes
from .files import existing, reading, some
from .labelled_pair import ARGOVERSE2, CATEGORIES, LabelledPair, Preparation, labelled_pair

PREPARATION = Preparation(
    'nuScenes: annotated sweeps and the sweep 0.1 s later, boxes interpolated; ground, which has '
    "no label here, by this package's own removal; cones and barriers not scored",
    ARGOVERSE2,
)
_STEP_US = 100_000
_OTHERS = 'bus.bendy bus.rigid construction emergency.ambulance emergency.police trailer truck'
_GROUPS = {
    'vehicle.car': 'car',
    'vehicle.bicycle': 'wheeled_vru',
    'vehicle.motorcycle': 'wheeled_vru',
    'human.pedestrian': 'pedestrian',
    'animal': 'pedestrian',
    **{f'vehicle.{name}': 'other_vehicle' for name in _OTHERS.split()},
}


def _category(name: str) -> int:
    group = next((group for prefix, group in _GROUPS.items() if name.startswith(prefix)), None)
    return CATEGORIES.index(group) if group else -1


class Pairs:
    """Points in the frame of LIDAR_TOP, turned so that x is forward and y left."""

    def __init__(self, root: Path, tables: Path):
        self._root, self._tables = root, tables
        self._ground = make_ground(Settings())
        self._pairs: list[tuple[dict, dict]] = []
        with reading(tables):
            sweeps = self._by_token('sample_data')
            lidars = {row['token'] for row in self._table('sensor') if row['channel'] == 'LIDAR_TOP'}
            mounted = {row['token'] for row in self._table('calibrated_sensor') if row['sensor_token'] in lidars}
            for first in sweeps.values():
                if first['is_key_frame'] and first['calibrated_sensor_token'] in mounted:
                    second = first
                    while second['next'] and second['timestamp'] - first['timestamp'] < 0.9 * _STEP_US:
                        second = sweeps[second['next']]
                    if second['timestamp'] - first['timestamp'] >= 0.9 * _STEP_US:
                        self._pairs.append((first, second))
        self._pairs.sort(key=lambda pair: pair[0]['timestamp'])
        if not self._pairs:
            raise InputError(f'{tables} knows no two sweeps of LIDAR_TOP 0.1 s apart: fetch the sweeps too')

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: int) -> LabelledPair:
        with reading(self._tables):
            return self._labelled(*self._pairs[number])

    def _labelled(self, first: dict, second: dict) -> LabelledPair:
        (source, pose), (target, target_pose) = self._read(first), self._read(second)
        ego = invert(target_pose) @ pose
        boxes, later = {}, {}
        for row in self._annotations.get(first['sample_token'], ()):
            track, kind = row['instance_token'], _category(self._categories[row['instance_token']])
            width, length, height = row['size']
            size = np.array([length, width, height], float)
            boxes[track] = Box(invert(pose) @ pose_matrix(row['translation'], row['rotation']), size, kind)
            if row['next']:
                later[track] = Box(invert(target_pose) @ self._between(row, second['timestamp']), size, kind)
        flow, category = flow_of_boxes(source, boxes, later, ego)
        return labelled_pair(
            first['token'],
            source,
            target,
            flow,
            PREPARATION,
            category=category,
            scored=~self._ground(source.astype(np.float32)),
            target_from_source=ego,
            dt=(second['timestamp'] - first['timestamp']) * 1e-6,
        )

    def _read(self, row: dict) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) of a sweep and the pose (4, 4) world_from_sensor of its turned frame."""
        path = self._root / row['filename']
        try:
            points = np.fromfile(path, np.float32)
        except OSError as error:
            raise InputError(f'{path}: {error.strerror}: fetch the sweeps of LIDAR_TOP too') from None
        if len(points) % 5:
            raise InputError(f'{path} does not hold 5 float32 a point: it is damaged, fetch it again')
        points = points.reshape(-1, 5)[:, :3].astype(np.float64)
        mount, place = self._mounts[row['calibrated_sensor_token']], self._places[row['ego_pose_token']]
        sensor = pose_matrix(mount['translation'], mount['rotation'])
        shifted = rigid(np.eye(3), sensor[:3, 3])  # turned like the vehicle, in the place of the sensor
        return points @ sensor[:3, :3].T, pose_matrix(place['translation'], place['rotation']) @ shifted

    def _between(self, row: dict, stamp_us: int) -> np.ndarray:
        """Pose (4, 4) in the world of an annotated thing at a time until its next annotation."""
        after = self._by_annotation[row['next']]
        times = [self._samples[one['sample_token']]['timestamp'] for one in (row, after)]
        share = np.clip((stamp_us - times[0]) / (times[1] - times[0]), 0.0, 1.0)
        w_first = np.array([row['rotation'], after['rotation']], float)
        turn = Slerp([0, 1], Rotation.from_quat(w_first[:, (1, 2, 3, 0)]))(share)
        place = (1 - share) * np.array(row['translation']) + share * np.array(after['translation'])
        return rigid(turn.as_matrix(), place)

    @cached_property
    def _annotations(self) -> dict[str, list[dict]]:
        found: dict[str, list[dict]] = {}
        for row in self._by_annotation.values():
            found.setdefault(row['sample_token'], []).append(row)
        return found

    @cached_property
    def _categories(self) -> dict[str, str]:
        names = {row['token']: row['name'] for row in self._table('category')}
        return {row['token']: names[row['category_token']] for row in self._table('instance')}

    _by_annotation = cached_property(lambda self: self._by_token('sample_annotation'))
    _samples = cached_property(lambda self: self._by_token('sample'))
    _mounts = cached_property(lambda self: self._by_token('calibrated_sensor'))
    _places = cached_property(lambda self: self._by_token('ego_pose'))

    def _by_token(self, name: str) -> dict[str, dict]:
        return {row['token']: row for row in self._table(name)}

    def _table(self, name: str) -> list[dict]:
        path = self._tables / f'{name}.json'
        try:
            return json.loads(path.read_text())
        except OSError as error:
            raise InputError(f'{path}: {error.strerror}: fetch the metadata of nuScenes again') from None
        except ValueError as error:
            raise InputError(f'{path} is damaged ({error}): fetch the metadata of nuScenes again') from None


def open_at(path: str) -> Pairs:
    """PATH is the folder that holds v1.0-mini/ (or -trainval/), samples/ and sweeps/; of several the first is read."""
    root = existing(path)
    return Pairs(root, some(root.glob('v1.0-*/sample_data.json'), root, 'v1.0-*/sample_data.json')[0].parent)
