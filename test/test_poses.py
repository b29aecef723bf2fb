"""Ego-motion from odometry and tf: exact on a curve with a tilted sensor, and refused where it cannot be known."""

import threading
import time

import curve
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ssrflow_ros.errors import EgoMotionError, InputError
from ssrflow_ros.settings import Settings
from ssrflow_ros.steps.poses import SensorPoses, parse_pose
from ssrflow_ros.sweep import Sweep, SweepPair

START_NS = 1_700_000_000_000_000_000
HUNDREDTHS = np.arange(0.0, 1.0, 0.01)
NEWEST = 0.53  # s, between two poses


def ns(t):
    return START_NS + round(t * 1e9)


def pair_at(t=NEWEST, dt=0.1):
    """The newest sweep with the one before it, as the live node has it."""
    newest, older = (Sweep.from_points(curve.sweep_at(s), ns(s), 'lidar') for s in (t, t - dt))
    assert len(newest) == len(older) == len(curve.STILL)
    return SweepPair(newest, older)


def parts(pose):
    return pose[:3, 3], Rotation.from_matrix(pose[:3, :3]).as_quat()


def driven(settings, frame='base_link', pose=curve.world_from_body, times=HUNDREDTHS):
    """Poses of a drive, given by 100 Hz odometry of `frame`."""
    poses = SensorPoses(settings)
    for t in times:
        poses.push_odometry(frame, ns(t), *parts(pose(t)))
    return poses


def velocities(poses, pair):
    ego = poses.between(pair)
    return (ego.into_source(pair.target.points) - pair.source.points) / pair.dt, ego


ODOMETRY = Settings(ego_motion='odometry')
TF = Settings(ego_motion='tf', fixed_frame='odom')


def test_odometry_of_the_body_with_the_mounting_given():
    velocity, ego = velocities(driven(ODOMETRY.replace(mounting=curve.MOUNTING)), pair_at())
    curve.assert_right(velocity, NEWEST, atol=0.01)
    assert ego.method == 'odometry'


def test_odometry_of_the_body_with_the_mounting_on_tf_static():
    poses = driven(ODOMETRY, 'base_footprint')
    poses.push('base_footprint', 'base_link', None, (0, 0, 0), (0, 0, 0, 1))
    poses.push('base_link', '/lidar', None, *parts(curve.BODY_FROM_SENSOR))
    curve.assert_right(velocities(poses, pair_at())[0], NEWEST, atol=0.01)


@pytest.mark.parametrize('settings', [Settings(), ODOMETRY, TF])
def test_how_the_sensor_is_mounted_by_what_never_changes(settings):
    poses = driven(settings, 'odom_child')
    assert poses.mounting_of('lidar') is None
    poses.push('mast', '/lidar', None, *parts(curve.BODY_FROM_SENSOR))
    poses.push('base_link', 'mast', ns(0.1), (0, 0, 1), (0, 0, 0, 1))
    assert poses.mounting_of('lidar') is None, 'a mast that moves'
    poses.push('base_link', 'mast', None, (0, 0, 1), (0, 0, 0, 1))
    np.testing.assert_allclose(poses.mounting_of('/lidar')[:3, :3], curve.BODY_FROM_SENSOR[:3, :3], atol=1e-12)
    assert poses.mounting_of('lidar')[2, 3] == pytest.approx(2.5)
    assert poses.mounting_of('base_link') is None and poses.mounting_of('camera') is None


@pytest.mark.parametrize('child', ['lidar', ''])
def test_odometry_of_the_sensor_itself(child):
    curve.assert_right(velocities(driven(ODOMETRY, child, curve.world_from_sensor), pair_at())[0], NEWEST, atol=0.01)


def test_tf_through_a_fixed_frame_that_is_not_the_root():
    poses = SensorPoses(TF)
    for t in np.arange(0.0, 1.0, 0.02):
        poses.push('odom', 'base_link', ns(t), *parts(curve.world_from_body(t)))
        # A localisation that jumps about must not matter: odom is asked for, not map.
        poses.push('map', 'odom', ns(t), (5 * np.sin(40 * t), 0, 0), (0, 0, 0, 1))
    poses.push('base_link', 'lidar', None, *parts(curve.BODY_FROM_SENSOR))
    velocity, ego = velocities(poses, pair_at())
    curve.assert_right(velocity, NEWEST, atol=0.01)
    assert ego.method == 'tf'


def test_tf_downwards_from_the_sensor():
    """Some localisations publish the world as a child of the robot."""
    poses = SensorPoses(TF)
    for t in np.arange(0.0, 1.0, 0.005):
        poses.push('base_link', 'odom', ns(t), *parts(np.linalg.inv(curve.world_from_body(t))))
    poses.push('lidar', 'base_link', None, *parts(np.linalg.inv(curve.BODY_FROM_SENSOR)))
    # At the very times of the poses: between them a world 4,500 km away swings on an arc, not on a line.
    curve.assert_right(velocities(poses, pair_at())[0], NEWEST, atol=0.01)


def test_a_sensor_that_moves_on_the_robot():
    poses = SensorPoses(TF)
    for t in np.arange(0.0, 1.0, 0.01):
        swing = np.eye(4)
        swing[:3, :3] = Rotation.from_euler('y', 0.3 * t).as_matrix()
        poses.push('odom', 'mast', ns(t), *parts(curve.world_from_sensor(t) @ np.linalg.inv(swing)))
        poses.push('mast', 'lidar', ns(t), *parts(swing))
    curve.assert_right(velocities(poses, pair_at())[0], NEWEST, atol=0.01)


@pytest.mark.parametrize(
    'poses, words',
    [
        (SensorPoses(ODOMETRY), 'no odometry has arrived'),
        (driven(ODOMETRY), "of 'base_link', the clouds are in 'lidar', and nothing says how"),
        (driven(ODOMETRY, 'lidar', times=np.arange(0.0, 0.5, 0.01)), r'0\.040 s after the newest pose'),
        (driven(ODOMETRY, 'lidar', times=np.arange(0.5, 1.0, 0.01)), r'0\.070 s before the oldest pose'),
        (driven(ODOMETRY, 'lidar', times=(0.0, 0.8)), r'gap of 0\.80 s'),
        (SensorPoses(TF), r"tf has no way from 'lidar' to 'odom' \(frames known: none\)"),
    ],
)
def test_what_is_not_known_is_never_identity(poses, words):
    with pytest.raises(EgoMotionError, match=words):
        poses.between(pair_at())


def test_it_waits_for_the_pose_that_comes_after_the_sweep():
    poses = driven(ODOMETRY, 'lidar', curve.world_from_sensor, np.arange(0.0, 0.5, 0.01))

    def publish_late():
        time.sleep(0.05)
        for t in np.arange(0.5, 0.6, 0.01):
            poses.push_odometry('lidar', ns(t), *parts(curve.world_from_sensor(t)))

    late = threading.Thread(target=publish_late)
    late.start()
    poses.between(pair_at(), wait=120.0)
    late.join()


def test_waiting_has_a_deadline():
    with pytest.raises(EgoMotionError):
        driven(ODOMETRY, 'lidar', times=(0.0, 0.1)).between(pair_at(), wait=0.05)


def test_time_that_begins_anew():
    poses = driven(ODOMETRY, 'lidar', curve.world_from_sensor, np.arange(100.0, 101.0, 0.01))
    for t in np.arange(0.0, 1.0, 0.01):
        poses.push_odometry('lidar', ns(t), *parts(curve.world_from_sensor(t)))
    curve.assert_right(velocities(poses, pair_at())[0], NEWEST, atol=0.01)


def test_forgetting_keeps_what_never_changes():
    poses = SensorPoses(TF)
    poses.push('base_link', 'lidar', None, (0, 0, 1), (0, 0, 0, 1))
    poses.push('odom', 'base_link', ns(0), (0, 0, 0), (0, 0, 0, 1))
    poses.forget()
    with pytest.raises(EgoMotionError, match='frames known: base_link, lidar'):
        poses.between(pair_at())


def test_nonsense_is_left_out():
    poses = driven(ODOMETRY, 'lidar', curve.world_from_sensor)
    poses.push_odometry('lidar', ns(2.0), (np.nan, 0, 0), (0, 0, 0, 1))
    poses.push_odometry('lidar', ns(2.0), (0, 0, 0), (0, 0, 0, 0))
    with pytest.raises(EgoMotionError, match='after the newest'):
        poses.between(pair_at(2.0))


def test_what_was_left_out_is_told_of_where_it_is_missing_and_not_for_ever():
    poses = driven(ODOMETRY, 'lidar', curve.world_from_sensor)
    poses.push_odometry('lidar', ns(1.0), (np.nan, 0, 0), (0, 0, 0, 1))
    with pytest.raises(EgoMotionError, match='after the newest .*; 1 pose .* left out'):
        poses.between(pair_at(1.2))
    with pytest.raises(EgoMotionError, match='after the newest') as caught:
        poses.between(pair_at(9.0))
    assert 'left out' not in str(caught.value)


@pytest.mark.parametrize('loops', [2, 3])
@pytest.mark.parametrize('delay', [-0.03, 0.0, 0.12])
def test_in_a_recording_that_loops_poses_are_those_of_the_same_run(loops, delay):
    """Each run goes another way, at the same stamps; the clouds are recorded `delay` s later than the poses."""
    poses, length = SensorPoses(ODOMETRY, kept=None), 5.0
    for run in range(loops):
        for t in np.arange(0.0, length, 0.02):
            pose = np.eye(4)
            pose[0, 3] = (run + 1) * t
            poses.push_odometry('lidar', ns(t), *parts(pose), recorded_ns=ns(run * length + t))
    for run in range(loops):
        for t in np.arange(0.2, length - 0.05, 0.1):
            sweeps = (Sweep.from_points(np.ones((3, 3)), ns(s), 'lidar') for s in (t, t - 0.1))
            ego = poses.between(SweepPair(*sweeps), recorded_ns=ns(run * length + t + delay))
            assert ego.travelled == pytest.approx(0.1 * (run + 1), abs=1e-6)


def test_a_live_stream_that_begins_anew_forgets_the_run_before():
    poses = driven(ODOMETRY, 'lidar', curve.world_from_sensor, np.arange(100.0, 101.0, 0.01))
    poses.push_odometry('lidar', ns(0.0), *parts(curve.world_from_sensor(0.0)))
    with pytest.raises(EgoMotionError, match='after the newest'):
        poses.between(pair_at(100.5))


@pytest.mark.parametrize('quaternion', [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
@pytest.mark.parametrize('frame', ['lidar', 'base_link', ''])
def test_poses_without_a_rotation_are_named(quaternion, frame):
    poses = SensorPoses(ODOMETRY)
    for t in HUNDREDTHS:
        poses.push_odometry(frame, ns(t), (t, 0, 0), quaternion)
    with pytest.raises(EgoMotionError, match=r'100 poses of .* quaternion is \((0|nan), 0, 0, [01]\)') as caught:
        poses.between(pair_at())
    assert 'mounting' not in str(caught.value)


def test_a_static_transform_without_a_rotation_is_named():
    poses = driven(ODOMETRY, 'base_link')
    poses.push('base_link', 'lidar', None, (0, 0, 1), (0, 0, 0, 0))
    with pytest.raises(EgoMotionError, match=r"1 pose of 'lidar' in 'base_link' .* \(0, 0, 0, 0\)"):
        poses.between(pair_at())


def test_a_mounting_is_what_tf_transformations_says():
    tf_transformations = pytest.importorskip('tf_transformations', reason='comes with ROS only')
    mounting = parse_pose('mounting', '1 2 3 0.1 -0.2 0.3')
    np.testing.assert_allclose(mounting[:3, :3], tf_transformations.euler_matrix(0.1, -0.2, 0.3)[:3, :3])
    np.testing.assert_allclose(parts(mounting)[1], tf_transformations.quaternion_from_euler(0.1, -0.2, 0.3))


def test_mounting_as_text():
    np.testing.assert_allclose(parse_pose('mounting', curve.MOUNTING), curve.BODY_FROM_SENSOR)
    assert parse_pose('mounting', ' ') is None
    for text in ('1 2 3', 'left', '0 0 0 0 0 nan'):
        with pytest.raises(InputError, match='is no pose'):
            parse_pose('mounting', text)
        with pytest.raises(InputError, match='is no pose'):
            Settings(mounting=text)
