"""Talks over DDS to a flow node that runs in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from array import array
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import PointCloud2, PointField

from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.pointcloud2 import decode
from ssrflow_ros.node.distribution import this_machine_only, with_profile
from ssrflow_ros.node.domain import reserved_domain

TEST = Path(__file__).resolve().parent
STAND_IN = [sys.executable, str(TEST / 'stand_in_node.py')]
OF_THE_NETWORK = {**this_machine_only(), **with_profile(str(TEST.parent / 'config' / 'fastdds.xml'))}
STAND_INS = [] if find_spec('tf2_msgs') else [str(TEST / 'stand_ins')]
REAL = [sys.executable, '-m', 'ssrflow_ros.node.flow_node']

PATIENCE = 120.0
"""Seconds after which what must come is missed: many, for a test on a busy machine waits longer and fails no sooner."""
DEPTH = 100
"""Messages for which there is room between us and a node that loses nothing."""


def loses_nothing(*topics, depth=DEPTH):
    """Arguments of a node that hears all that is sent on `topics`; by default it is best effort and keeps two."""
    return [
        word
        for topic in topics
        for rule in ('reliability:=reliable', f'depth:={depth}')
        for word in ('-p', f'qos_overrides.{topic}.subscription.{rule}')
    ]


@contextmanager
def own_network(folder):
    """Environment that keeps a test to this machine, to a DDS domain and to a log folder of its own."""
    path = os.pathsep.join(filter(None, [str(TEST.parent), *STAND_INS, os.environ.get('PYTHONPATH')]))
    with reserved_domain() as domain:
        yield {
            **os.environ,
            'ROS_DOMAIN_ID': str(domain),
            'ROS_LOG_DIR': str(folder),
            **OF_THE_NETWORK,
            'GOMP_SPINCOUNT': '0',
            'PYTHONPATH': path,
        }


class LiveNode:
    """The node as a child process, and a ROS node of ours that feeds it and hears it.

    name  of the node, with its namespace; its status bears it too.
    inputs  topics of which it loses nothing, for tests that count.
    """

    def __init__(self, folder, command=STAND_IN, arguments=(), name='/ssrflow', inputs=('/points',)):
        self.name = name
        self._network = ExitStack()
        self.environment = self._network.enter_context(own_network(folder))
        self.log = Path(folder) / 'node.log'
        renamed = [] if name.endswith('/ssrflow') else ['-r', f'__node:={name.split("/")[-1]}']
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [*command, '--ros-args', *renamed, *loses_nothing(*inputs), *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        os.environ.update({name: self.environment[name] for name in ('ROS_LOG_DIR', *OF_THE_NETWORK)})
        self.context = Context()
        rclpy.init(context=self.context, domain_id=int(self.environment['ROS_DOMAIN_ID']))
        self.node = rclpy.create_node('driver', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard = defaultdict(list)
        self.points = self.node.create_publisher(PointCloud2, 'points', DEPTH)
        self._clients = {}

    def listen(self, kind, topic):
        """Keep every message of `topic` in `heard[topic]`."""
        return self.node.create_subscription(kind, topic, self.heard[topic].append, 10)

    def wait(self, condition, what, again=None):
        """Spin until `condition()` holds; otherwise fail with the node's log.

        again  called at once and then every second, to send anew what may be lost on its way.
        """
        begun, due = time.monotonic(), 0.0
        while not condition():
            waited = time.monotonic() - begun
            assert self.process.poll() is None, f'the node ended early:\n{self.log.read_text()}'
            assert waited < PATIENCE, f'waited in vain for {what}:\n{self.log.read_text()}'
            if again is not None and waited >= due:
                again()
                due = waited + 1.0
            self.executor.spin_once(timeout_sec=0.05)

    def wait_for_log(self, *words):
        """Wait until a line of the node's log holds all of `words`."""
        self.wait(
            lambda: any(all(word in line for word in words) for line in self.log.read_text().splitlines()),
            f'a line with {words}',
        )

    def wait_until_connected(self):
        """Wait until the node and we know each other: our clouds reach it, and we hear whatever we listen to."""
        self.wait(self.points.get_subscription_count, 'the node to subscribe')
        for topic in self.heard:
            self.wait(lambda topic=topic: self.node.count_publishers(topic), f'a publisher of {topic}')
        self.wait_until_known()

    def wait_until_known(self):
        """Wait until the node knows every publisher, subscription and client that we have.

        That we see the node does not say that it sees us, and what is sent in between may be lost without a word.
        DDS announces what a process has in the order in which it was made, so whoever answers a client that was made
        last knows all that was made before. A lost answer is asked for again.
        """
        client = self.node.create_client(GetParameters, f'{self.name}/get_parameters')
        answers = []
        self.wait(client.service_is_ready, f'the services of {self.name}')
        self.wait(
            lambda: any(answer.done() for answer in answers),
            f'an answer of {self.name}',
            again=lambda: answers.append(client.call_async(GetParameters.Request())),
        )
        self.node.destroy_client(client)

    def spin(self, seconds):
        """Spin for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def hear(self, topic, sent):
        """The message on `topic` that bears the stamp of the message `sent`."""

        def answers():
            return [message for message in self.heard[topic] if stamp_of(message) == stamp_of(sent)]

        self.wait(answers, f'{topic} of the message sent')
        return answers()[0]

    def call(self, kind, name, request):
        """Answer of a service."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
            self.wait(self._clients[name].service_is_ready, f'the service {name}')
            self.wait_until_known()
        future = self._clients[name].call_async(request)
        self.wait(future.done, f'an answer of {name}')
        return future.result()

    def diagnostics(self):
        """Values of the node's newest status."""
        statuses = self.statuses()
        return {entry.key: entry.value for entry in statuses[-1].values} if statuses else {}

    def statuses(self):
        """What the node, and no other one, has said of itself; `/diagnostics` must be listened to."""
        own = self.name.strip('/')
        return [status for message in self.heard['/diagnostics'] for status in message.status if status.name == own]

    def ended(self):
        """Exit code of a node that ends by itself."""
        return self.process.wait(PATIENCE)

    def stop(self, with_signal=signal.SIGINT):
        """End the node; its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(PATIENCE)

    def close(self):
        """Leave nothing behind, whatever happened."""
        if self.process.poll() is None:
            self.process.terminate()  # a killed one would leave its shared memory in /dev/shm
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        self.context.destroy()
        self._network.close()


class Stream:
    """Clouds with rising stamps, 0.1 s apart; every test goes on where the last one stopped.

    As of a sensor no sweep has the very points of the one before: what is only sent has a value moved, what is heard
    has not.
    """

    def __init__(self, live):
        self.live = live
        self.stamp_ns = 1_700_000_000_123_456_789
        self.sent, self.last = 0, None

    def send(self, message, exactly=False):
        """Publish `message` with the next stamp."""
        self.sent += 1
        try:
            points = decode(message).points
            if len(points) and not exactly:
                field = next(field for field in message.fields if field.name == 'y')
                message.data[field.offset + (1 if field.datatype == PointField.FLOAT32 else 5)] ^= 1 + self.sent % 7
            if len(points):
                self.last = points if exactly else None
        except InputError:
            pass  # dropped
        self.stamp_ns += 100_000_000
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.stamp_ns, 1_000_000_000)
        self.live.points.publish(message)
        self.live.spin(0.03)
        return message

    def send_and_hear(self, message, topic='/ssrflow/flow'):
        """The node's answer to `message`: the one with its stamp; `message` goes out as it is."""
        try:
            if self.last is not None and np.array_equal(self.last, decode(message).points):
                self.send(deepcopy(message))
        except InputError:
            pass
        return self.live.hear(topic, self.send(message, exactly=True))


def stamp_of(message):
    """Stamp of a message with a header, or of the first of its markers."""
    header = message.header if hasattr(message, 'header') else message.markers[0].header
    return header.stamp.sec, header.stamp.nanosec


def make_cloud(points, stamp_ns, frame_id='lidar', dtype=np.float32, **extra):
    """A PointCloud2 of `points` (N, 3) with further float32 columns."""
    names = ['x', 'y', 'z', *extra]
    rows = np.zeros(len(points), [(name, dtype if name in 'xyz' else np.float32) for name in names])
    for name, column in zip(names, [*np.asarray(points).T, *extra.values()], strict=True):
        rows[name] = column
    message = PointCloud2(height=1, width=len(rows), point_step=rows.itemsize, row_step=rows.nbytes, is_dense=True)
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    codes = {np.dtype(np.float32): PointField.FLOAT32, np.dtype(np.float64): PointField.FLOAT64}
    message.fields = [
        PointField(name=name, offset=rows.dtype.fields[name][1], datatype=codes[rows.dtype[name]], count=1)
        for name in names
    ]
    data = array('B')
    data.frombytes(rows.tobytes())
    message.data = data
    return message
