"""From Python: settings hold wherever a cloud enters, a call forgets, a stream remembers, shapes are checked."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ssrflow_ros import EgoMotion, SceneFlow, Settings, Sweep, SweepPair
from ssrflow_ros.errors import EgoMotionError, InputError, PairError, SSRFlowError
from ssrflow_ros.simulator import simulate
from ssrflow_ros.sweep import MovingObject

QUICK = Settings(network_points=512, threads=1)
STANDING = Settings(network_points=256, ego_motion='none', ground='none', threads=1)
MS = 1_000_000
ROOT = Path(__file__).resolve().parents[1]
BODY = (-1.0, -1.0, -2.0, 2.0, 1.0, 2.0)


@pytest.fixture(scope='module')
def recording():
    return [labelled.sweep for labelled in simulate(3, 4, 'hdl32e', 'street')]


@pytest.fixture(scope='module')
def scene_flow():
    return SceneFlow(QUICK)


@pytest.fixture(scope='module')
def standing():
    return SceneFlow(STANDING.replace(min_range=3.0, own_body=' '.join(map(str, BODY))))


def cloud(n=600, seed=0):
    """(n, 3) m: about the sensor, some nearer than 3 m, some in BODY, some that no laser returned."""
    points = np.random.default_rng(seed).uniform(-6, 6, (n, 3)).astype(np.float32)
    points[::50], points[1::50], points[2::50] = np.nan, 0, np.inf
    points[3::50] = 1.9, 0.9, 1.9  # in BODY, and 2.8 m away
    points[4::50] = 2.5, 0.0, 0.0  # nearer than 3 m
    return points


def used(points):
    with np.errstate(invalid='ignore'):
        return (
            np.isfinite(points).all(axis=1)
            & (np.linalg.norm(points, axis=1) > 3)
            & ~((points >= BODY[:3]) & (points <= BODY[3:])).all(axis=1)
        )


def assert_same(one, other, motion=True):
    for name in ('flow', 'velocity', 'moving', 'ground', 'object_ids', 'network_velocity'):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(one.ego_motion.target_from_source, other.ego_motion.target_from_source)
    assert len(one.objects) == len(other.objects)
    for item, like in zip(one.objects, other.objects):
        for field in dataclasses.fields(MovingObject):
            np.testing.assert_array_equal(getattr(item, field.name), getattr(like, field.name), err_msg=field.name)


# --- settings hold, rows are those of what was given ------------------------------------------------------


def asked(standing, how):
    """Flow of two clouds that enter in one way or another."""
    before, after = cloud(seed=0), cloud(seed=1)
    sweeps = Sweep.from_points(before, 100 * MS), Sweep.from_points(after, 200 * MS)
    if how == 'pushed':
        stream = standing.stream()
        assert stream.push(after, stamp_ns=100 * MS) is None
        return stream.push(before, stamp_ns=200 * MS)
    if how == 'sweeps pushed':
        stream = standing.stream()
        assert stream.push(Sweep.from_points(after, 50 * MS)) is None
        return stream.push(sweeps[0])
    return standing(
        *{'arrays': (before, after), 'sweeps': sweeps, 'pair': (SweepPair(*sweeps),)}[how],
        dt=0.1 if how == 'arrays' else None,
    )


@pytest.mark.parametrize('how', ['arrays', 'sweeps', 'pair', 'pushed', 'sweeps pushed'])
def test_settings_hold_wherever_a_cloud_enters(standing, how):
    before, after = cloud(seed=0), cloud(seed=1)
    flow = asked(standing, how)
    np.testing.assert_array_equal(flow.pair.source.points, before[used(before)])
    np.testing.assert_array_equal(flow.pair.target.points, after[used(after)])
    assert 0 < used(before).sum() < len(before) - 60


@pytest.mark.parametrize('how', ['arrays', 'pair', 'pushed'])
def test_results_come_in_the_rows_of_what_was_given(standing, how):
    before, flow = cloud(seed=0), asked(standing, how)
    rows, kept = flow.in_rows(), used(cloud(seed=0))
    for name, missing in (
        ('flow', np.nan),
        ('velocity', np.nan),
        ('moving', False),
        ('ground', False),
        ('object_ids', -1),
    ):
        laid, values = getattr(rows, name), getattr(flow, name)
        assert len(laid) == len(before) and laid.dtype == values.dtype, name
        np.testing.assert_array_equal(laid[kept], values, err_msg=name)
        np.testing.assert_array_equal(laid[~kept], np.full_like(laid[~kept], missing), err_msg=name)


def test_an_organised_cloud_a_list_and_more_columns_are_clouds_too(standing):
    before, after = cloud(seed=0), cloud(seed=1)
    wanted = standing(before, after, dt=0.1)
    organised = before.reshape(20, 30, 3)
    columns = np.column_stack([after, np.ones((len(after), 2))]).astype(float)
    assert_same(standing(organised, columns, dt=0.1), wanted)
    assert_same(standing(before.tolist(), after, dt=0.1), wanted)
    fields = np.zeros(len(before), [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('ring', 'u2')])
    for axis, name in enumerate('xyz'):
        fields[name] = before[:, axis]
    assert_same(standing(fields, after, dt=0.1), wanted)
    assert len(standing(organised, after, dt=0.1).in_rows().moving) == 600


def test_a_sweep_without_returns_of_the_robot_is_left_as_it_is():
    points = cloud()
    sweep = Sweep.from_points(points, times=np.arange(len(points)) * 1e-4)
    assert sweep.outside(0.0) is sweep
    outside = sweep.outside(3.0, BODY)
    rows = np.flatnonzero(used(points))
    np.testing.assert_array_equal(outside.rows, rows)
    assert outside.n_rows == len(points) and outside.times == pytest.approx(rows * 1e-4)
    assert outside.outside(3.0, BODY) is outside


# --- a call forgets, a stream remembers ---------------------------------------------------------------------


def test_the_same_pair_has_the_same_answer_whatever_was_asked_before(scene_flow, recording):
    pair = SweepPair(recording[1], recording[0])
    first = scene_flow(pair)
    stream = scene_flow.stream()
    for sweep in recording:
        stream.push(sweep)
    scene_flow(SweepPair(recording[3], recording[2]))
    for _ in range(2):
        assert_same(scene_flow(pair), first)
    assert first.objects and {item.track_id for item in first.objects} == set(range(len(first.objects)))
    assert_same(SceneFlow(QUICK)(pair), first)


def test_two_arrays_are_a_pair_in_both_directions_of_time(scene_flow, recording):
    newer, older = recording[1].points, recording[0].points
    flow = scene_flow(newer, older, dt=-0.1)
    assert flow.pair.dt == pytest.approx(-0.1)
    assert_same(flow, scene_flow(SweepPair(recording[1], recording[0])))
    assert scene_flow(older, newer, dt=0.1).pair.dt == pytest.approx(0.1)


def test_a_stream_begins_as_a_pair_and_then_remembers(scene_flow, recording):
    stream, beside = scene_flow.stream(), scene_flow.stream()
    assert stream.push(recording[0]) is None and stream.reason == 'first sweep'
    flows = []
    for number, sweep in enumerate(recording[1:], 1):
        flows.append(stream.push(sweep))
        beside.push(recording[-number])  # backwards: another stream, of which the first knows nothing
        assert stream.reason == ''
    assert_same(flows[0], scene_flow(SweepPair(recording[1], recording[0])))
    ages = [max((item.age for item in flow.objects), default=0) for flow in flows]
    assert ages[0] == 1 and ages[-1] == 3
    again = scene_flow.stream()
    by_pairs = [again.flow(SweepPair(newer, older)) for newer, older in zip(recording[1:], recording)]
    for one, other in zip(flows, by_pairs):
        assert_same(one, other)
    stream.reset()
    assert stream.push(recording[0]) is None and stream.reason == 'first sweep'
    assert_same(stream.push(recording[1]), flows[0])


def test_a_stream_says_why_there_is_no_flow_and_goes_on(standing):
    stream, points = standing.stream(), cloud()
    reasons = []
    for stamp_ns in (100 * MS, 100 * MS, 50 * MS, 900 * MS):
        assert stream.push(points, stamp_ns) is None
        reasons.append(stream.reason)
    assert reasons == ['first sweep', 'same stamp twice', 'stamp older than the last', 'gap too long']
    with pytest.raises(InputError):
        stream.push(points.T, 950 * MS)
    assert stream.push(points, 1000 * MS).pair.dt == pytest.approx(-0.1)


def test_live_settings_hold_from_the_next_pair_on():
    scene_flow = SceneFlow(STANDING)
    stream = scene_flow.stream()
    stream.push(cloud(), 100 * MS)
    scene_flow.settings = STANDING.replace(max_gap=0.05)
    assert stream.push(cloud(), 200 * MS) is None and stream.reason == 'gap too long'


# --- a motion that is known ----------------------------------------------------------------------------------


def test_a_motion_is_given_as_a_matrix(scene_flow, recording):
    before, after = recording[0].points, recording[1].points
    matrix = np.eye(4)
    matrix[0, 3] = -0.7
    wanted = scene_flow(SweepPair(recording[0], recording[1]), EgoMotion(matrix, 'given'))
    for flow in (
        scene_flow(before, after, dt=0.1, ego_motion=matrix),
        scene_flow(before, after, matrix.tolist(), dt=0.1),
        scene_flow(SweepPair(recording[0], recording[1]), matrix),
    ):
        assert flow.ego_motion.method == 'given'
        assert_same(flow, wanted)
    stream = scene_flow.stream()
    stream.push(before, 0)
    back = np.linalg.inv(matrix)
    assert stream.push(after, 100 * MS, ego_motion=back).ego_motion.target_from_source == pytest.approx(back)


@pytest.mark.parametrize(
    'motion, told',
    [
        (np.eye(3), r'shape \(3, 3\): give a 4x4'),
        (np.eye(4)[:3], r'shape \(3, 4\)'),
        (2 * np.eye(4), 'not rigid'),
        (np.full((4, 4), np.nan), 'NaN'),
        ('odometry', 'no matrix of numbers'),
        (EgoMotion(np.eye(3), 'given'), r'shape \(3, 3\)'),
    ],
)
def test_what_is_no_motion_is_told(standing, motion, told):
    for ask in (
        lambda: standing(cloud(), cloud(), dt=0.1, ego_motion=motion),
        lambda: standing.stream().push(cloud(), 0, ego_motion=motion),
    ):
        with pytest.raises(EgoMotionError, match=told):
            ask()


# --- what is no cloud, and no pair -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    'points, told',
    [
        (np.zeros((9, 2)), r'shape \(9, 2\): give \(N, 3\)'),
        (np.zeros((3, 900)), r'shape \(3, 900\).*transpose'),
        (np.zeros(9), r'shape \(9,\)'),
        (np.zeros((2, 2, 2, 3)), 'shape'),
        (np.array([['x', 'y', 'z']]), 'not numbers'),
        ([[1, 2, 3], [1, 2]], 'no array|not numbers'),
        (None, 'not numbers|one cloud alone'),
        ([], r'shape \(0,\)'),
        (np.zeros(4, [('x', 'f4'), ('y', 'f4')]), 'fields x, y'),
    ],
)
def test_what_is_no_cloud_is_told_in_one_line(standing, points, told):
    for ask in (
        lambda: standing(points, cloud(), dt=0.1),
        lambda: standing(cloud(), points, dt=0.1),
        lambda: standing.stream().push(points, 0),
        lambda: Sweep.from_points(points),
    ):
        with pytest.raises(InputError, match=told) as caught:
            ask()
        assert '\n' not in str(caught.value)


def test_a_second_cloud_is_asked_for(standing):
    with pytest.raises(InputError, match='one cloud alone'):
        standing(cloud())


@pytest.mark.parametrize('dt', [None, 0, 0.0, float('nan'), float('inf'), 1e6, '0.1', np.zeros(2)])
def test_two_arrays_need_a_time_between_them(standing, dt):
    with pytest.raises(InputError, match='dt: .*such as dt=0.1'):
        standing(cloud(), cloud(), dt=dt)


def test_stamps_are_given_once_and_in_nanoseconds(standing):
    sweep, stream = Sweep.from_points(cloud(), 100 * MS), standing.stream()
    for ask in (
        lambda: standing(SweepPair(sweep, Sweep.from_points(cloud(), 0)), dt=0.1),
        lambda: standing(sweep, cloud(), dt=0.1),
        lambda: stream.push(sweep, 0),
    ):
        with pytest.raises(InputError, match='bears its own'):
            ask()
    for stamp_ns, told in ((None, 'no time stamp'), (1.5, r'round\(1e9')):
        with pytest.raises(InputError, match=told):
            stream.push(cloud(), stamp_ns)
    assert stream.push(cloud(), np.int64(1)) is None and stream.reason == 'first sweep'
    with pytest.raises(PairError):
        standing(sweep, sweep)


def test_times_of_points_are_checked_and_asked_for(standing):
    with pytest.raises(InputError, match=r'shape \(5,\) for 600 points'):
        Sweep.from_points(cloud(), times=np.zeros(5))
    with pytest.raises(InputError, match='times='):
        SceneFlow(STANDING.replace(deskew=True))(cloud(), cloud(), dt=0.1)


@pytest.mark.parametrize('n', [0, 1, 40])
def test_few_points_have_an_answer_or_a_cure(scene_flow, standing, n):
    points = np.full((n, 3), 5.0)
    flow = standing(points, points, dt=0.1)
    assert flow.in_rows().velocity.shape == (n, 3)
    with pytest.raises(SSRFlowError, match='point'):
        scene_flow(points, points, dt=0.1)


@pytest.mark.slow
def test_a_type_checker_knows_the_names_and_the_ways_to_call(tmp_path):
    checker = pytest.importorskip('mypy.api')
    calls = (
        'import numpy as np\nfrom ssrflow_ros import SceneFlow, Settings, SweepPair\n'
        'def moving(a: np.ndarray, pair: SweepPair) -> np.ndarray:\n'
        "    method = SceneFlow(Settings(ground='none'))\n"
        '    method(pair), method(pair, np.eye(4)), method(pair, ego_motion=np.eye(4))\n'
        '    return method(a, a, dt=0.1).{}\n'
    )
    for name, faults in (('moving', 0), ('movign', 1)):
        (tmp_path / 'a.py').write_text(calls.format(name))
        said, _, code = checker.run(['--config-file', str(ROOT / 'pyproject.toml'), str(tmp_path / 'a.py')])
        assert code == faults, said
