"""The doctor on running systems: real publishers over DDS, each with its fault."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from yards import yard

pytest.importorskip('rclpy')
pytest.importorskip('torch')

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from live import LiveNode, make_cloud, own_network  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import LaserScan, PointCloud2  # noqa: E402

from ssrflow_ros.cli.main import main  # noqa: E402
from ssrflow_ros.network.config import PRESETS  # noqa: E402
from ssrflow_ros.network.ssrflow import SSRFlow  # noqa: E402
from ssrflow_ros.network.weights import save_weights  # noqa: E402
from ssrflow_ros.node.distribution import PROFILE_VARIABLES  # noqa: E402

HZ = 5
"""So few that all of three seconds wait for a doctor whom a busy machine holds up."""
SWEEPS = [yard(seed=seed) for seed in range(3)]
COPIES = int(120_000 * 22 / 12 / len(SWEEPS[0]))
"""Copies of a sweep that make a message of the size of a large sensor's."""


class Driver:
    """Publishes clouds at 5 Hz from a thread of its own; use as a context manager.

    held_up  s, by how much the machine has let a cloud wait at most, since it was set to 0.
    """

    def __init__(
        self,
        topics=('points',),
        late_s=0.0,
        large=False,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        odometry=False,
        clock=False,
    ):
        self._late_ns = int(late_s * 1e9)
        self._clouds = [make_cloud(np.tile(points, (COPIES, 1)) if large else points, 0) for points in SWEEPS]
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('driver', context=self.context)
        profile = QoSProfile(depth=5, reliability=reliability, durability=DurabilityPolicy.VOLATILE)
        self._publishers = [self.node.create_publisher(PointCloud2, topic, profile) for topic in topics]
        self._odometry = self.node.create_publisher(Odometry, 'odom', 10) if odometry else None
        if clock:
            self.node.create_publisher(Clock, '/clock', 10)
        self.held_up = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stopping.set()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def _run(self):
        sent, begun_ns = 0, time.time_ns()
        while not self._stopping.wait(max(0.0, (begun_ns - time.time_ns()) * 1e-9 + sent / HZ)):
            self.held_up = max(self.held_up, (time.time_ns() - begun_ns) * 1e-9 - sent / HZ)
            cloud = self._clouds[sent % len(self._clouds)]
            # Stamped as by a sensor: evenly, however busy this machine is.
            stamp = cloud.header.stamp
            stamp.sec, stamp.nanosec = divmod(begun_ns + sent * 1_000_000_000 // HZ - self._late_ns, 1_000_000_000)
            for publisher in self._publishers:
                publisher.publish(cloud)
            if self._odometry:
                message = Odometry(header=cloud.header, child_frame_id='lidar')
                message.pose.pose.orientation.w = 1.0
                self._odometry.publish(message)
            sent += 1


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    save_weights(path, SSRFlow(PRESETS['onboard']), {})
    return str(path)


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A DDS domain of our own."""
    with own_network(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def doctor(network, weights, capsys):
    """Calls `ssrflow doctor`; its exit code and what it says."""

    def call(*arguments, seconds='3'):
        code = main(['doctor', '--weights', weights, '--network-points', '256', '--seconds', seconds, *arguments])
        said = capsys.readouterr()
        assert code != 1, said.err
        return code, said.out

    return call


def undisturbed(driver, call, *arguments):
    """What the doctor says of seconds in which the machine held up neither the driver nor, in its process, him."""
    for _ in range(30):
        driver.held_up = 0.0
        result = call(*arguments)
        if driver.held_up < 1 / HZ:
            return result
    pytest.fail('this machine is too busy for clouds at 5 Hz')


def wrong(said):
    """What is said to be wrong."""
    return [line for line in said.splitlines() if line.startswith('WRONG')]


def test_all_is_well(doctor):
    with Driver() as driver:
        code, said = undisturbed(driver, doctor)
    assert code == 0 and not wrong(said), said
    assert '/points is the only' in said and 'published by /driver (best effort)' in said
    assert 'before this host' in said and 'scan_matching' in said


def test_nobody_is_there(doctor):
    code, said = doctor('--topic', '/points')
    assert code == 2 and "there is no topic '/points'" in wrong(said)[0]


def test_nobody_publishes_but_somebody_listens(doctor):
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    node.create_subscription(PointCloud2, 'points', print, 1)
    try:
        code, said = doctor('--topic', 'points')
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert code == 2 and 'nobody publishes on /points' in wrong(said)[0]


def test_a_silent_publisher_a_scan_and_a_misspelt_name(doctor):
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('driver', context=context)
    node.create_publisher(PointCloud2, 'points', 1)
    node.create_publisher(LaserScan, 'scan', 1)
    try:
        assert 'not one cloud arrived' in wrong(doctor(seconds='0.5')[1])[0]
        assert 'is sensor_msgs/msg/LaserScan' in wrong(doctor('--topic', '/scan')[1])[0]
        assert "did you mean '/points'" in wrong(doctor('--topic', '/pionts')[1])[0]
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_a_topic_that_somebody_only_listens_to_is_none(doctor):
    """Such as that of a flow node whose topic is misspelt."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('ssrflow', context=context)
    node.create_subscription(PointCloud2, 'pionts', print, 1)
    try:
        with Driver():
            assert "there is no topic '/pionts': did you mean '/points'?" in wrong(doctor('--topic', '/pionts')[1])[0]
            assert '/points is the only PointCloud2 topic' in doctor()[1]
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_two_publishers_and_two_topics(doctor):
    with Driver(), Driver():
        code, said = doctor()
        assert code == 2 and any('2 publishers' in line for line in wrong(said)), said
    with Driver(topics=('front', 'rear')):
        assert '--topic: /front, /rear' in wrong(doctor()[1])[0]


def test_sensor_with_a_clock_of_its_own(doctor):
    with Driver(late_s=1e6, clock=True):
        code, said = doctor()
    assert code == 2
    assert any('1000000' in line and 'behind this host' in line for line in wrong(said)), said
    assert any('/clock has a publisher, but is silent' in line for line in wrong(said)), said


def test_odometry(doctor):
    with Driver(odometry=True) as driver:
        code, said = undisturbed(driver, doctor, '--odometry', '/odom')
        assert code == 0 and 'odometry: the sensor moves at 0.0 m/s' in said, said
        assert 'is not there or not one' in wrong(doctor('--odometry', '/odo')[1])[0]


def test_a_node_that_waits_for_a_clock_and_asks_for_too_much(doctor, tmp_path, monkeypatch):
    live = LiveNode(tmp_path, arguments=['-p', 'use_sim_time:=true'])
    try:
        monkeypatch.setenv('ROS_DOMAIN_ID', live.environment['ROS_DOMAIN_ID'])
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        live.node.destroy_publisher(live.points)
        live.wait(lambda: any('no clouds arrive' in status.message for status in live.statuses()), 'the node to warn')
        with Driver():
            code, said = doctor(seconds='6')
    finally:
        live.close()
    assert code == 2
    assert any('/ssrflow hears nothing of /driver' in line for line in wrong(said)), said
    assert any('nobody publishes /clock' in line for line in wrong(said)), said
    assert 'ssrflow says WARN: no clouds arrive' in said


@pytest.mark.slow
def test_loss_of_large_clouds_with_fast_dds_defaults(network, weights, monkeypatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name)
    # Within one process nothing is lost.
    command = [
        sys.executable,
        '-m',
        'ssrflow_ros',
        'doctor',
        '--topic',
        'points',
        '--seconds',
        '5',
        '--weights',
        weights,
        '--network-points',
        '256',
    ]
    with Driver(large=True):
        done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True)
    lost = [line for line in wrong(done.stdout) if ' loss ' in line]
    assert done.returncode == 2 and len(lost) == 1, done.stdout + done.stderr
    assert 'fastdds.xml' in lost[0] and 'in the driver' in lost[0]
