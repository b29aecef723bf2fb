"""Listens to what a flow node publishes, for `ssrflow view --live`."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any, Iterator

from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

from . import qos

NAME = 'ssrflow_view'
_OUTPUTS = (('flow', PointCloud2), ('objects', PointCloud2), ('ego_odometry', Odometry))


class FlowListener:
    """A node that only listens; use as a context manager.

    node  name of the flow node, with its namespace, such as /front/ssrflow.
    """

    def __init__(self, node: str):
        self._of = '/' + node.strip('/')
        self._came: deque[tuple[str, Any]] = deque(maxlen=60)  # the newest: who cannot follow shows fewer

    def __enter__(self) -> 'FlowListener':
        self._context = Context()
        self._context.init(args=[])  # Ctrl-C is the caller's
        self._node = Node(NAME, context=self._context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        for output, kind in _OUTPUTS:
            self._node.create_subscription(kind, f'{self._of}/{output}', partial(self._take, output), qos.OUTPUT)
        return self

    def _take(self, output: str, message: Any) -> None:
        self._came.append((output, message))

    def __exit__(self, *exception: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def messages(self, timeout: float) -> Iterator[tuple[str, Any]]:
        """What has come: (output, message), after waiting for `timeout` s at most."""
        self._executor.spin_once(timeout_sec=timeout)
        while self._came:
            yield self._came.popleft()

    def publishers(self) -> int:
        """How many publish the flow that is listened to."""
        return self._node.count_publishers(f'{self._of}/flow')
