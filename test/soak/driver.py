"""A LiDAR driver, listeners that come and go, and a hand on the node's services."""

from __future__ import annotations

import threading
import time
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from live import loses_nothing
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from ssrflow_ros.formats.stamped import stamp_of
from ssrflow_ros.node import qos

from .account import Account

NAME = 'ssrflow'
"""Of the node, and of its status in the diagnostics."""
ON_ITS_WAY = 10.0
"""Seconds that a cloud may take to the node, and the diagnostics that count it to us."""
DEPTH = 30
EXACT = ['--ros-args', *loses_nothing('/points', depth=DEPTH)]
"""Arguments of a node that loses nothing on the way to it, so that the sums can be exact. By default DDS itself
replaces what a busy process has not taken yet."""


class Driver:
    """Use as a context manager; the callbacks run in a thread of their own."""

    def __init__(self, account: Account):
        self._account = account
        self._context = Context()
        rclpy.init(context=self._context, args=[])
        self._node = Node('soak', context=self._context, use_global_arguments=False)
        sensor = qos.keep_last(DEPTH, ReliabilityPolicy.RELIABLE)
        self._points = self._node.create_publisher(PointCloud2, 'points', sensor)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos.DIAGNOSTICS)
        self._listeners: dict[str, Any] = {}
        self._clients = {
            name: self._node.create_client(kind, f'/{NAME}/{name}')
            for name, kind in (('reset', Trigger), ('set_enabled', SetBool), ('change_state', ChangeState))
        }
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._active = True

    def __enter__(self) -> 'Driver':
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._context.try_shutdown()
        self._thread.join(5.0)

    def connected(self) -> bool:
        """Whether the node hears us."""
        return self._points.get_subscription_count() > 0

    def publish(self, raw: bytes) -> None:
        """Send a serialized cloud."""
        self._account.send(stamp_of(raw), self._active)
        self._points.publish(raw)

    def listen(self, name: str, wanted: bool = True) -> None:
        """Begin or end to hear 'flow' or 'markers'."""
        if wanted and name not in self._listeners:
            kind, heard = (PointCloud2, self._on_flow) if name == 'flow' else (MarkerArray, lambda raw: None)
            self._listeners[name] = self._node.create_subscription(kind, f'/{NAME}/{name}', heard, 5, raw=True)
            self._account.done['listener comes'] += 1
        elif not wanted and name in self._listeners:
            # In the executor's thread: it may be waiting for this subscription.
            gone = self._executor.create_task(self._node.destroy_subscription, self._listeners.pop(name))
            self._wait(gone.done, f'the end of listening to {name}')
            self._account.done['listener goes'] += 1

    def reset(self) -> None:
        self._call('reset', Trigger.Request())

    def set_enabled(self, enabled: bool) -> None:
        self._call('set_enabled', SetBool.Request(data=enabled))

    def change_state(self, transition: int) -> None:
        """A lifecycle transition; until the node hears us again, what is sent is not for it."""
        # What is on its way arrives first, so that the sums can be exact; what is lost never does.
        end = time.monotonic() + ON_ITS_WAY
        while self._account.lost and time.monotonic() < end:
            time.sleep(0.05)
        activating = transition == Transition.TRANSITION_ACTIVATE
        answer = self._call('change_state', ChangeState.Request(transition=Transition(id=transition)))
        assert answer.success, f'transition {transition} was refused'
        self._wait(lambda: self.connected() == activating, 'the subscription to follow the state')
        time.sleep(0.5)
        self._active = activating

    def _call(self, name: str, request: Any) -> Any:
        self._account.done[name] += 1
        future = self._clients[name].call_async(request)
        self._wait(future.done, f'an answer of {name}')
        return future.result()

    def _wait(self, condition, what: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f'waited {seconds:.0f} s in vain for {what}')
            time.sleep(0.01)

    def _on_flow(self, raw: bytes) -> None:
        self._account.hear(stamp_of(raw))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == NAME:
                self._account.node = {pair.key: pair.value for pair in status.values}

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
