"""Messages of `rosbags`: the counterpart of `node/messages.py`."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from rosbags.interfaces import Nodetype

from .messages import Messages
from .typestore import typestore as typestore


def to_header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    stamp = _type('builtin_interfaces/msg/Time')(sec=seconds, nanosec=nanoseconds)
    return _type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame_id)


def to_odometry(world_from_sensor: np.ndarray, stamp_ns: int, frame_id: str, child_frame_id: str) -> Any:
    """nav_msgs/Odometry of a (4, 4) pose; the twist is left zero."""
    return _MESSAGES.odometry(to_header(stamp_ns, frame_id), child_frame_id, world_from_sensor)


def _type(name: str) -> Callable[..., Any]:
    """Makes messages of that type as rclpy does: fields that are not given are zero or empty."""
    kind, (_, fields) = typestore().types[name], typestore().fielddefs[name]
    return lambda **given: kind(**{field: given[field] if field in given else _zero(*what) for field, what in fields})


def _zero(kind: Nodetype, what: Any) -> Any:
    if kind == Nodetype.NAME:
        return _type(what)()
    if kind == Nodetype.BASE:
        return '' if what[0] == 'string' else np.zeros(1, what[0])[0].item()
    (its_kind, its_type), count = what  # an array, or a sequence, which is empty
    if its_kind == Nodetype.BASE and its_type[0] != 'string':
        return np.zeros(count, its_type[0])
    return [_zero(its_kind, its_type) for _ in range(count)]


_MESSAGES = Messages(_type)
to_pointcloud2, to_marker_array = _MESSAGES.pointcloud2, _MESSAGES.marker_array
to_ego_odometry = _MESSAGES.ego_odometry
