"""What is read, and how far: as the commands and the node do."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np

from ssrflow_ros.cli.flow import read_pose
from ssrflow_ros.datasets.files import read_npz
from ssrflow_ros.errors import InputError, SSRFlowError
from ssrflow_ros.formats.bags import ODOMETRY, POINTCLOUD2, TF_MESSAGE, TF_STATIC, BagMessage, BagReader
from ssrflow_ros.formats.clouds import read_fields, read_points
from ssrflow_ros.formats.object_cloud import read_objects
from ssrflow_ros.formats.point_times import PointTimes
from ssrflow_ros.formats.pointcloud2 import decode, encode_points, read_field
from ssrflow_ros.formats.stamped import push_poses, stamp_of
from ssrflow_ros.network.weights import load_weights
from ssrflow_ros.settings import Settings
from ssrflow_ros.steps.poses import SensorPoses
from ssrflow_ros.sweep import Sweep, SweepPair
from ssrflow_ros.training.config import TrainingConfig, changed, read_settings

from .mutate import Input

_KINDS = {name.rsplit('/', 1)[1]: name for name in (POINTCLOUD2, ODOMETRY, TF_MESSAGE)}


def check_seeds(seeds: dict[str, list[Input]]) -> None:
    """Read what is good, so that everything is loaded before the first fork; at least one input of each is accepted."""
    for name, inputs in seeds.items():
        read = 0
        for one in inputs:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    READERS[name](one.write(Path(folder))[0])
                    read += 1
                except SSRFlowError:
                    pass
        assert read, f'no good seed of {name}'


def _cloud(path: Path) -> None:
    points = read_points(path)
    _, fields = read_fields(path)
    assert all(len(values) == len(points) for values in fields.values())
    assert points.dtype == np.float32 and points.ndim == 2 and points.shape[1] == 3
    assert np.isfinite(Sweep.from_points(points, 0).points).all()


def _bag(path: Path) -> None:
    with BagReader(path) as bag:
        poses = {method: SensorPoses(Settings(ego_motion=method)) for method in ('odometry', 'tf')}
        for type in (POINTCLOUD2, ODOMETRY):
            _quietly(bag.choose, None, type)
        for message in bag.read(list(bag.topics)):
            _quietly(_message, message, poses)


def _quietly(call: Callable[..., Any], *arguments: Any) -> None:
    """The commands go on after one bad message."""
    try:
        call(*arguments)
    except InputError as error:
        if isinstance(error.__cause__ or error.__context__, MemoryError):
            raise


def _message(message: BagMessage, poses: dict[str, SensorPoses]) -> None:
    if message.type == POINTCLOUD2:
        stamp_of(message.raw)
        cloud = message.read()
        sweep = decode(cloud, 1.0, (-1, -1, -1, 1, 1, 1))
        assert np.isfinite(sweep.points).all() and len(sweep.rows) == len(sweep)
        for field in cloud.fields:
            _quietly(read_field, cloud, field.name)
        _quietly(read_objects, cloud)
        PointTimes()(sweep, cloud)
    elif message.type in (ODOMETRY, TF_MESSAGE):
        read = message.read()
        for known in poses.values():
            push_poses(known, read, static=message.topic == TF_STATIC)


def _one_message(path: Path) -> None:
    """A message, and the motion that two of its kind tell."""
    type = _KINDS[path.name]
    poses = {method: SensorPoses(Settings(ego_motion=method)) for method in ('odometry', 'tf')}
    for topic in ('/topic', TF_STATIC):
        _message(BagMessage(topic, type, 0, path.read_bytes()), poses)
    points = np.ones((3, 3), np.float32)
    pair = SweepPair(Sweep.from_points(points, 100_000_000, 'lidar'), Sweep.from_points(points, 100_000_001, 'lidar'))
    for known in poses.values():
        try:
            motion = known.between(pair)
            assert np.isfinite(motion.target_from_source).all()
        except SSRFlowError:
            pass


def _odd_cloud(path: Path) -> None:
    """A PointCloud2 of which any attribute may be anything, as a program of Python hands it over."""
    made = encode_points(np.ones((4, 3), np.float32), time=np.zeros(4, np.float32))
    stamp = SimpleNamespace(sec=1, nanosec=0)
    header = SimpleNamespace(stamp=stamp, frame_id='lidar')
    cloud = SimpleNamespace(header=header, **{name: getattr(made, name) for name in made.__dataclass_fields__})
    for name, value in _mapping(path).items():
        where, _, last = name.rpartition('.')
        target = {'': cloud, 'stamp': stamp, 'header': header}.get(where)
        if where == 'fields':
            cloud.fields = [
                SimpleNamespace(**{**vars(field), last: value}) if index == 1 else field
                for index, field in enumerate(made.fields)
            ]
        elif target is not None:
            setattr(target, last, bytes(value % 300) if last == 'data' and isinstance(value, int) else value)
    PointTimes()(decode(cloud), cloud)


def _weights(path: Path) -> None:
    loaded = load_weights(str(path))
    assert isinstance(loaded.card, dict)


def _settings(path: Path) -> None:
    config = changed(TrainingConfig(), read_settings(path))
    assert config.network
    json.dumps(config.as_dict())


def _parameters(path: Path) -> None:
    SensorPoses(Settings().replace(**_mapping(path)))


def _mapping(path: Path) -> dict:
    """Values by name, as a program of Python hands them over; damaged JSON is none."""
    try:
        found = json.loads(path.read_text())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


READERS: dict[str, Callable[[Path], None]] = {
    'npy': _cloud,
    'npz': _cloud,
    'bin': _cloud,
    'pcd': _cloud,
    'ply': _cloud,
    'las': _cloud,
    'bag': _bag,
    'ros1_bag': _bag,
    'livox': _bag,
    'weights': _weights,
    'settings': _settings,
    'parameters': _parameters,
    'messages': _one_message,
    'odd_clouds': _odd_cloud,
    'labels': lambda path: read_npz(path, ('pos1', 'pos2', 'flow')),
    'pose': lambda path: read_pose(str(path)),
}
