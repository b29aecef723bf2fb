"""Deskewing: a sweep taken on the move becomes what the sensor would have seen at one instant."""
import numpy as np
import pytest

import curve
from test_pointcloud2 import message

from ssrflow_ros.errors import EgoMotionError, InputError
from ssrflow_ros.formats import pointcloud2
from ssrflow_ros.formats.point_times import point_times, with_times
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
    np.testing.assert_allclose(point_times(cloud, STAMP_NS, np.arange(3)), SECONDS, atol=1e-6)
    assert with_times(pointcloud2.decode(cloud), cloud).times.dtype == np.float32


@pytest.mark.parametrize('columns, words', [
    ({}, 'no time of each point'),
    ({'ring': np.zeros(3, np.uint16)}, 'set deskew to false'),
    ({'time': np.array([0.0, 0.02, 7e12])}, 'do not lie within 0.5 s'),
    ({'time': np.array([0.0, np.nan, 0.05])}, 'do not lie within 0.5 s'),
    ({'timestamp': STAMPED + 60 + SECONDS}, 'with one clock')])
def test_times_that_are_of_no_use_are_refused(columns, words):
    with pytest.raises(InputError, match=words):
        point_times(stamped_cloud(**columns), STAMP_NS, np.arange(3))


def test_a_non_return_needs_no_time():
    cloud = stamped_cloud(time=np.array([0.0, np.nan, 0.05]))
    np.testing.assert_allclose(point_times(cloud, STAMP_NS, np.array([0, 2])), [0, 0.05], atol=1e-7)
    assert len(point_times(stamped_cloud(), STAMP_NS, np.arange(0))) == 0


def _street_while_driving(seed, stamps):
    """Sweeps of a simulated street in which each ray leaves from where the sensor is then, what an instant would
    show, and the scene."""
    pytest.importorskip('embreex')
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
        sweeps.append((Sweep(sweep.points, sweep.stamp_ns, 'lidar', sweep.rows, sweep.n_rows,
                             np.concatenate(times)[sweep.rows]), np.concatenate(exact)[sweep.rows]))
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
        rows.append((np.linalg.norm(velocity), np.degrees(np.linalg.norm(turn_rate)), 1e3 * np.linalg.norm(
            ego.target_from_source[:3, 3] - true.target_from_source[:3, 3]), 1e3 * off[0], 1e3 * off[1]))
    with capsys.disabled():
        print('\nm/s  deg/s  error of scan matching, mm  points off before, mm  after, mm')
        for row in rows:
            print(' '.join(f'{value:8.1f}' for value in row))
        print('median', np.median(rows, axis=0).round(1))
    rows = np.array(rows)
    moving = rows[:, 3] > 50
    assert np.median(rows[moving, 4] / rows[moving, 3]) < 0.1


def test_a_process_that_prepares_deskews_alike():
    from ssrflow_ros.preparation import Preparation
    from ssrflow_ros.preparing_process import PreparingProcess
    from ssrflow_ros.settings import Settings
    settings = Settings(ego_motion='none', threads=1)
    here, beside = Preparation(settings), PreparingProcess(Preparation(settings))
    try:
        beside.wait()
        first, second, third = (skewed(stamp)[0] for stamp in (1.0, 1.1, 1.2))
        for pair, ego in ((SweepPair(second, first), motion(1.1, 1.0)), (SweepPair(third, second), motion(1.2, 1.1))):
            ours, theirs = here(pair, ego), beside(pair, ego)
            assert ours.pair.source.times is None
            np.testing.assert_array_equal(ours.pair.source.points, theirs.pair.source.points)
            np.testing.assert_array_equal(ours.pair.target.points, theirs.pair.target.points)
            np.testing.assert_array_equal(ours.target, theirs.target)
    finally:
        beside.close()
