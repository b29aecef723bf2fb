"""Clouds without, and with only, what moves: any layout to the byte, in the order of the clouds, of each a message."""

import importlib.util
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layouts import DRIVERS, WIDTH, cloud_of
from test_moving_points import START_NS, flow_of, walker
from test_pointcloud2 import layouts, message

from ssrflow_ros.formats.pointcloud2 import decode, pack, read_field, with_only
from ssrflow_ros.sweep import Sweep


def rows_of(cloud):
    """(n, point_step) bytes of each point."""
    rows = np.zeros((cloud.height, cloud.row_step), np.uint8)
    rows.reshape(-1)[: len(cloud.data)] = cloud.data  # the padding behind the last row may be left out
    return rows[:, : cloud.width * cloud.point_step].reshape(-1, cloud.point_step)


@given(layouts(), st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_is_kept_is_kept_to_the_byte_and_the_rest_is_gone(drawn, seed, organised, dense):
    cloud = message(drawn[0], is_dense=dense)
    before, n = cloud.data.copy(), cloud.height * cloud.width
    kept = np.random.default_rng(seed).random(n) < np.random.default_rng(seed).choice([0.0, 0.5, 1.0])
    parts = [with_only(cloud, rows, organised) for rows in (kept, ~kept)]
    np.testing.assert_array_equal(cloud.data, before)
    for part, rows in zip(parts, (kept, ~kept)):
        assert part.fields == cloud.fields and part.is_bigendian == cloud.is_bigendian
        assert part.point_step == cloud.point_step
        if organised and cloud.height > 1:
            assert (part.height, part.width, part.row_step) == (cloud.height, cloud.width, cloud.row_step)
            assert len(part.data) == len(cloud.data)
            np.testing.assert_array_equal(rows_of(part)[rows], rows_of(cloud)[rows])
            assert part.is_dense == (dense and rows.all())
            for name in ('x', 'y', 'z'):
                gone = read_field(message(part), name)[~rows]
                assert np.isnan(gone).all() if gone.dtype.kind == 'f' else not gone.any()
            for name in ('intensity', 'ring'):
                np.testing.assert_array_equal(read_field(message(part), name), read_field(cloud, name))
        else:
            assert (part.height, part.width, part.row_step) == (1, rows.sum(), rows.sum() * cloud.point_step)
            np.testing.assert_array_equal(rows_of(part), rows_of(cloud)[rows])
            assert part.is_dense == dense
    if not (organised and cloud.height > 1):
        assert sum(part.width for part in parts) == n


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('driver', DRIVERS)
def test_drivers(driver, big):
    cloud, values = cloud_of(driver, big)
    cloud.is_dense = True
    kept = np.arange(cloud.height * WIDTH) % 3 > 0
    part = message(with_only(cloud, kept))
    assert [field.name for field in part.fields] == [field.name for field in cloud.fields]
    for name, column in values.items():
        np.testing.assert_array_equal(read_field(part, name), column[kept])


def test_an_empty_cloud_stays_as_it_is():
    for cloud in (message(pack({name: np.zeros(0, np.float32) for name in 'xyz'})), message(with_nothing())):
        part = with_only(cloud, np.zeros(0, bool))
        assert (part.height, part.width, len(part.data)) == (cloud.height, cloud.width, 0)


def with_nothing():
    """As drivers send when they see nothing: no field, no step."""
    return SimpleNamespace(
        height=0, width=0, fields=(), point_step=0, row_step=0, data=b'', is_bigendian=False, is_dense=True
    )


# --- in the order of the clouds ------------------------------------------------------------------------


@pytest.fixture
def split():
    pytest.importorskip('rclpy')
    from ssrflow_ros.node.split_clouds import SplitClouds

    node = SimpleNamespace(settings=SimpleNamespace(static_margin=0.2), is_heard=True)
    told = []
    clouds = SplitClouds(
        node, lambda cloud, moving: told.append((cloud.number, moving().tolist())), lambda: node.is_heard
    )
    return clouds, told, node


POINT = walker(velocity=(0, 0, 0)).centre + np.zeros((1, 3))


def numbered(number):
    """A cloud of one point, and its sweep."""
    return SimpleNamespace(number=number), Sweep.from_points(POINT, START_NS + number * 100_000_000, 'lidar')


def test_every_cloud_comes_in_order_and_those_without_flow_know_of_the_one_before(split):
    clouds, told, _ = split
    items = [numbered(number) for number in range(5)]
    clouds.expect(*items[0])
    clouds.settle(items[0][0])  # the first one
    assert told == [(0, [False])]
    for item in items[1:]:
        clouds.expect(*item)
    clouds.settle(items[2][0])  # given up while the flow of the one before it is still made
    clouds.settle(items[3][0])
    assert len(told) == 1
    clouds.settle(items[1][0], flow_of(POINT, [walker(velocity=(0, 0, 0))], number=1))
    assert told[1:] == [(1, [True]), (2, [True]), (3, [True])]
    clouds.reset()
    clouds.settle(items[4][0])
    assert told[4:] == [(4, [False])], 'forgotten'


def test_a_cloud_that_takes_too_long_holds_back_no_more_than_thirty(split):
    clouds, told, _ = split
    items = [numbered(number) for number in range(40)]
    for item in items:
        clouds.expect(*item)
    assert [number for number, _ in told] == list(range(10))
    clouds.settle(items[0][0], flow_of(POINT))
    assert len(told) == 10, 'it was told without'


def test_what_nobody_listens_to_is_not_kept_and_who_comes_is_told_of_what_moved_before(split):
    clouds, told, node = split
    node.is_heard, held = False, []
    for number in range(2):
        cloud, sweep = numbered(number)
        held.append(weakref.ref(sweep))
        clouds.expect(cloud, sweep)
    del sweep
    assert [sweep() for sweep in held] == [None, None]
    node.is_heard, (late, sweep) = True, numbered(2)
    clouds.expect(late, sweep)
    clouds.settle(cloud, flow_of(POINT, [walker(velocity=(0, 0, 0))], number=1))
    clouds.settle(late)
    assert told == [(2, [True])]


# --- over DDS --------------------------------------------------------------------------------------------

STATIC, MOVING, FLOW = '/ssrflow/static', '/ssrflow/moving', '/ssrflow/flow'


@pytest.fixture
def live(tmp_path):
    if importlib.util.find_spec('rclpy') is None:
        pytest.skip('needs rclpy')
    from live import LiveNode
    from sensor_msgs.msg import PointCloud2

    node = LiveNode(tmp_path, arguments=['-p', 'static_margin:=0.0'])
    try:
        for topic in (STATIC, MOVING):
            node.listen(PointCloud2, topic)
        node.wait_until_connected()
        yield node
    finally:
        node.close()


def test_every_cloud_is_split_live_also_the_first_and_one_without_flow(live):
    """The stand-in says of what lies at x > 0 that it moves, as one object, and fails at 13 points."""
    from copy import deepcopy

    from live import make_cloud, stamp_of
    from stand_in_node import FAILS_AT, SPEED

    rng = np.random.default_rng(5)
    points = rng.uniform(-9, 9, (200, 3)).astype(np.float32)
    points[7] = np.nan

    def sent(points, number):
        cloud = make_cloud(points, START_NS + number * 100_000_000, time=np.arange(len(points), dtype=np.float32))
        live.points.publish(deepcopy(cloud))
        return cloud, *(live.hear(topic, cloud) for topic in (STATIC, MOVING))

    cloud, static, moving = sent(points, 0)
    assert static.header == cloud.header and static.fields == cloud.fields
    assert bytes(static.data) == bytes(cloud.data) and moving.width == 0, 'of the first cloud nothing is known'

    points = points + np.float32([SPEED * 0.1, 0, 0])
    cloud, static, moving = sent(points, 1)
    front = decode(moving).points
    np.testing.assert_array_equal(front, points[points[:, 0] > 0])
    np.testing.assert_array_equal(read_field(static, 'time'), np.flatnonzero(~(points[:, 0] > 0)))
    assert static.width + moving.width == 200 and static.is_dense == cloud.is_dense

    few = np.concatenate([points[points[:, 0] > 0][:6], points[points[:, 0] < -1][:7]])
    assert len(few) == FAILS_AT
    cloud, static, moving = sent(few + np.float32([SPEED * 0.1, 0, 0]), 2)
    live.wait_for_log('drive slower')
    assert (static.width, moving.width) == (7, 6), 'where the objects should be by now'
    heard = [stamp_of(message) for message in live.heard[STATIC]]
    assert heard == sorted(heard) and len(heard) == 3


def test_organised_clouds_may_stay_so(live):
    from live import Stream, make_cloud
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
    from rcl_interfaces.srv import SetParameters

    value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
    request = SetParameters.Request(parameters=[Parameter(name='static_organised', value=value)])
    assert live.call(SetParameters, '/ssrflow/set_parameters', request).results[0].successful
    points = np.random.default_rng(6).uniform(-9, 9, (60, 3)).astype(np.float32)
    cloud = make_cloud(points, 0)
    cloud.height, cloud.width, cloud.row_step = 4, 15, cloud.row_step // 4
    stream = Stream(live)
    stream.send_and_hear(cloud, STATIC)
    static = stream.send_and_hear(cloud, STATIC)
    assert (static.height, static.width, static.row_step) == (4, 15, cloud.row_step) and not static.is_dense
    left = np.stack([read_field(static, name) for name in 'xyz'], axis=1)
    front = read_field(cloud, 'x') > 0
    assert np.isnan(left[front]).all()
    np.testing.assert_array_equal(left[~front], decode(cloud).points[~front])
