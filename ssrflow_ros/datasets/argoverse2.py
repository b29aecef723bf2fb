"""Argoverse 2 sensor logs: feather sweeps, poses, and flow labels or, without them, boxes.

LOG/sensors/lidar/STAMP.feather          x y z, in the vehicle's frame
LOG/city_SE3_egovehicle.feather          poses of the vehicle
LOG/calibration/egovehicle_SE3_sensor.feather
LOG/annotations.feather                  boxes
LOG/map/*_ground_height_surface____*.npy, *img_Sim2_city.json
SPLIT_sceneflow_feather/LOG/STAMP.feather   flow_tx_m flow_ty_m flow_tz_m is_valid classes_0 (beside the split)
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..array_files import load_npy
from ..errors import InputError
from ..transforms import invert, pose_matrix, transformed
from .boxes import Box, flow_of_boxes
from .files import alike, existing, reading, some
from .labelled_pair import ARGOVERSE2, BACKGROUND, CATEGORIES, LabelledPair, Preparation, labelled_pair

PREPARATION = Preparation(
    "Argoverse 2: ground by the map's height (0.4 m) cut from the score, points seen from the "
    'upper LiDAR; road signs and animals are in EPE3D but in no category',
    ARGOVERSE2,
)
_ON_GROUND = 0.4  # metres above the map's ground, as the published scorer
_LIDAR = 'up_lidar'
_NAMES = (
    'ANIMAL ARTICULATED_BUS BICYCLE BICYCLIST BOLLARD BOX_TRUCK BUS CONSTRUCTION_BARREL CONSTRUCTION_CONE DOG '
    'LARGE_VEHICLE MESSAGE_BOARD_TRAILER MOBILE_PEDESTRIAN_CROSSING_SIGN MOTORCYCLE MOTORCYCLIST '
    'OFFICIAL_SIGNALER PEDESTRIAN RAILED_VEHICLE REGULAR_VEHICLE SCHOOL_BUS SIGN STOP_SIGN STROLLER '
    'TRAFFIC_LIGHT_TRAILER TRUCK TRUCK_CAB VEHICULAR_TRAILER WHEELCHAIR WHEELED_DEVICE WHEELED_RIDER'
).split()
_GROUPS = {
    'car': 'REGULAR_VEHICLE',
    'pedestrian': 'PEDESTRIAN STROLLER WHEELCHAIR OFFICIAL_SIGNALER',
    'wheeled_vru': 'BICYCLE BICYCLIST MOTORCYCLE MOTORCYCLIST WHEELED_DEVICE WHEELED_RIDER',
    'other_vehicle': 'BOX_TRUCK LARGE_VEHICLE RAILED_VEHICLE TRUCK TRUCK_CAB VEHICULAR_TRAILER '
    'ARTICULATED_BUS BUS SCHOOL_BUS',
}
_CATEGORY = {name: CATEGORIES.index(group) for group, names in _GROUPS.items() for name in names.split()}
# The last entry serves index -1, the background; signs and animals are not scored.
_CATEGORY_OF_INDEX = np.array([_CATEGORY.get(name, -1) for name in _NAMES] + [BACKGROUND], np.int8)


class Logs:
    """The pairs of neighbouring sweeps of some logs, 0.1 s apart; points in the frame of the upper LiDAR."""

    def __init__(self, logs: list[Path]):
        self._pairs = [(log, *two) for log in logs for two in _neighbours(log)]
        self._tables: tuple[Path, dict] | None = None

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: int) -> LabelledPair:
        log, *stamps = self._pairs[number]
        with reading(log):
            return self._labelled(log, *stamps)

    def _labelled(self, log: Path, first: int, second: int) -> LabelledPair:
        if not self._tables or self._tables[0] != log:
            self._tables = log, _read_log(log)
        tables = self._tables[1]
        sensor, poses = tables['sensor'], tables['poses']
        missing = [stamp for stamp in (first, second) if stamp not in poses]
        if missing:
            raise InputError(f'{log}: city_SE3_egovehicle.feather has no pose at {missing[0]}: fetch the log again')
        ego = invert(poses[second]) @ poses[first]
        source, target = (_xyz(log / 'sensors' / 'lidar' / f'{stamp}.feather', 'xyz') for stamp in (first, second))
        flow, category = _stored_flow(log, first, source, ego) or _flow_of_annotations(
            log, tables, source, first, second, ego
        )
        into, out = invert(sensor), sensor
        points, others = (transformed(cloud, into) for cloud in (source, target))
        return labelled_pair(
            f'{log.name}/{first}',
            points,
            others,
            flow @ into[:3, :3].T,
            PREPARATION,
            scored=~_on_ground(source, poses[first], tables['map']),
            category=category,
            target_from_source=into @ ego @ out,
            dt=(second - first) * 1e-9,
        )


def _neighbours(log: Path) -> list[tuple[int, int]]:
    stamps = sorted(int(file.stem) for file in (log / 'sensors' / 'lidar').glob('*.feather') if file.stem.isdecimal())
    return list(zip(stamps, stamps[1:]))


def _stored_flow(log: Path, stamp: int, points: np.ndarray, ego: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Flow with the sensor's motion and categories from the stored labels, or None if there are none."""
    file = log.parent.with_name(f'{log.parent.name}_sceneflow_feather') / log.name / f'{stamp}.feather'
    if not file.exists():
        return None
    table = _feather(file, ('flow_tx_m', 'flow_ty_m', 'flow_tz_m', 'is_valid', 'classes_0'))
    flow = np.stack([table[f'flow_t{axis}_m'] for axis in 'xyz'], axis=1).astype(np.float64)
    alike(file, points, flow)
    index = table['classes_0'].astype(np.int64)
    background = (index == -1) & table['is_valid'].astype(bool)
    rigid = transformed(points, ego - np.eye(4))
    # Two forms are about: with the vehicle's own motion and without. The background tells which this is.
    left_in = background.any() and (
        np.linalg.norm(flow - rigid, axis=1)[background].mean() < np.linalg.norm(flow, axis=1)[background].mean()
    )
    if not left_in:
        flow = transformed(points + flow, ego) - points
    flow[~table['is_valid'].astype(bool)] = np.nan
    return flow, _CATEGORY_OF_INDEX[index]


def _flow_of_annotations(
    log: Path, tables: dict, points: np.ndarray, first: int, second: int, ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    boxes = tables['boxes']
    if not boxes:
        raise InputError(f'{log} has neither flow labels nor annotations.feather: only the splits train and val do')
    return flow_of_boxes(points, boxes.get(first, {}), boxes.get(second, {}), ego)


def _read_log(log: Path) -> dict:
    """Poses by stamp, pose of the LiDAR on the vehicle, boxes by stamp and track, map of the ground."""
    rows = _feather(log / 'city_SE3_egovehicle.feather', ('timestamp_ns', *_POSE))
    poses = {int(stamp): pose for stamp, pose in zip(rows['timestamp_ns'], _poses(rows))}
    rows = _feather(log / 'calibration' / 'egovehicle_SE3_sensor.feather', ('sensor_name', *_POSE))
    sensors = dict(zip(rows['sensor_name'], _poses(rows)))
    if _LIDAR not in sensors:
        raise InputError(f'{log}: the calibration knows no {_LIDAR}: fetch the log again')
    boxes: dict[int, dict[str, Box]] = {}
    if (log / 'annotations.feather').exists():
        size = ('length_m', 'width_m', 'height_m')
        rows = _feather(log / 'annotations.feather', ('timestamp_ns', 'track_uuid', 'category', *size, *_POSE))
        for stamp, track, category, *extent, pose in zip(
            *(rows[name] for name in ('timestamp_ns', 'track_uuid', 'category', *size)), _poses(rows)
        ):
            boxes.setdefault(int(stamp), {})[track] = Box(pose, np.array(extent), _CATEGORY.get(category, -1))
    return {'poses': poses, 'sensor': sensors[_LIDAR], 'boxes': boxes, 'map': _read_map(log)}


def _read_map(log: Path) -> tuple[np.ndarray, dict]:
    heights = sorted((log / 'map').glob('*_ground_height_surface____*.npy'))
    places = sorted((log / 'map').glob('*img_Sim2_city.json'))
    if len(heights) != 1 or len(places) != 1:
        raise InputError(
            f'{log}/map holds no height of the ground (*_ground_height_surface____*.npy and '
            '*img_Sim2_city.json): fetch the map of the log too'
        )
    return load_npy(heights[0]), json.loads(places[0].read_text())


def _on_ground(points: np.ndarray, pose: np.ndarray, ground_map: tuple[np.ndarray, dict]) -> np.ndarray:
    """(N,) bool: at most 0.4 m above the map's ground, or below it; False where the map has none."""
    heights, place = ground_map
    city = transformed(points, pose)
    turn, shift, scale = np.reshape(place['R'], (2, 2)), np.array(place['t']), float(place['s'])
    column, row = np.round((city[:, :2] @ turn.T + shift) * scale).astype(np.int64).T
    inside = (column >= 0) & (row >= 0) & (column < heights.shape[1]) & (row < heights.shape[0])
    above = np.full(len(points), np.nan)
    above[inside] = city[inside, 2] - heights[row[inside], column[inside]]
    return above <= _ON_GROUND


_POSE = ('tx_m', 'ty_m', 'tz_m', 'qw', 'qx', 'qy', 'qz')


def _poses(rows: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [pose_matrix(row[:3], row[3:]) for row in zip(*(rows[name] for name in _POSE))]


def _xyz(path: Path, columns: str) -> np.ndarray:
    table = _feather(path, tuple(columns))
    return np.stack([table[name] for name in columns], axis=1).astype(np.float64)


def _feather(path: Path, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        from pyarrow import ArrowException, feather
    except ImportError:
        raise InputError('Argoverse 2 logs are feather files, which pyarrow reads: pip install pyarrow') from None
    try:
        table = feather.read_table(path, columns=list(columns))
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(f'{path} cannot be read ({str(error).splitlines()[0]}): fetch the log again') from None
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise InputError(f'{path} has no column {", ".join(missing)}: it is of another layout')
    return {name: table[name].to_numpy() for name in columns}


def open_at(path: str) -> Logs:
    """PATH is one log, or a folder of logs (train/ or val/)."""
    root = existing(path)
    logs = (
        [root]
        if (root / 'sensors' / 'lidar').is_dir()
        else some(
            (folder.parents[1] for folder in root.glob('*/sensors/lidar')), root, 'logs with sensors/lidar/*.feather'
        )
    )
    return Logs(logs)
