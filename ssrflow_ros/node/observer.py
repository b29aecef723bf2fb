"""Listens to a running system for `ssrflow doctor`: topics, who publishes them, and what comes."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import GetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, ReliabilityPolicy, qos_check_compatible
from rclpy.task import Future
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

from ..formats.bags import POINTCLOUD2, TF_MESSAGE, TF_STATIC, BagMessage
from . import qos

NAME = 'ssrflow_doctor'
DISCOVERY = 4.0
SETTLE = 0.5
"""Seconds after which no further topics are waited for: in vain, and once the wanted one is there."""
TYPES = {
    f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}': kind
    for kind in (PointCloud2, Odometry, DiagnosticArray, Clock)
}
try:
    from tf2_msgs.msg import TFMessage

    TYPES[TF_MESSAGE] = TFMessage
except ImportError:
    pass


class Publisher(NamedTuple):
    """node: of whom; reliable: else best effort; deaf: subscribers whose quality of service it does not meet."""

    node: str
    reliable: bool
    deaf: tuple[str, ...]


class Observer:
    """A node that only listens; use as a context manager."""

    def __enter__(self) -> 'Observer':
        self._context = Context()
        self._context.init(args=[])  # Ctrl-C is the caller's
        self._node = Node(NAME, context=self._context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        return self

    def __exit__(self, *exception: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    @property
    def rmw(self) -> str:
        """Name of the middleware, such as 'rmw_fastrtps_cpp'."""
        return get_rmw_implementation_identifier()

    def topics(self, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Type by name of all published topics, a moment after they are `wanted`, or when no more are to be expected.

        If no clouds are published, of those that somebody only listens to as well.
        """
        end = time.monotonic() + DISCOVERY
        while True:
            topics = {name: types[0] for name, types in self._node.get_topic_names_and_types()}
            published = {name: type for name, type in topics.items() if self._node.count_publishers(name)}
            if time.monotonic() > end:
                return published if POINTCLOUD2 in published.values() else topics
            if wanted(published):
                end = min(end, time.monotonic() + SETTLE)  # its neighbours come with it
            self._executor.spin_once(timeout_sec=0.1)

    def publishers(self, topic: str) -> list[Publisher]:
        """Who publishes there."""
        publishers, subscribers = self._endpoints(topic)
        return [
            Publisher(
                _name(info),
                info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
                tuple(_name(other) for other in subscribers if _clash(info, other)),
            )
            for info in publishers
        ]

    def _endpoints(self, topic: str) -> tuple[list, list]:
        """Publishers and subscribers but ourselves, once their nodes are known: these are found out last."""
        end = time.monotonic() + DISCOVERY
        while True:
            publishers = self._node.get_publishers_info_by_topic(topic)
            subscribers = [info for info in self._node.get_subscriptions_info_by_topic(topic) if info.node_name != NAME]
            known = not any('UNKNOWN' in info.node_name for info in publishers + subscribers)
            if known or time.monotonic() > end:
                return publishers, subscribers
            self._executor.spin_once(timeout_sec=0.1)

    def listen(self, topics: dict[str, str], heard: Callable[[BagMessage], None], seconds: float) -> None:
        """Hand every message of `topics` (type by name) to `heard`, with the host's time at which it came."""
        subscriptions = []
        for topic, type in topics.items():

            def keep(raw: bytes, topic: str = topic, type: str = type) -> None:
                heard(BagMessage(topic, type, time.time_ns(), bytes(raw)))

            if type not in TYPES:
                continue  # tf without tf2_msgs
            # Best effort as the flow node, and a queue long enough for what `heard` takes.
            profile = qos.TF_STATIC if topic == TF_STATIC else qos.keep_last(20, ReliabilityPolicy.BEST_EFFORT)
            subscriptions.append(self._node.create_subscription(TYPES[type], topic, keep, profile, raw=True))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)
        for subscription in subscriptions:
            self._node.destroy_subscription(subscription)

    def flow_nodes(self) -> list[str]:
        """Full names of the running flow nodes."""
        return [
            f'{namespace.rstrip("/")}/{node}'
            for node, namespace in self._node.get_node_names_and_namespaces()
            if node == 'ssrflow'
        ]

    def uses_sim_time(self, node: str) -> bool:
        """Whether that node takes the time from /clock; False where it does not answer."""
        client = self._node.create_client(GetParameters, f'{node}/get_parameters')
        if not client.wait_for_service(DISCOVERY):
            return False
        # That we see the node does not say that it sees us yet, and then its answer is lost: ask again.
        futures: list[Future] = []
        end = time.monotonic() + DISCOVERY
        while not any(future.done() for future in futures) and time.monotonic() < end:
            futures.append(client.call_async(GetParameters.Request(names=['use_sim_time'])))
            self._executor.spin_until_future_complete(futures[-1], timeout_sec=1.0)
        return any(value.bool_value for future in futures if future.done() for value in future.result().values)


def _name(info: TopicEndpointInfo) -> str:
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'


def _clash(publisher: TopicEndpointInfo, subscriber: TopicEndpointInfo) -> bool:
    compatible, _ = qos_check_compatible(publisher.qos_profile, subscriber.qos_profile)
    return compatible == QoSCompatibility.ERROR
