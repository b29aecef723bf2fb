"""`~/objects` and its further forms, of the real node over DDS."""

import importlib.util

import numpy as np
import pytest

pytest.importorskip('rclpy')

from live import LiveNode, make_cloud  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from stand_in_node import SPEED, TRACK, VARIANCE  # noqa: E402

from ssrflow_ros.formats.object_cloud import read_objects  # noqa: E402

POINTS = np.random.default_rng(3).uniform(-30, 30, (300, 3)).astype(np.float32)
OBJECTS = '/ssrflow/objects'
FIRST_NS = 1_700_000_000_000_000_000


def _send(live, points, number):
    """Publish the cloud of that number; sweeps are 0.1 s apart."""
    cloud = make_cloud(points, FIRST_NS + number * 100_000_000)
    live.points.publish(cloud)
    return cloud


def test_a_lone_listener_of_objects_hears_them(tmp_path):
    live = LiveNode(tmp_path)
    try:
        live.listen(PointCloud2, OBJECTS)
        live.wait_until_connected()
        _send(live, POINTS[::-1], 0)
        sent = _send(live, POINTS, 1)
        message = live.hear(OBJECTS, sent)
        assert message.header == sent.header
        (row,) = read_objects(message)
        ahead = POINTS[POINTS[:, 0] > 0]
        np.testing.assert_allclose(row['velocity'], [SPEED, 0, 0])
        np.testing.assert_allclose(row['centre'], (ahead.min(axis=0) + ahead.max(axis=0)) / 2, rtol=1e-6)
        np.testing.assert_allclose(row['velocity_covariance'], VARIANCE * np.eye(3))
        assert np.isnan(row['position_covariance']).all()
        assert (row['id'], row['track_id'], row['n_points']) == (0, TRACK, len(ahead))

        for number, points in ((2, POINTS[:0]), (3, POINTS[POINTS[:, 0] < 0])):
            sent = _send(live, points, number)
            nothing = live.hear(OBJECTS, sent)
            assert nothing.header == sent.header and nothing.width == 0
            assert len(nothing.fields) == len(message.fields)
    finally:
        live.close()


@pytest.mark.skipif(importlib.util.find_spec('vision_msgs') is not None, reason='vision_msgs is installed')
def test_messages_of_a_missing_package_are_refused_with_the_cure(tmp_path):
    live = LiveNode(tmp_path, arguments=['-p', 'object_messages:=vision'])
    try:
        assert live.ended() == 1
        log = live.log.read_text()
        assert 'vision_msgs, which is not installed: sudo apt install' in log and 'Traceback' not in log
    finally:
        live.close()


@pytest.mark.parametrize(
    'choice, topic, package, kind',
    [
        ('vision', 'detections', 'vision_msgs', 'Detection3DArray'),
        ('autoware', 'detected_objects', 'autoware_perception_msgs', 'DetectedObjects'),
    ],
)
def test_an_installed_package_gets_its_topic(tmp_path, choice, topic, package, kind):
    messages = pytest.importorskip(f'{package}.msg', reason='comes with ROS only')
    live = LiveNode(tmp_path, arguments=['-p', f'object_messages:={choice}'])
    try:
        live.listen(getattr(messages, kind), f'/ssrflow/{topic}')
        live.wait_until_connected()
        for number in range(2):
            _send(live, POINTS + np.float32(number), number)
        live.wait(lambda: live.heard[f'/ssrflow/{topic}'], f'{topic}')
    finally:
        live.close()
