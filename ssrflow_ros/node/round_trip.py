"""Sends clouds over DDS to another process: what the transport of a cloud takes, for `ssrflow bench`.

Another process, because within one Fast DDS hands messages over without any transport.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from typing import IO, Any, Sequence

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ..errors import SSRFlowError
from ..signals import kept_from, with_parent
from . import qos
from .messages import to_pointcloud2

TOPIC = 'ssrflow_round_trip'
TIMEOUT = 60.0
"""Seconds that the listener, or a cloud, may take."""
_ENDING = 5.0  # seconds


def latencies(clouds: Sequence[Any]) -> list[float]:
    """Milliseconds from publishing each of `clouds` (any PointCloud2) to a callback elsewhere on this machine.

    Both ends convert the message, as nodes do. SSRFlowError if there is no way through.
    """
    context = Context()
    context.init(args=[])
    with kept_from(signal.SIGINT):
        ends = with_parent(signal.SIGKILL)
        listener = subprocess.Popen(
            [sys.executable, '-m', __name__], stdout=subprocess.PIPE, text=True, preexec_fn=ends
        )
    try:
        node = Node('ssrflow_sender', context=context, use_global_arguments=False)
        publisher = node.create_publisher(PointCloud2, TOPIC, qos.OUTPUT)
        deadline = time.monotonic() + TIMEOUT
        while not publisher.get_subscription_count():
            if listener.poll() is not None or time.monotonic() > deadline:
                raise SSRFlowError('DDS finds no way to another process of this machine: see "ssrflow doctor"')
            time.sleep(0.05)
        assert listener.stdout is not None  # a pipe
        found = [_send(publisher, to_pointcloud2(cloud, Header()), listener.stdout) for cloud in clouds]
        node.destroy_node()
        return found
    finally:
        listener.terminate()
        try:
            listener.wait(_ENDING)
        except subprocess.TimeoutExpired:  # rclpy may miss a signal while it ends; the listener holds nothing
            listener.kill()
            listener.wait()
        context.try_shutdown()


def _send(publisher: Any, message: PointCloud2, heard_at: IO[str]) -> float:
    begun = time.monotonic()  # one clock for all processes
    publisher.publish(message)
    heard = heard_at.readline() if select.select([heard_at], [], [], TIMEOUT)[0] else ''
    if not heard:
        raise SSRFlowError(
            f'a cloud of {len(message.data)} bytes was lost on its way to another process: see "ssrflow doctor"'
        )
    return 1e3 * (float(heard) - begun)


def _listen() -> None:
    """In the other process: print the time of the monotonic clock, seconds, at which each cloud comes."""
    parent = os.getppid()
    rclpy.init()
    node = Node('ssrflow_listener')
    node.create_subscription(PointCloud2, TOPIC, lambda _: print(time.monotonic(), flush=True), qos.OUTPUT)
    try:
        rclpy.spin(node)
    except Exception:
        # rclpy raises various errors where a signal ends its context in the middle of something.
        if rclpy.ok() and os.getppid() == parent:
            raise
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    _listen()
