"""The real node over DDS: in a process of its own, fed and heard from here."""

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from live import LiveNode, Stream, make_cloud, stamp_of  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters  # noqa: E402
from rclpy.qos import ReliabilityPolicy, qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from stand_in_node import FAILS_AT, SPEED  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ssrflow_ros.formats.pointcloud2 import decode, read_field  # noqa: E402
from ssrflow_ros.settings import Settings  # noqa: E402

POINTS = np.random.default_rng(7).uniform(-30, 30, (500, 3)).astype(np.float32)
FLOW, MARKERS = '/ssrflow/flow', '/ssrflow/markers'


@pytest.fixture(scope='module')
def live(tmp_path_factory):
    arguments = ['-p', 'moving_sped:=1.0', '-p', 'moving_speed:=1', '-p', "keep_fields:='ring time'"]
    node = LiveNode(tmp_path_factory.mktemp('node'), arguments=arguments)
    try:
        node.listen(PointCloud2, FLOW)
        node.listen(MarkerArray, MARKERS)
        node.listen(DiagnosticArray, '/diagnostics')
        node.wait_until_connected()
        yield node
    finally:
        node.close()


@pytest.fixture(scope='module')
def stream(live):
    stream = Stream(live)
    stream.send(make_cloud(POINTS, 0))
    return stream


def test_flow_cloud_has_the_header_and_points_of_its_source(stream):
    intensity = np.arange(len(POINTS), dtype=np.float32)
    sent = make_cloud(POINTS, 0, frame_id='lidar', intensity=intensity)
    flow = stream.send_and_hear(sent)
    assert flow.header == sent.header
    assert [f.name for f in flow.fields] == [
        'x',
        'y',
        'z',
        'intensity',
        'vx',
        'vy',
        'vz',
        'moving',
        'object',
        'probability',
    ]
    assert flow.width * flow.height == len(POINTS) and flow.is_dense
    np.testing.assert_array_equal(decode(flow).points, POINTS)
    np.testing.assert_array_equal(read_field(flow, 'intensity'), intensity)
    np.testing.assert_array_equal(read_field(flow, 'vx'), SPEED)
    np.testing.assert_array_equal(read_field(flow, 'vy'), 0)
    np.testing.assert_array_equal(read_field(flow, 'moving'), POINTS[:, 0] > 0)


def test_fields_asked_for_are_passed_on(stream):
    time = np.linspace(0, 0.1, len(POINTS)).astype(np.float32)
    flow = stream.send_and_hear(make_cloud(POINTS, 0, time=time))
    assert [f.name for f in flow.fields][-1] == 'time'
    np.testing.assert_array_equal(read_field(flow, 'time'), time)


def test_standard_reader_agrees(stream):
    point_cloud2 = pytest.importorskip('sensor_msgs_py.point_cloud2', reason='comes with ROS only')
    flow = stream.send_and_hear(make_cloud(POINTS, 0))
    read = point_cloud2.read_points(flow, ['x', 'vx'])
    np.testing.assert_array_equal(read['x'], POINTS[:, 0])
    np.testing.assert_array_equal(read['vx'], SPEED)


def test_double_precision_and_non_returns(stream):
    points = POINTS.astype(np.float64)
    points[::10] = np.nan
    points[1::10] = 0.0
    flow = stream.send_and_hear(make_cloud(points, 0, dtype=np.float64))
    kept = np.all(np.isfinite(points), axis=1) & np.any(points != 0, axis=1)
    np.testing.assert_array_equal(decode(flow).points, points[kept].astype(np.float32))


def test_markers_draw_the_moving_points_in_the_sweeps_frame(stream):
    sent = make_cloud(POINTS, 0, frame_id='lidar')
    markers = stream.send_and_hear(sent, MARKERS).markers
    lines = [m for m in markers if m.ns == 'ssrflow/points']
    assert len(lines) == 1 and lines[0].type == Marker.LINE_LIST
    assert lines[0].header == sent.header
    tails, tips = (np.array([[p.x, p.y, p.z] for p in lines[0].points[i::2]]) for i in (0, 1))
    assert len(tails) > 0
    np.testing.assert_allclose(tips - tails, [[SPEED, 0, 0]] * len(tails), atol=1e-5)
    assert np.all(tails[:, 0] > 0), 'only what moves has an arrow'


def test_empty_cloud_gives_empty_cloud(stream):
    sent = make_cloud(POINTS[:0], 0)
    flow = stream.send_and_hear(sent)
    assert flow.header == sent.header and flow.width * flow.height == 0 and len(flow.data) == 0
    assert [f.name for f in flow.fields][:3] == ['x', 'y', 'z']
    all_nan = stream.send_and_hear(make_cloud(np.full((50, 3), np.nan), 0))
    assert all_nan.width == 0
    assert stream.send_and_hear(make_cloud(POINTS, 0)).width == len(POINTS)


def _without_x(cloud):
    cloud.fields = [f for f in cloud.fields if f.name != 'x']


def _cut_short(cloud):
    cloud.data = cloud.data[:-20]


def _no_point_step(cloud):
    cloud.point_step = 0


@pytest.mark.parametrize('damage', [_without_x, _cut_short, _no_point_step])
def test_malformed_cloud_is_dropped_and_the_node_goes_on(stream, damage):
    cloud = make_cloud(POINTS, 0)
    damage(cloud)
    stream.send(cloud)
    flow = stream.send_and_hear(make_cloud(POINTS, 0))
    assert stamp_of(cloud) not in [stamp_of(m) for m in stream.live.heard[FLOW]]
    assert flow.width == len(POINTS)
    assert 'malformed cloud' in stream.live.log.read_text()


def test_failed_ego_motion_is_dropped_with_its_reason(stream):
    failing = stream.send(make_cloud(POINTS[:FAILS_AT], 0))
    stream.live.wait_for_log('drive slower')
    stream.send_and_hear(make_cloud(POINTS, 0))
    assert stamp_of(failing) not in [stamp_of(m) for m in stream.live.heard[FLOW]]


def test_diagnostics_tell_rates_drops_and_times(stream):
    latest = stream.live.diagnostics
    stream.send(make_cloud(POINTS[:FAILS_AT], 0))
    stream.live.wait(lambda: 'drops/no ego-motion' in latest(), 'the drop to be counted')
    stream.send_and_hear(make_cloud(POINTS, 0))
    stream.live.wait(lambda: latest().get('last_dt_s') == '-0.1000', 'diagnostics of the last pair')
    values = latest()
    assert float(values['rate_in_hz']) > 0
    assert int(values['drops/first sweep']) == 1
    assert int(values['drops/no ego-motion']) >= 1
    assert float(values['network_ms_p50']) == 1.0
    assert float(values['total_ms_p50']) <= float(values['total_ms_p95'])
    assert values['ego_motion'] == Settings().ego_motion and values['weights'] == Settings().weights


def _set(live, name, **value):
    request = SetParameters.Request(parameters=[Parameter(name=name, value=ParameterValue(**value))])
    return live.call(SetParameters, '/ssrflow/set_parameters', request).results[0]


def test_overrides(live):
    assert "did you mean 'moving_speed'?" in live.log.read_text()
    request = GetParameters.Request(names=['moving_speed'])
    answer = live.call(GetParameters, '/ssrflow/get_parameters', request)
    assert answer.values[0].double_value == 1.0, 'an integer stands for the double'


def test_parameters_are_described_and_guarded(live):
    names = [row.name for row in Settings.table()]
    descriptors = live.call(
        DescribeParameters, '/ssrflow/describe_parameters', DescribeParameters.Request(names=names)
    ).descriptors
    for row, descriptor in zip(Settings.table(), descriptors, strict=True):
        assert descriptor.description == row.description
        assert descriptor.read_only == (not row.live and not row.idle)
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        limits = [(r.from_value, r.to_value) for r in ranges]
        assert limits == ([] if row.low is None else [(row.low, row.high)])

    double, integer = ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_INTEGER
    refused = _set(live, 'moving_speed', type=double, double_value=-1.0)
    assert not refused.successful and refused.reason
    refused = _set(live, 'moving_speed', type=integer, integer_value=-1)
    assert not refused.successful and 'out of range' in refused.reason
    refused = _set(live, 'network_points', type=integer, integer_value=1000)
    assert not refused.successful and 'read-only' in refused.reason
    assert refused.reason.endswith('start it anew with -p network_points:=VALUE')
    refused = _set(live, 'moving_sped', type=double, double_value=1.0)
    assert refused.reason == "there is no parameter 'moving_sped': did you mean 'moving_speed'?"
    refused = _set(live, 'object_points', type=double, double_value=3.0)
    assert refused.reason == 'object_points: 3.0 is not of type int: give a value like 8'
    refused = _set(live, 'moving_speed', type=double, double_value=float('nan'))
    assert refused.reason.endswith('give a value from 0.0 to 50.0 m/s')
    assert _set(live, 'moving_speed', type=integer, integer_value=2).successful
    assert _set(live, 'moving_speed', type=double, double_value=0.5).successful


def test_clouds_without_a_usable_return_are_told_of_with_the_cure(tmp_path):
    live = LiveNode(tmp_path, arguments=['-p', 'min_range:=100.0'])
    try:
        live.listen(PointCloud2, FLOW)
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        assert Stream(live).send_and_hear(make_cloud(POINTS, 0)).width == 0
        live.wait(
            lambda: any('have no usable return' in status.message for status in live.statuses()), 'the diagnostics'
        )
        assert live.diagnostics()['empty_clouds'] == '1'
        line = f'empty cloud: none of its {len(POINTS)} points is a usable return: look at min_range and own_body'
        live.wait_for_log(line)
    finally:
        live.close()


def test_nothing_is_done_while_nobody_listens(tmp_path):
    live = LiveNode(tmp_path, name='/unheard')
    try:
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        stream, flow = Stream(live), '/unheard/flow'
        for _ in range(5):
            stream.send(make_cloud(POINTS, 0))

        values = live.diagnostics
        # The first cloud is kept, not dropped: diagnostics may come between it and the second.
        live.wait(lambda: any(key.startswith('drops/') for key in values()), 'drops in the diagnostics')
        assert not [key for key in values() if key.startswith('network_ms')]
        assert [key for key in values() if key.startswith('drops/')] == ['drops/nobody listens']

        live.listen(PointCloud2, flow)
        live.wait_until_connected()
        stream.send_and_hear(make_cloud(POINTS, 0), flow)
        assert len(live.heard[flow]) == 1, 'the first cloud that somebody wants is paired with the unread one'
    finally:
        live.close()


def test_a_best_effort_driver_is_heard_by_default(tmp_path):
    """As most drivers publish and as the node listens; some clouds may be lost on their way, but not all."""
    live = LiveNode(tmp_path, inputs=())
    try:
        live.listen(PointCloud2, FLOW)
        live.node.destroy_publisher(live.points)
        live.points = live.node.create_publisher(PointCloud2, 'points', qos_profile_sensor_data)
        live.wait_until_connected()
        stream = Stream(live)
        live.wait(lambda: live.heard[FLOW], 'a flow', again=lambda: stream.send(make_cloud(POINTS, 0)))
        (info,) = live.node.get_subscriptions_info_by_topic('/points')
        assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    finally:
        live.close()


@pytest.mark.parametrize(
    'argument, cause',
    [
        ('max_range:=-5.0', 'max_range: -5.0 is out of range'),
        ('ground:=grass', "ground: 'grass' is not known"),
        ('threads:=many', "threads: 'many' is not of type int"),
    ],
)
def test_bad_setting_ends_the_start_with_one_line(tmp_path, argument, cause):
    live = LiveNode(tmp_path, arguments=['-p', argument])
    try:
        assert live.ended() == 1
        assert cause in live.log.read_text() and 'Traceback' not in live.log.read_text()
    finally:
        live.close()
