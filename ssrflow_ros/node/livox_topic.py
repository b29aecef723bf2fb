"""Clouds of a Livox driver that publishes its own message, CustomMsg, where the driver's package is installed."""

from __future__ import annotations

import importlib
from typing import Any, Callable

from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ..errors import InputError
from . import qos
from .messages import to_pointcloud2

TYPES = ('livox_ros_driver2/msg/CustomMsg', 'livox_ros_driver/msg/CustomMsg')


def readable_types() -> tuple[str, ...]:
    """Those of TYPES whose package is installed."""
    return tuple(type for type in TYPES if _message_class(type) is not None)


def subscribe(
    node: Any, topic: str, push: Callable[[PointCloud2], None], refuse: Callable[[InputError], None]
) -> list[Any]:
    """Subscriptions of `node` to CustomMsg on `topic`, each of which becomes a PointCloud2 for `push`.

    refuse  is told of a message that is damaged.
    """
    subscriptions = []
    for type in readable_types():
        from ..formats.livox import CustomMessages

        messages = CustomMessages.of_driver(type)

        def take(raw: bytes, messages: CustomMessages = messages) -> None:
            try:
                stamp_ns, frame_id, cloud = messages.cloud(raw)
            except InputError as error:
                refuse(error)
                return
            header = Header(frame_id=frame_id)
            header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
            push(to_pointcloud2(cloud, header))

        # Serialized: as objects of Python the points of a sweep would take longer than the sweep.
        subscriptions.append(node.create_subscription(_message_class(type), topic, take, qos.POINTS, raw=True))
    return subscriptions


def _message_class(type: str) -> Any:
    package, _, name = type.split('/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name, None)
    except ImportError:
        return None
