"""Plays clouds over DDS in real time and keeps what the flow node answers: for `ssrflow demo`."""

from __future__ import annotations

import threading
import time
from typing import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from ..formats.bags import FLOW, MARKERS, OBJECTS, TF, TF_STATIC
from ..formats.stamped import stamp_of
from ..formats.topics import OWN
from . import qos
from .replay_record import ReplayRecord

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not on PyPI; the node does without, too
    TFMessage = None

POINTS, ODOMETRY = 'points', 'odometry'
SETTLE, GIVE_UP = 3.0, 60.0
"""Seconds without an answer after which no more are waited for: where the node has no cloud in hand, and anyway."""


def _keep(answers: list[tuple[float, bytes]]) -> Callable[[bytes], None]:
    return lambda raw: answers.append((time.monotonic(), bytes(raw)))


class BagReplay:
    """A driver and a listener for one flow node; use as a context manager."""

    def __init__(self) -> None:
        self.record = ReplayRecord()
        self._heard = self.record.flow, self.record.objects, self.record.markers
        self._told = 0.0
        self._context = Context()

    def __enter__(self) -> 'BagReplay':
        # Ctrl-C is the caller's.
        self._context.init(args=[])
        self._node = Node('ssrflow_bag_replay', context=self._context, use_global_arguments=False)
        driver = qos.keep_last(5, ReliabilityPolicy.BEST_EFFORT)
        self._publishers = {
            POINTS: self._node.create_publisher(PointCloud2, POINTS, driver),
            ODOMETRY: self._node.create_publisher(Odometry, ODOMETRY, qos.OUTPUT),
        }
        if TFMessage is not None:
            self._publishers[TF] = self._node.create_publisher(TFMessage, TF, qos.OUTPUT)
            self._publishers[TF_STATIC] = self._node.create_publisher(TFMessage, TF_STATIC, qos.TF_STATIC)
        kept = qos.keep_last(10, ReliabilityPolicy.RELIABLE)
        # Serialized, so that listening costs next to nothing.
        self._node.create_subscription(PointCloud2, FLOW, _keep(self.record.flow), kept, raw=True)
        self._node.create_subscription(PointCloud2, OBJECTS, _keep(self.record.objects), kept, raw=True)
        self._node.create_subscription(MarkerArray, MARKERS, _keep(self.record.markers), kept, raw=True)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, kept)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.try_shutdown()
        self._thread.join(5.0)
        self._node.destroy_node()

    def connected(self) -> bool:
        """Whether the node hears us and has noticed that we listen to its outputs."""
        return self._publishers[POINTS].get_subscription_count() > 0 and int(
            self.record.diagnostics.get('listeners', 0)
        ) >= len(self._heard)

    def play(self, messages: Iterable[tuple[str, int, bytes]], check: Callable[[], None]) -> None:
        """Publish (topic, time ns, serialized message) when due, then wait for the answers.

        Topics are POINTS, ODOMETRY, TF and TF_STATIC; the last two are left out where there is no tf2_msgs. What was
        recorded before the first cloud is told at once. `check` is called once a message; what it raises ends the play.
        """
        begun_ns = None
        for topic, time_ns, raw in messages:
            if begun_ns is None and topic == POINTS:
                begun, begun_ns = time.monotonic(), time_ns
            if begun_ns is not None:
                time.sleep(max(0.0, begun + (time_ns - begun_ns) * 1e-9 - time.monotonic()))
            check()
            if topic == POINTS:
                self.record.sent[stamp_of(raw)] = time.monotonic()
            if topic in self._publishers:
                self._publishers[topic].publish(raw)
        sent = time.monotonic()
        while not self._settled(sent):
            time.sleep(0.1)
            check()

    def _settled(self, sent: float) -> bool:
        last = max([sent, *(times[-1][0] for times in self._heard if times)])
        values = self.record.diagnostics
        drops = sum(int(value) for key, value in values.items() if key.startswith('drops/'))
        in_hand = int(values['clouds_in']) - int(values['clouds_out']) - drops
        return self._told > last + SETTLE and not in_hand or time.monotonic() > last + GIVE_UP

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in (status for status in message.status if status.name == OWN):
            self._told = time.monotonic()
            self.record.diagnostics = {pair.key: pair.value for pair in status.values}

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
