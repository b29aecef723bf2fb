"""What goes wrong around the node: each line names the cure."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from live import PATIENCE, LiveNode, Stream, make_cloud, own_network  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from ssrflow_ros.node import watch  # noqa: E402
from ssrflow_ros.node.watch import Watch, cure_of_type  # noqa: E402

POINTS = np.ones((5, 3), np.float32)


@pytest.fixture
def live(tmp_path, request):
    node = LiveNode(tmp_path, arguments=[word for p in request.param for word in ('-p', p)])
    yield node
    node.close()


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize('live', [[]], indirect=True)
def test_incompatible_ends_are_told_with_both_profiles(live):
    live.wait(live.points.get_subscription_count, 'the node to subscribe')
    live.node.create_publisher(PointCloud2, 'points', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    live.wait_for_log(
        "'/points': nothing passes between this node and /driver",
        'published best effort and volatile, asked for reliable and volatile',
    )
    live.node.create_subscription(
        PointCloud2, '/ssrflow/flow', print, QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    live.wait_for_log(
        "'/ssrflow/flow': nothing passes", 'published reliable and volatile, asked for reliable and transient local'
    )


@pytest.mark.parametrize('live', [[]], indirect=True)
def test_another_clock_and_another_type(live):
    live.listen(DiagnosticArray, '/diagnostics')
    live.wait_until_connected()
    live.points.publish(make_cloud(POINTS, time.time_ns()))
    live.wait(lambda: live.diagnostics().get('clouds_in') == '1', 'the cloud to come in')
    heard = len(live.heard['/diagnostics'])
    live.wait(lambda: len(live.heard['/diagnostics']) > heard, 'the node to look around')
    assert 'use_sim_time' not in live.log.read_text(), 'a clock that agrees is not talked about'
    Stream(live).send(make_cloud(POINTS, 0))
    live.wait_for_log("s behind this machine's clock", 'PTP', 'set use_sim_time to true')

    other = Context()
    rclpy.init(context=other, domain_id=int(live.environment['ROS_DOMAIN_ID']))
    driver = rclpy.create_node('other_driver', context=other)
    driver.create_publisher(String, 'points', 1)
    live.wait_for_log("'/points' carries std_msgs/msg/String", 'feed sensor_msgs/msg/PointCloud2')
    driver.destroy_node()
    rclpy.shutdown(context=other)


@pytest.mark.parametrize('live', [['use_sim_time:=true']], indirect=True)
def test_a_simulated_clock_that_nobody_publishes(live):
    live.wait_for_log('nobody publishes /clock', 'play the bag with --clock')


def test_a_bag_may_wait_until_the_node_is_active(monkeypatch):
    now, said = 0.0, []
    node = SimpleNamespace(
        resolve_topic_name=lambda name: f'/{name}',
        get_publishers_info_by_topic=lambda topic: [],
        get_parameter=lambda name: SimpleNamespace(value=True),
        get_clock=lambda: SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0)),
        get_logger=lambda: SimpleNamespace(warning=said.append),
    )
    monkeypatch.setattr(watch.time, 'monotonic', lambda: now)
    looking = watch.Watch(node)
    for state, seconds, expected in (
        ('unconfigured', 60, 0),
        ('inactive', 60, 0),
        ('active', 9, 0),
        ('inactive', 1, 0),
        ('active', 9, 0),
        ('active', 3, 1),
    ):
        for _ in range(seconds):
            now += 1.0
            looking.look(state, 0.0)
        assert len(said) == expected, (state, now)
    assert 'nobody publishes /clock' in said[0]


def test_cure_of_livox():
    assert 'xfer_format to 0' in cure_of_type('livox_ros_driver2/msg/CustomMsg')


@pytest.fixture
def listener(monkeypatch, tmp_path):
    """A node that says nothing but what its watch makes it say, of which it keeps the lines."""
    with own_network(tmp_path) as network:
        for name, value in network.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(watch, 'PATIENCE', 0.0)
        context = Context()
        rclpy.init(context=context)
        node = rclpy.create_node('ssrflow', context=context, cli_args=['--ros-args', '-r', 'points:=/pionts'])
        node.lines = []
        monkeypatch.setattr(node, 'get_logger', lambda: SimpleNamespace(warning=node.lines.append))
        yield node
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_clouds_without_a_frame_are_told_of(listener):
    watching = Watch(listener)
    watching.look('active', 0.01, 'lidar')
    assert not listener.lines
    watching.look('active', 0.01, '')
    watching.look('active', 0.01, '')
    assert listener.lines == [
        "clouds on '/pionts' without a frame_id, so that nothing can be placed: set it in the driver"
    ]


def test_a_misspelt_topic_is_told_of_with_those_there_are(listener):
    listener.create_publisher(PointCloud2, '~/flow', 1)
    watching = Watch(listener)
    watching.look('inactive', None)
    watching.look('active', 0.01)
    assert not listener.lines
    watching.look('active', None)
    assert "nobody publishes on '/pionts': no PointCloud2 is published at all" in listener.lines[0]

    driver = rclpy.create_node('driver', context=listener.context)
    for topic in ('points', 'rear/points'):
        driver.create_publisher(PointCloud2, topic, 1)
    wait_for(lambda: listener.count_publishers('/points') and listener.count_publishers('/rear/points'))
    watching = Watch(listener)
    watching.look('active', None)
    assert "did you mean '/points'? (points:=NAME; PointCloud2 topics are /points, /rear/points)" in listener.lines[1]
    watching.look('active', None)
    assert len(listener.lines) == 2, 'not again within half a minute'

    driver.create_publisher(PointCloud2, 'pionts', 1)
    wait_for(lambda: listener.count_publishers('/pionts'))
    watching = Watch(listener)
    watching.look('active', None)
    assert "no cloud has come on '/pionts' for 0 s, though 1 publish there" in listener.lines[2]
    driver.destroy_node()
