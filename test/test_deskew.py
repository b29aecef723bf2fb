"""Deskewing: a sweep taken on the move becomes what the sensor would have seen at one instant."""

import curve
import numpy as np
import pytest
from test_pointcloud2 import message

from ssrflow_ros.errors import EgoMotionError, InputError
from ssrflow_ros.formats import pointcloud2
from ssrflow_ros.formats.point_times import PointTimes
from ssrflow_ros.steps.deskew import Deskewing, deskew, twist
from ssrflow_ros.steps.ego_motion import from_poses
from ssrflow_ros.sweep import Sweep, SweepPair

STAMP_NS = 1_700_000_000_250_000_000
PERIOD = 0.1


def world_points():
    """A yard about the curve's robot: (N, 3) m, in the world."""
    return np.concatenate([curve.WALLS, curve.WALLS + (0, 0, 0.5)])


def taken_at(world, times):
    """(N, 3) each point as the sensor saw it at its own time."""
    poses = np.stack([curve.world_from_sensor(t) for t in times])
    return np.einsum('nji,nj->ni', poses[:, :3, :3], world - poses[:, :3, 3])


def skewed(stamp, first=0.0):
    """A sweep of one turn that begins `first` s from its stamp, and what an instant at the stamp would show."""
    world = world_points()
    exact = taken_at(world, np.full(len(world), stamp))
    bearing = np.arctan2(exact[:, 1], exact[:, 0])
    times = (first + PERIOD * (bearing + np.pi) / (2 * np.pi)).astype(np.float32)
    sweep = Sweep.from_points(taken_at(world, stamp + times), round(stamp * 1e9), 'lidar')
    return Sweep(sweep.points, sweep.stamp_ns, 'lidar', sweep.rows, sweep.n_rows, times), exact


def motion(source, target):
    """The ego-motion between two times."""
    return from_poses(curve.world_from_sensor(source), curve.world_from_sensor(target))


@pytest.mark.parametrize('dt', [0.1, -0.1])
def test_twist_is_the_robots(dt):
    velocity, turn_rate = twist(motion(1.0, 1.0 + dt), dt)
    body_from_sensor = curve.BODY_FROM_SENSOR
    lever = np.cross([0, 0, curve.TURN_RATE], body_from_sensor[:3, 3])
    np.testing.assert_allclose(velocity, body_from_sensor[:3, :3].T @ ([curve.SPEED, 0, 0] + lever), atol=1e-4)
    np.testing.assert_allclose(turn_rate, body_from_sensor[:3, :3].T @ [0, 0, curve.TURN_RATE], atol=1e-6)


@pytest.mark.parametrize('first', [0.0, -0.1, -0.05])
def test_points_come_to_lie_where_they_were_at_the_stamp(first):
    sweep, exact = skewed(1.0, first)
    assert np.linalg.norm(sweep.points - exact, axis=1).max() > 0.4, 'it was worth it'
    corrected = deskew(sweep, *twist(motion(1.0, 0.9), -0.1))
    np.testing.assert_allclose(corrected.points, exact, atol=1e-3)
    assert corrected.times is None and corrected.stamp_ns == sweep.stamp_ns
    np.testing.assert_array_equal(corrected.taken, sweep.times)
    np.testing.assert_array_equal(corrected.rows, sweep.rows)


def test_straight_on():
    velocity = np.array([10.0, 0.0, 0.0])
    sweep = Sweep(np.zeros((3, 3), np.float32), 0, '', np.arange(3), 3, np.float32([-0.1, 0.0, 0.1]))
    np.testing.assert_allclose(deskew(sweep, velocity, np.zeros(3)).points[:, 0], [-1, 0, 1], atol=1e-6)


def test_each_sweep_is_deskewed_once_and_one_without_times_never():
    deskewing = Deskewing()
    first, second, third = (skewed(stamp)[0] for stamp in (1.0, 1.1, 1.2))
    before = deskewing(SweepPair(second, first), motion(1.1, 1.0))
    after = deskewing(SweepPair(third, second), motion(1.2, 1.1))
    assert after.target is before.source
    plain = Sweep.from_points(first.points)
    assert deskew(plain, np.ones(3), np.ones(3)) is plain


# Name, values for points measured 0, 20 and 90 ms after the stamp.
STAMPED = STAMP_NS * 1e-9
SECONDS = np.array([0.0, 0.02, 0.09])
FIELDS = {
    'Ouster': ('t', (SECONDS * 1e9).astype(np.uint32)),
    'Velodyne': ('time', SECONDS.astype(np.float32)),
    'Hesai, RoboSense': ('timestamp', STAMPED + SECONDS),
    'Livox PointCloud2': ('timestamp', np.float64(STAMP_NS) + SECONDS * 1e9),
    'Livox offsets': ('offset_time', (SECONDS * 1e9).astype(np.uint32)),
    'Autoware': ('time_stamp', (SECONDS * 1e9).astype(np.uint32)),
    'microseconds as float': ('time', (SECONDS * 1e6).astype(np.float32)),
    'microseconds': ('t', (SECONDS * 1e6).astype(np.uint32)),
    'milliseconds': ('t', (SECONDS * 1e3).astype(np.uint16)),
    'share of the sweep': ('time', (SECONDS / PERIOD).astype(np.float32)),
    'share of the sweep, double': ('timestamp', SECONDS / PERIOD),
    'until the stamp': ('time', (SECONDS - PERIOD).astype(np.float32)),
    'nanoseconds until the stamp': ('t', ((SECONDS - PERIOD) * 1e9).astype(np.int32)),
    'seconds since the start': ('timestamp', 5432.1 + SECONDS),
    'seconds since the start, float32': ('time', (1000.125 + SECONDS).astype(np.float32)),
    'microseconds since the start': ('t', (3.2e9 + SECONDS * 1e6).astype(np.uint32)),
    'nanoseconds since the start': ('timestamp', 5432.1e9 + SECONDS * 1e9),
    'microseconds since 1970': ('timestamp', STAMP_NS * 1e-3 + SECONDS * 1e6),
    'milliseconds since 1970': ('timestamp', STAMP_NS * 1e-6 + SECONDS * 1e3),
}


def stamped_cloud(**columns):
    """A PointCloud2 of three points at STAMP_NS with further fields."""
    cloud = message(pointcloud2.encode_points(np.ones((3, 3), np.float32), **columns))
    cloud.header.stamp.sec, cloud.header.stamp.nanosec = divmod(STAMP_NS, 1_000_000_000)
    return cloud


@pytest.mark.parametrize('driver', FIELDS)
def test_times_of_every_driver(driver):
    name, values = FIELDS[driver]
    cloud = stamped_cloud(**{name: values})
    exact = SECONDS - PERIOD if 'until' in driver else SECONDS
    atol = 1e-4 if 'start, float32' in driver else 1e-6
    np.testing.assert_allclose(PointTimes().of(cloud, STAMP_NS, np.arange(3)), exact, atol=atol)
    assert PointTimes()(pointcloud2.decode(cloud), cloud).times.dtype == np.float32


@pytest.mark.parametrize(
    'columns, words',
    [
        ({}, 'no time of each point'),
        ({'ring': np.zeros(3, np.uint16)}, 'set deskew to false'),
        ({'time': np.array([0.0, 0.02, 7e12])}, 'do not lie within 0.5 s'),
        ({'time': np.array([0.0, np.nan, 0.05])}, 'do not lie within 0.5 s'),
        ({'timestamp': STAMPED + 60 + SECONDS}, 'with one clock'),
        ({'time': np.zeros(3, np.float32)}, 'span 0 ms of a sweep of 100 ms'),
        ({'t': np.zeros(3, np.uint32)}, 'span 0 ms'),
        ({'timestamp': np.full(3, STAMPED)}, 'span 0 ms'),
        ({'time': np.full(3, 5432.1)}, 'span 0 ms'),
        ({'time': (SECONDS * 1e-3).astype(np.float32) * 1e-3}, 'nothing would be deskewed'),
        ({'timestamp': (STAMPED + SECONDS).astype(np.float32)}, 'write float64'),
        ({'timestamp': (STAMP_NS + SECONDS * 1e9).astype(np.float32)}, 'write float64'),
    ],
)
def test_times_that_are_of_no_use_are_refused(columns, words):
    with pytest.raises(InputError, match=words):
        PointTimes().of(stamped_cloud(**columns), STAMP_NS, np.arange(3))


def test_a_non_return_needs_no_time():
    cloud = stamped_cloud(time=np.array([0.0, np.nan, 0.05]))
    np.testing.assert_allclose(PointTimes().of(cloud, STAMP_NS, np.array([0, 2])), [0, 0.05], atol=1e-7)
    assert len(PointTimes().of(stamped_cloud(), STAMP_NS, np.arange(0))) == 0


def many(n=300, stamp_ns=STAMP_NS, **columns):
    """A cloud of `n` points and its sweep."""
    cloud = message(pointcloud2.encode_points(np.random.default_rng(0).uniform(2, 9, (n, 3)), **columns))
    cloud.header.stamp.sec, cloud.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    return cloud, pointcloud2.decode(cloud)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 7e12, -1.7e9, 0.45])
def test_single_points_without_a_time_are_left_out(bad):
    times = np.linspace(0, 0.1, 300)
    times[[3, 250]] = bad
    cloud, sweep = many(time=times.astype(np.float32))
    timed = PointTimes()(sweep, cloud)
    np.testing.assert_array_equal(timed.rows, np.delete(np.arange(300), [3, 250]))
    np.testing.assert_array_equal(timed.points, sweep.points[timed.rows])
    np.testing.assert_allclose(timed.times, times[timed.rows], atol=1e-7)
    assert timed.n_rows == 300


@pytest.mark.parametrize('period', [0.05, 0.1, 0.2])
def test_the_share_of_the_sweep_is_of_the_time_between_two(period):
    """Also of a sensor that does not see all around, and so has points in the first third of a turn only."""
    times = PointTimes()
    for number, until in enumerate((1.0, 1.0, 0.3, 0.9)):
        share = np.linspace(0, until, 300).astype(np.float32)
        cloud, sweep = many(stamp_ns=STAMP_NS + round(number * period * 1e9), time=share)
        found = times(sweep, cloud).times
        if number:
            np.testing.assert_allclose(found, period * share, atol=1e-6)


def test_a_few_returns_of_one_moment_are_read_as_the_others():
    times = PointTimes()
    for number, values in enumerate((np.linspace(0, 1e5, 300), np.linspace(4e4, 4.1e4, 300))):
        cloud, sweep = many(stamp_ns=STAMP_NS + number * 100_000_000, t=values.astype(np.uint32))
        np.testing.assert_allclose(times(sweep, cloud).times, values * 1e-6, atol=2e-6)


def test_the_first_field_that_holds_times_is_taken():
    cloud, sweep = many(t=np.zeros(300, np.uint32), timestamp=STAMPED + np.linspace(0, 0.1, 300))
    np.testing.assert_allclose(PointTimes()(sweep, cloud).times, np.linspace(0, 0.1, 300), atol=1e-6)


def _street_while_driving(seed, stamps):
    """Sweeps of a simulated street in which each ray leaves from where the sensor is then, what an instant would
    show, and the scene."""
    from ssrflow_ros.simulator.raycaster import Raycaster
    from ssrflow_ros.simulator.scenes import SCENES
    from ssrflow_ros.simulator.sensors import SENSORS

    scene = SCENES['street'](np.random.default_rng([seed, 0]), 1.0)
    beams = SENSORS['hdl64e'].draw(np.random.default_rng(seed)).directions(np.random.default_rng(seed))
    turn_share = (np.arctan2(beams[:, 1], beams[:, 0]) + np.pi) / (2 * np.pi)
    raycaster = Raycaster(scene.still.vertices, scene.still.faces)
    opaque = np.zeros(len(scene.still.faces), bool)  # what a pane lets through depends on chance
    nothing = np.zeros((0, 3)), np.zeros((0, 3), np.int32), opaque, np.random.default_rng(seed)
    sweeps = []
    for stamp in stamps:
        here = scene.sensor_poses(np.array([stamp]))[0]
        points, exact, times = [], [], []
        for share in np.arange(180) / 180:
            ours = beams[(turn_share >= share) & (turn_share < share + 1 / 180)]
            time = PERIOD * share - PERIOD  # the stamp is that of the end
            pose = scene.sensor_poses(np.array([stamp + time]))[0]
            ray, ranges, *_ = raycaster.cast(pose[:3, 3], ours @ pose[:3, :3].T, *nothing)
            seen = ours[ray] * ranges[:, None]
            seen, world = seen[ranges < 70], (seen @ pose[:3, :3].T + pose[:3, 3])[ranges < 70]
            points.append(seen)
            exact.append((world - here[:3, 3]) @ here[:3, :3])
            times.append(np.full(len(seen), time, np.float32))
        sweep = Sweep.from_points(np.concatenate(points), round(stamp * 1e9), 'lidar')
        sweeps.append(
            (
                Sweep(
                    sweep.points, sweep.stamp_ns, 'lidar', sweep.rows, sweep.n_rows, np.concatenate(times)[sweep.rows]
                ),
                np.concatenate(exact)[sweep.rows],
            )
        )
    return sweeps, scene


@pytest.mark.slow
def test_simulated_streets_become_straight(capsys):
    """The measurement of docs/steps.md; only the sweeps are given, the motion is found by scan matching."""
    from ssrflow_ros.settings import Settings
    from ssrflow_ros.steps.scan_matching import ScanMatching

    rows = []
    for seed in range(12):
        ((older, _), (newest, exact)), scene = _street_while_driving(seed, (0.4, 0.5))
        pair = SweepPair(newest, older)
        try:
            ego = ScanMatching(Settings(threads=1))(pair)
        except EgoMotionError:  # a street that looks the same all along, as its rays tell; deskewing is not reached
            continue
        before, now = scene.sensor_poses(np.array([0.4, 0.5]))
        true = from_poses(now, before)
        velocity, turn_rate = twist(true, -0.1)
        deskewed = Deskewing()(pair, ego).source
        off = [np.linalg.norm(sweep.points - exact, axis=1).mean() for sweep in (newest, deskewed)]
        rows.append(
            (
                np.linalg.norm(velocity),
                np.degrees(np.linalg.norm(turn_rate)),
                1e3 * np.linalg.norm(ego.target_from_source[:3, 3] - true.target_from_source[:3, 3]),
                1e3 * off[0],
                1e3 * off[1],
            )
        )
    with capsys.disabled():
        print('\nm/s  deg/s  error of scan matching, mm  points off before, mm  after, mm')
        for row in rows:
            print(' '.join(f'{value:8.1f}' for value in row))
        print('median', np.median(rows, axis=0).round(1))
    rows = np.array(rows)
    moving = rows[:, 3] > 50
    assert np.median(rows[moving, 4] / rows[moving, 3]) < 0.1
