"""Stamps and poses of ROS messages, of rclpy's or of rosbags' making alike."""
from __future__ import annotations

from typing import Any

import numpy as np


def stamp_ns(message: Any) -> int:
    """Nanoseconds of `message.header.stamp`."""
    stamp = message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def pose_of(odometry: Any) -> tuple[int, np.ndarray, np.ndarray]:
    """Of a nav_msgs/Odometry: stamp ns, position (3,) m and quaternion (4,) x y z w."""
    position, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
    return (stamp_ns(odometry), np.array([position.x, position.y, position.z]),
            np.array([turn.x, turn.y, turn.z, turn.w]))
