"""Stamps and poses of ROS messages, of rclpy's or of rosbags' making alike."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ..errors import InputError
from ..steps.poses import SensorPoses
from .message_types import Stamped


def stamp_ns(message: Stamped) -> int:
    """Nanoseconds of `message.header.stamp`."""
    stamp = message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def stamp_of(raw: bytes) -> int:
    """Stamp, ns, of a serialized message that begins with its header; InputError if it was cut."""
    # CDR: four bytes that tell the byte order, then the message.
    try:
        seconds, nanoseconds = struct.unpack_from('<iI' if raw[1] & 1 else '>iI', raw, 4)
    except (IndexError, struct.error):
        raise InputError('a message is too short to hold a header: it was cut') from None
    return seconds * 1_000_000_000 + nanoseconds


def pose_of(odometry: Any) -> tuple[int, np.ndarray, np.ndarray]:
    """Of a nav_msgs/Odometry: stamp ns, position (3,) m and quaternion (4,) x y z w."""
    position, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
    return (
        stamp_ns(odometry),
        np.array([position.x, position.y, position.z]),
        np.array([turn.x, turn.y, turn.z, turn.w]),
    )


def push_poses(poses: SensorPoses, message: Any, static: bool = False, recorded_ns: int | None = None) -> None:
    """Note in `poses` what a nav_msgs/Odometry or a tf2_msgs/TFMessage says; `static` if it is of /tf_static.

    recorded_ns  when it was recorded, of a recording.
    """
    if not hasattr(message, 'transforms'):
        poses.push_odometry(message.child_frame_id, *pose_of(message), recorded_ns)
        return
    for item in message.transforms:
        position, turn = item.transform.translation, item.transform.rotation
        poses.push(
            item.header.frame_id,
            item.child_frame_id,
            None if static else stamp_ns(item),
            np.array([position.x, position.y, position.z]),
            np.array([turn.x, turn.y, turn.z, turn.w]),
            recorded_ns,
        )
