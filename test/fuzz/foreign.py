"""Recordings of ROS 1 and of Livox's driver, as their own recorders write them; by rosbags, not by this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterable

import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

LIVOX1, LIVOX2 = 'livox_ros_driver/msg/CustomMsg', 'livox_ros_driver2/msg/CustomMsg'
# As in the drivers' own repositories.
_CUSTOM_MSG = """std_msgs/Header header
uint64 timebase
uint32 point_num
uint8 lidar_id
uint8[3] rsvd
CustomPoint[] points
================================================================================
MSG: {package}/CustomPoint
uint32 offset_time
float32 x
float32 y
float32 z
uint8 reflectivity
uint8 tag
uint8 line
"""


def livox_types(version: int) -> Any:
    """The message types, of ROS 1 (`version` 1) with livox_ros_driver or of ROS 2 with livox_ros_driver2."""
    types = get_typestore(Stores.ROS1_NOETIC if version == 1 else Stores.ROS2_JAZZY)
    type = LIVOX1 if version == 1 else LIVOX2
    types.register(get_types_from_msg(_CUSTOM_MSG.format(package=type.split('/')[0]), type))
    return types


def livox_message(points: np.ndarray, version: int, stamp_ns: int = 1_000_000_000) -> Any:
    """A CustomMsg of points (N, 3) m: 20 microseconds apart, reflectivity and line count up."""
    types = livox_types(version)
    make, package = types.types, (LIVOX1 if version == 1 else LIVOX2).split('/')[0]
    stamp = make['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    number = {'seq': 7} if version == 1 else {}
    return make[f'{package}/msg/CustomMsg'](
        header=make['std_msgs/msg/Header'](stamp=stamp, frame_id='livox_frame', **number),
        timebase=stamp_ns,
        point_num=len(points),
        lidar_id=1,
        rsvd=np.zeros(3, np.uint8),
        points=[
            make[f'{package}/msg/CustomPoint'](20_000 * row, *map(float, point), row % 256, 16, row % 4)
            for row, point in enumerate(points)
        ],
    )


def write_livox(path: Path, clouds: Iterable[np.ndarray], storage: str = 'mcap') -> None:
    """A rosbag2 of CustomMsg, ten a second."""
    types = livox_types(2)
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        topic = writer.add_connection('/livox/lidar', LIVOX2, typestore=types)
        for number, points in enumerate(clouds, 10):
            message = livox_message(points, 2, number * 100_000_000)
            writer.write(topic, number * 100_000_000, types.serialize_cdr(message, LIVOX2))


def write_ros1(
    path: Path,
    messages: Iterable[tuple[str, str, int, Any]],
    compression: str | None = None,
    latched: Iterable[str] = (),
) -> None:
    """A .bag of (topic, type, time ns, message), of which only the header is another in ROS 1."""
    types = livox_types(1)
    types.register(get_types_from_msg('geometry_msgs/TransformStamped[] transforms', 'tf2_msgs/msg/TFMessage'))
    writer = Writer1(path)
    if compression:
        writer.set_compression(Writer1.CompressionFormat[compression])
    with writer:
        known: dict[str, Any] = {}
        for topic, type, time_ns, message in messages:
            if topic not in known:
                known[topic] = writer.add_connection(topic, type, typestore=types, latching=int(topic in latched))
            writer.write(known[topic], time_ns, types.serialize_ros1(_with_seq(message), type))


def _with_seq(message: Any) -> Any:
    """The message of ROS 2 as one of ROS 1, whose headers are numbered."""
    headers = [message, *getattr(message, 'transforms', ())]
    for holder in headers:
        if hasattr(holder, 'header') and not hasattr(holder.header, 'seq'):
            object.__setattr__(holder.header, 'seq', 3)
    return message
