"""Between the package's own objects and rclpy messages."""

from __future__ import annotations

import importlib
from array import array
from typing import Any, Callable

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from ..formats.messages import Messages
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair


def _type(name: str) -> Callable[..., Any]:
    package, _, kind = name.split('/')
    made = getattr(importlib.import_module(f'{package}.msg'), kind)
    return _pointcloud2 if made is PointCloud2 else made


def _pointcloud2(data: np.ndarray, **fields: Any) -> PointCloud2:
    message = PointCloud2(**fields)
    # rclpy checks every byte of anything but an array of bytes: assigning numpy takes 600 times as long.
    of_bytes = array('B')
    of_bytes.frombytes(data.data)
    message.data = of_bytes
    return message


MESSAGES = Messages(_type)
to_pointcloud2 = MESSAGES.pointcloud2


def ego_odometry(flow: FlowField, source: PointCloud2) -> Odometry:
    """The sensor's own motion up to `source`, as `Messages.ego_odometry` has it."""
    return MESSAGES.ego_odometry(flow, source.header)


def delete_all() -> MarkerArray:
    """Wipes every marker of a topic."""
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])


def empty_flow(sweep: Sweep) -> FlowField:
    """The flow of a `sweep` without a point, for which no partner is needed."""
    before = Sweep(sweep.points, sweep.stamp_ns - 1, sweep.frame_id, sweep.rows, sweep.n_rows)
    nothing, none = np.empty((0, 3), np.float32), np.empty(0, bool)
    return FlowField(
        SweepPair(sweep, before),
        EgoMotion(np.eye(4), 'none'),
        flow=nothing,
        velocity=nothing,
        moving=none,
        ground=none,
        object_ids=np.empty(0, np.int32),
    )
