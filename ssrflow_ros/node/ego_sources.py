"""Where the ego-motion of a pair comes from, as far as ROS is concerned."""
from __future__ import annotations

from nav_msgs.msg import Odometry
from rclpy.node import Node

from ..errors import EgoMotionError
from ..formats.stamped import pose_of
from ..settings import Settings
from ..steps.odometry import PoseBuffer
from ..sweep import EgoMotion, SweepPair
from . import qos


class EgoSource:
    """The method finds the motion itself; base of those who know it."""

    def between(self, pair: SweepPair) -> EgoMotion | None:
        """The sensor's motion over `pair`; None leaves it to the method. EgoMotionError if it is not known.

        Called in the worker's thread, where it may wait for a message.
        """
        return None

    def reset(self) -> None:
        """Forget what was received."""

    def destroy(self) -> None:
        """Stop listening."""


class OdometrySource(EgoSource):
    """nav_msgs/Odometry of the sensor."""

    def __init__(self, node: Node):
        self._node = node
        self._poses = PoseBuffer()
        self._child_frame = ''
        self._subscription = node.create_subscription(Odometry, 'odometry', self._on_odometry, qos.ODOMETRY)

    def between(self, pair: SweepPair) -> EgoMotion:
        motion, frame_id = self._poses.between(pair), pair.source.frame_id
        if self._child_frame and frame_id and self._child_frame != frame_id:
            raise EgoMotionError(f"the odometry is of '{self._child_frame}', the clouds are in '{frame_id}': feed "
                                 'odometry of the sensor, or set ego_motion to scan_matching')
        return motion

    def destroy(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def _on_odometry(self, message: Odometry) -> None:
        self._child_frame = message.child_frame_id
        self._poses.push(*pose_of(message))


def make_ego_source(node: Node, settings: Settings) -> EgoSource:
    """The source that `settings.ego_motion` names, listening from now on."""
    return OdometrySource(node) if settings.ego_motion == 'odometry' else EgoSource()
