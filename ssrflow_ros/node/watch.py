"""Looks once a second at what commonly goes wrong around the node, and names the cure.

Each line is logged at most every `EVERY` seconds. None of this shows in the clouds themselves: without
these lines the node would just be silent, or be late for a reason that nobody sees.
"""
from __future__ import annotations

import math
import time

from rclpy.node import Node

POINTS_TYPE = 'sensor_msgs/msg/PointCloud2'
EVERY = 30.0
APART = 10.0
"""Seconds between the stamp of a cloud and this machine's clock that no delay explains."""
CLOCK_WITHIN = 10.0
"""Seconds after the activation in which /clock may begin: the launch file plays a bag once the node is active."""


class Watch:
    """What it says is about the topic `points` of `node`."""

    def __init__(self, node: Node):
        self._node = node
        self._topic = node.resolve_topic_name('points')
        self._last: dict[str, float] = {}
        self._active_since = math.inf

    def look(self, state: str, age: float | None) -> None:
        """Look around; `state` is that of the lifecycle, `age` the newest cloud's when it came, s, if one came."""
        self._look_at_publishers(state)
        self._active_since = min(self._active_since, time.monotonic()) if state == 'active' else math.inf
        simulated = self._node.get_parameter('use_sim_time').value
        if (simulated and self._node.get_clock().now().nanoseconds == 0
                and time.monotonic() - self._active_since >= CLOCK_WITHIN):
            self._say('clock', 'use_sim_time is true, but nobody publishes /clock: play the bag with --clock, or set '
                               'use_sim_time to false')
        if age is not None and not simulated and abs(age) > APART:
            where = f'{abs(age):.0f} s {"behind" if age > 0 else "ahead of"}'
            self._say('epoch', f"the stamps on '{self._topic}' are {where} this machine's clock, so latency means "
                               'nothing and poses of other sources do not fit: let the driver stamp with the system '
                               'clock or synchronise the sensor (PTP, NTP); for a bag, play it with --clock and set '
                               'use_sim_time to true')

    def _look_at_publishers(self, state: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        kinds = {info.topic_type for info in publishers}
        if POINTS_TYPE in kinds and state != 'active':
            step = 'activate' if state == 'inactive' else 'configure'
            self._say(state, f"clouds are published on '{self._topic}', but the node is {state}: "
                             f'ros2 lifecycle set {self._node.get_fully_qualified_name()} {step}')
        for kind in kinds - {POINTS_TYPE}:
            self._say(kind, f"'{self._topic}' carries {kind}, which this node does not read: {cure_of_type(kind)}")

    def _say(self, what: str, line: str) -> None:
        now = time.monotonic()
        if now - self._last.get(what, -EVERY) >= EVERY:
            self._last[what] = now
            self._node.get_logger().warning(line)


def cure_of_type(kind: str) -> str:
    """How to get PointCloud2 from a driver that publishes `kind`."""
    if kind.startswith('livox') and kind.endswith('/CustomMsg'):
        return 'set xfer_format to 0 in the launch file of the Livox driver, then it publishes PointCloud2'
    return f'feed {POINTS_TYPE}'
