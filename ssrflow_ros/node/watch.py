"""Looks once a second at what commonly goes wrong around the node, and names the cure.

Each line is logged at most every `EVERY` seconds. None of this shows in the clouds themselves: without
these lines the node would just be silent, or be late for a reason that nobody sees.
"""

from __future__ import annotations

import math
import time

from rclpy.node import Node

from ..errors import did_you_mean
from ..formats.topics import NO_FRAME
from .livox_topic import readable_types

POINTS_TYPE = 'sensor_msgs/msg/PointCloud2'
EVERY = 30.0
APART = 10.0
"""Seconds between the stamp of a cloud and this machine's clock that no delay explains."""
PATIENCE = 10.0
"""Seconds after the activation in which clouds and /clock may begin: the launch file plays a bag once it is active."""


class Watch:
    """What it says is about the topic `points` of `node`."""

    def __init__(self, node: Node):
        self._node = node
        self._topic = node.resolve_topic_name('points')
        self._last: dict[str, float] = {}
        self._active_since = math.inf

    def look(self, state: str, age: float | None, frame: str | None = None) -> None:
        """Look around; `state` is that of the lifecycle, `age` the newest cloud's when it came, s, and `frame` its
        frame_id, if one came."""
        if frame == '':
            self._say('frame', f"clouds on '{self._topic}' {NO_FRAME}")
        self._look_at_publishers(state)
        self._active_since = min(self._active_since, time.monotonic()) if state == 'active' else math.inf
        waited = time.monotonic() - self._active_since
        if age is None and waited >= PATIENCE:
            self._look_for_clouds()
        simulated = self._node.get_parameter('use_sim_time').value
        if simulated and self._node.get_clock().now().nanoseconds == 0 and waited >= PATIENCE:
            self._say(
                'clock',
                'use_sim_time is true, but nobody publishes /clock: play the bag with --clock, or set '
                'use_sim_time to false',
            )
        if age is not None and not simulated and abs(age) > APART:
            where = f'{abs(age):.0f} s {"behind" if age > 0 else "ahead of"}'
            self._say(
                'epoch',
                f"the stamps on '{self._topic}' are {where} this machine's clock, so latency means "
                'nothing and poses of other sources do not fit: let the driver stamp with the system '
                'clock or synchronise the sensor (PTP, NTP); for a bag, play it with --clock and set '
                'use_sim_time to true',
            )

    def _look_at_publishers(self, state: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        kinds = {info.topic_type for info in publishers}
        if kinds & {POINTS_TYPE, *readable_types()} and state != 'active':
            step = 'activate' if state == 'inactive' else 'configure'
            self._say(
                state,
                f"clouds are published on '{self._topic}', but the node is {state}: "
                f'ros2 lifecycle set {self._node.get_fully_qualified_name()} {step}',
            )
        for kind in kinds - {POINTS_TYPE, *readable_types()}:
            self._say(kind, f"'{self._topic}' carries {kind}, which this node does not read: {cure_of_type(kind)}")

    def _look_for_clouds(self) -> None:
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        if POINTS_TYPE in {info.topic_type for info in publishers}:
            self._say(
                'silence',
                f"no cloud has come on '{self._topic}' for {PATIENCE:.0f} s, though {len(publishers)} "
                'publish there: see that the driver sends, and what "ssrflow doctor" says of the way',
            )
        elif not publishers:
            others = self._published_clouds()
            cure = (
                f'{did_you_mean(self._topic, others, "name one of them")} (points:=NAME; PointCloud2 topics are '
                f'{", ".join(others)})'
                if others
                else 'no PointCloud2 is published at all: start the LiDAR driver, and see that ROS_DOMAIN_ID and the '
                'discovery range are those of the driver'
            )
            self._say(
                'silence', f"no cloud has come for {PATIENCE:.0f} s, for nobody publishes on '{self._topic}': {cure}"
            )

    def _published_clouds(self) -> list[str]:
        """Topics of clouds that others publish."""
        own = {publisher.topic_name for publisher in self._node.publishers}
        # Not get_publishers_info_by_topic, which follows our remappings: the topic that was meant may be one of them.
        return sorted(
            topic
            for topic, types in self._node.get_topic_names_and_types()
            if POINTS_TYPE in types and self._node.count_publishers(topic) > (topic in own)
        )

    def _say(self, what: str, line: str) -> None:
        now = time.monotonic()
        if now - self._last.get(what, -EVERY) >= EVERY:
            self._last[what] = now
            self._node.get_logger().warning(line)


def cure_of_type(kind: str) -> str:
    """How to get PointCloud2 from a driver that publishes `kind`."""
    if kind.startswith('livox') and kind.endswith('/CustomMsg'):
        return (
            'source the workspace of the Livox driver before this node is started, so that its messages are found, or '
            'set xfer_format to 0 in its launch file, then it publishes PointCloud2'
        )
    return f'feed {POINTS_TYPE}'
