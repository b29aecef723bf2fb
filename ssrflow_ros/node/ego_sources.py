"""Where the ego-motion of a pair comes from, as far as ROS is concerned."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from ..errors import InputError
from ..formats.stamped import push_poses
from ..settings import Settings
from ..steps.ego_motion import POSE_METHODS
from ..steps.poses import SensorPoses
from ..sweep import EgoMotion, SweepPair
from . import qos
from .lifecycle import ManagedNode


class EgoSource:
    """The method finds the motion itself; base of the one that knows it."""

    def between(self, pair: SweepPair) -> EgoMotion | None:
        """The sensor's motion over `pair`; None leaves it to the method. EgoMotionError if it is not known.

        Called in the worker's thread, where it may wait for a message.
        """
        return None

    def mounting_of(self, frame: str) -> np.ndarray | None:
        """(4, 4) pose of the sensor's `frame` on the robot, whose z is up; None as long as it is not known."""
        return None

    def reset(self) -> None:
        """Forget what was received."""

    def destroy(self) -> None:
        """Stop listening."""


class PoseSource(EgoSource):
    """nav_msgs/Odometry of any frame of the robot, or tf; and how the sensor is mounted, from /tf_static.

    /tf and /tf_static are read as they are: tf2_ros is not needed, only its message.
    """

    def __init__(self, node: ManagedNode, settings: Settings, asked_by: str = 'ego_motion tf'):
        """Poses as `settings` ask for; `asked_by` is told where tf cannot be read."""
        self._node = node
        self._poses = SensorPoses(settings)
        self._knows = settings.ego_motion in POSE_METHODS
        by_tf = settings.ego_motion == 'tf'
        self._subscriptions: list[Subscription] = []
        if settings.ego_motion == 'odometry':
            self._listen(Odometry, 'odometry', self._push, qos.ODOMETRY)
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            if by_tf:
                raise InputError(
                    f'{asked_by} needs the package tf2_msgs: install ros-$ROS_DISTRO-tf2-msgs, or choose another '
                    f'{asked_by.split()[0]}'
                ) from None
            return  # the parameter `mounting` says the same
        self._listen(TFMessage, '/tf_static', self._push_static, qos.TF_STATIC)
        if by_tf:
            self._listen(TFMessage, '/tf', self._push, qos.TF)

    def between(self, pair: SweepPair) -> EgoMotion | None:
        return self._poses.between(pair, self._node.settings.pose_wait) if self._knows else None

    def mounting_of(self, frame: str) -> np.ndarray | None:
        return self._poses.mounting_of(frame)

    def at(self, frame: str, stamp_ns: int) -> np.ndarray:
        """(4, 4) pose of the sensor's `frame` in the fixed one; waits and fails as `between`."""
        return self._poses.at(frame, stamp_ns, self._node.settings.pose_wait)

    def reset(self) -> None:
        self._poses.forget()

    def destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _listen(self, kind: type, topic: str, push: Callable[[Any], None], profile: QoSProfile) -> None:
        self._subscriptions.append(
            self._node.create_subscription(
                kind,
                topic,
                push,
                profile,
                event_callbacks=self._node.mismatches.of_subscription(topic),
                qos_overriding_options=qos.overridable(),
            )
        )

    def _push(self, message: Any) -> None:
        push_poses(self._poses, message)

    def _push_static(self, message: Any) -> None:
        push_poses(self._poses, message, static=True)


def make_ego_source(node: ManagedNode) -> EgoSource:
    """The source that the node's settings name by `ego_motion`, `mounting` and `base_frame`, listening from now on."""
    settings = node.settings
    by_tf_static = settings.base_frame and not settings.mounting
    return PoseSource(node, settings) if settings.ego_motion in POSE_METHODS or by_tf_static else EgoSource()
