"""Livox's own message, from recordings and live: the clouds that its driver would publish as PointCloud2."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rosbags')

from fuzz.foreign import LIVOX1, LIVOX2, livox_message, livox_types, write_livox, write_ros1

from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.bags import POINTCLOUD2, BagReader
from ssrflow_ros.formats.livox import CustomMessages
from ssrflow_ros.formats.point_times import PointTimes
from ssrflow_ros.formats.pointcloud2 import decode, read_field

POINTS = np.random.default_rng(0).uniform(-20, 20, (301, 3)).astype(np.float32)


def assert_is_it(cloud, stamp_ns):
    sweep = decode(cloud)
    assert np.array_equal(sweep.points, POINTS) and sweep.stamp_ns == stamp_ns and sweep.frame_id == 'livox_frame'
    assert read_field(cloud, 'intensity').tolist() == [float(row % 256) for row in range(len(POINTS))]
    assert read_field(cloud, 'line').tolist() == [row % 4 for row in range(len(POINTS))]
    assert set(read_field(cloud, 'tag')) == {16}
    times = PointTimes()(sweep, cloud).times
    np.testing.assert_allclose(times, np.arange(len(POINTS)) * 20e-6, atol=1e-7)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_recording_of_ros_2(tmp_path, storage):
    write_livox(tmp_path / 'drive', [POINTS, POINTS[:0], POINTS], storage)
    with BagReader(tmp_path / 'drive') as bag:
        assert bag.topics == {'/livox/lidar': (POINTCLOUD2, 3)} and bag.choose(None, POINTCLOUD2) == '/livox/lidar'
        first, empty, last = [message.read() for message in bag.read(['/livox/lidar'])]
    assert_is_it(first, 1_000_000_000)
    assert_is_it(last, 1_200_000_000)
    assert len(decode(empty)) == 0


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_a_recording_of_ros_1(tmp_path, compression):
    write_ros1(
        tmp_path / 'a.bag', [('/livox/lidar', LIVOX1, 5, livox_message(POINTS, 1, 3_000_000_000))] * 2, compression
    )
    with BagReader(tmp_path / 'a.bag') as bag:
        assert bag.topics == {'/livox/lidar': (POINTCLOUD2, 2)}
        for message in bag.read(['/livox/lidar']):
            assert_is_it(message.read(), 3_000_000_000)


def serialized(points=POINTS, stamp_ns=1_000_000_000):
    return bytes(livox_types(2).serialize_cdr(livox_message(points, 2, stamp_ns), LIVOX2))


def test_every_cut_is_noticed():
    messages, raw = CustomMessages.of_driver(LIVOX2), serialized()
    for end in (0, 3, 4, 10, 30, 60, len(raw) // 2, len(raw) - 1):
        with pytest.raises(InputError, match='CustomMsg'):
            messages.cloud(raw[:end])


def test_another_definition_is_refused():
    types = SimpleNamespace(fielddefs={LIVOX2: ([], [('header', (1, 'x'))])})
    with pytest.raises(InputError, match='defined otherwise'):
        CustomMessages(LIVOX2, types)


def test_live_where_the_package_is_there(monkeypatch):
    pytest.importorskip('rclpy')
    from ssrflow_ros.node import livox_topic
    from ssrflow_ros.node.watch import cure_of_type

    assert livox_topic.readable_types() == () and livox_topic.subscribe(None, 'points', None, None) == []
    package = ModuleType('livox_ros_driver2.msg')
    package.CustomMsg = type('CustomMsg', (), {})
    monkeypatch.setitem(sys.modules, 'livox_ros_driver2', ModuleType('livox_ros_driver2'))
    monkeypatch.setitem(sys.modules, 'livox_ros_driver2.msg', package)
    asked, pushed, refused = [], [], []
    node = SimpleNamespace(create_subscription=lambda *asks, **more: asked.append((asks, more)))
    assert len(livox_topic.subscribe(node, 'points', pushed.append, refused.append)) == 1
    (kind, topic, take, _), more = asked[0]
    assert (kind, topic, more) == (package.CustomMsg, 'points', {'raw': True})
    take(serialized())
    assert_is_it(pushed[0], 1_000_000_000)
    take(serialized()[:-40])
    assert len(pushed) == 1 and 'damaged' in str(refused[0])
    assert livox_topic.readable_types() == (LIVOX2,) and 'xfer_format to 0' in cure_of_type(LIVOX2)
