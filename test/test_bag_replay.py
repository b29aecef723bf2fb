"""What the demo plays to the node, heard over DDS."""

import time

import pytest

pytest.importorskip('rclpy')

from geometry_msgs.msg import TransformStamped  # noqa: E402
from live import PATIENCE, own_network  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402

from ssrflow_ros.formats.bags import TF_STATIC  # noqa: E402
from ssrflow_ros.node import bag_replay, qos  # noqa: E402


@pytest.fixture
def replay(tmp_path, monkeypatch):
    """One that knows transforms, whether tf2_msgs is here or not, and waits for nobody's answer."""
    monkeypatch.setattr(bag_replay, 'TFMessage', TransformStamped)
    with own_network(tmp_path) as environment:
        for name in ('ROS_DOMAIN_ID', 'ROS_LOG_DIR'):
            monkeypatch.setenv(name, environment[name])
        with bag_replay.BagReplay() as replay:
            monkeypatch.setattr(replay, '_settled', lambda sent: True)
            yield replay


def test_a_static_transform_is_told_at_once_and_reaches_who_comes_late(replay):
    raw = bytes(serialize_message(TransformStamped(child_frame_id='lidar')))
    begun = time.monotonic()
    replay.play([(TF_STATIC, 0, raw), (bag_replay.POINTS, 3600 * 10**9, cloud(1.0))], check=lambda: None)
    assert time.monotonic() - begun < PATIENCE, 'it was recorded an hour before the first cloud'
    assert [*replay.record.sent] == [10**9], 'only clouds are to be answered'
    heard, context = [], Context()
    context.init(args=[])
    node = Node('late', context=context, use_global_arguments=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.create_subscription(TransformStamped, TF_STATIC, heard.append, qos.TF_STATIC)
    try:
        end = time.monotonic() + PATIENCE
        while not heard and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
    finally:
        node.destroy_node()
        context.try_shutdown()
    assert [message.child_frame_id for message in heard] == ['lidar']


def test_without_tf2_msgs_transforms_are_left_out(replay):
    del replay._publishers[TF_STATIC]
    replay.play([(TF_STATIC, 0, b''), (bag_replay.POINTS, 0, cloud(2.0))], check=lambda: None)
    assert [*replay.record.sent] == [2 * 10**9]


def cloud(seconds):
    message = PointCloud2()
    message.header.stamp.sec = int(seconds)
    return bytes(serialize_message(message))
