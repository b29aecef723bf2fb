"""Odometry and tf over DDS: walls stand while the robot drives a curve, whatever the mounting."""

import itertools
import sys

import numpy as np
import pytest

pytest.importorskip('rclpy')

import curve  # noqa: E402
from geometry_msgs.msg import TransformStamped  # noqa: E402
from live import DEPTH, STAND_INS, LiveNode, make_cloud  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from stand_in_node import SPEED  # noqa: E402

from ssrflow_ros.formats.object_cloud import read_objects  # noqa: E402
from ssrflow_ros.formats.pointcloud2 import decode, read_field  # noqa: E402
from ssrflow_ros.formats.stamped import stamp_ns  # noqa: E402

START_NS = 1_700_000_000_000_000_000
FLOW, GROUND, EGO = '/robot/ssrflow/flow', '/robot/ssrflow/ground', '/robot/ssrflow/ego_odometry'
OBJECTS = '/robot/ssrflow/objects'


class Drive:
    """A robot in a namespace of its own: publishes its clouds, and where it is."""

    def __init__(self, live):
        self.live = live
        live.points = live.node.create_publisher(PointCloud2, '/robot/points', DEPTH)
        self.odometry = live.node.create_publisher(Odometry, '/robot/odometry', DEPTH)

    def open_tf(self):
        """Publish /tf and, for who comes later, /tf_static."""
        sys.path[:0] = STAND_INS
        try:
            from tf2_msgs.msg import TFMessage
        finally:
            del sys.path[: len(STAND_INS)]
        self.message = (lambda it: it) if STAND_INS else (lambda it: TFMessage(transforms=[it]))
        self.tf = self.live.node.create_publisher(TFMessage, '/tf', DEPTH)
        self.tf_static = self.live.node.create_publisher(
            TFMessage, '/tf_static', QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        )
        self.tf_static.publish(self.message(transform('base_link', 'lidar', 0.0, curve.BODY_FROM_SENSOR)))

    def cloud(self, t):
        message = make_cloud(curve.sweep_at(t), ns(t))
        self.live.points.publish(message)
        self.live.spin(0.05)
        return message

    def say_where(self, t, frame='base_link', pose=curve.world_from_body):
        message = Odometry(child_frame_id=frame)
        message.header.frame_id = 'odom'
        stamp(message, t)
        fill(message.pose.pose.position, message.pose.pose.orientation, pose(t))
        self.odometry.publish(message)

    def hear(self, cloud):
        """Velocities (N, 3) of the `cloud` that was sent."""
        flow = self.live.hear(FLOW, cloud)
        return np.column_stack([read_field(flow, name) for name in ('vx', 'vy', 'vz')])


def ns(t):
    return START_NS + round(t * 1e9)


def stamp(message, t):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns(t), 1_000_000_000)


def fill(position, orientation, pose):
    position.x, position.y, position.z = pose[:3, 3].tolist()
    orientation.x, orientation.y, orientation.z, orientation.w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()


def transform(parent, child, t, pose):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    stamp(message, t)
    fill(message.transform.translation, message.transform.rotation, pose)
    return message


@pytest.fixture
def drive(tmp_path, request):
    parameters = [word for p in request.param for word in ('-p', p)]
    # A sweep waits for its pose as long as a busy machine needs to bring it.
    live = LiveNode(
        tmp_path,
        arguments=['-p', 'pose_wait:=3.0', *parameters, '-r', '__ns:=/robot'],
        name='/robot/ssrflow',
        inputs=('/robot/points', '/robot/odometry', '/tf'),
    )
    try:
        drive = Drive(live)
        live.listen(PointCloud2, FLOW)
        live.wait_until_connected()
        yield drive
    finally:
        live.close()


@pytest.mark.parametrize('drive', [['ego_motion:=odometry', f"mounting:='{curve.MOUNTING}'"]], indirect=True)
def test_odometry_with_the_mounting_as_parameter(drive):
    live = drive.live
    live.wait(drive.odometry.get_subscription_count, 'the node to subscribe to the odometry')
    drive.cloud(0.0)
    drive.cloud(0.1)
    live.wait_for_log('no ego-motion, cloud dropped: no odometry has arrived')
    for t in np.arange(0.0, 0.2, 0.02):
        drive.say_where(t)
    curve.assert_right(drive.hear(drive.cloud(0.15)), 0.15, atol=0.05)

    # The pose of a sweep often comes after the sweep.
    later = drive.cloud(0.25)
    for t in (0.2, 0.22, 0.24, 0.26):
        drive.say_where(t)
    curve.assert_right(drive.hear(later), 0.25, atol=0.05)
    assert ns(0.1) not in [stamp_ns(m) for m in live.heard[FLOW]], 'never identity in place of an unknown motion'

    live.listen(PointCloud2, GROUND)
    live.listen(Odometry, EGO)
    live.wait_until_connected()
    for t in (0.28, 0.3, 0.32, 0.34, 0.36):
        drive.say_where(t)
    sent = drive.cloud(0.35)
    live.wait(lambda: live.heard[GROUND] and live.heard[EGO], 'what is for debugging')
    assert stamp_ns(live.heard[EGO][0]) == ns(0.35), 'nothing was published before somebody listened'
    heard = live.heard[EGO][0]
    assert heard.header == sent.header and heard.child_frame_id == 'lidar'
    speed = np.linalg.norm([heard.twist.twist.linear.x, heard.twist.twist.linear.y, heard.twist.twist.linear.z])
    lever = np.cross([0, 0, curve.TURN_RATE], curve.BODY_FROM_SENSOR[:3, 3])
    assert speed == pytest.approx(np.linalg.norm([curve.SPEED, 0, 0] + lever), rel=0.01)
    turn = heard.twist.twist.angular
    np.testing.assert_allclose(
        [turn.x, turn.y, turn.z], curve.BODY_FROM_SENSOR[:3, :3].T @ [0, 0, curve.TURN_RATE], atol=0.01
    )
    assert 0 < len(decode(live.heard[GROUND][0])) < len(curve.STILL)


@pytest.mark.parametrize('drive', [['ego_motion:=odometry']], indirect=True)
def test_odometry_with_the_mounting_on_tf_static(drive):
    drive.cloud(0.0)
    for t in np.arange(0.0, 0.4, 0.02):
        drive.say_where(t)
    drive.cloud(0.1)
    drive.live.wait_for_log("of 'base_link', the clouds are in 'lidar'")
    drive.open_tf()
    drive.live.wait(drive.tf_static.get_subscription_count, 'the node to subscribe to /tf_static')
    drive.live.wait_until_known()
    curve.assert_right(drive.hear(drive.cloud(0.2)), 0.2, atol=0.05)


@pytest.mark.parametrize('drive', [[]], indirect=True)
def test_how_the_sensor_is_mounted_comes_from_tf_static_where_motion_is_found(drive):
    drive.open_tf()
    drive.live.wait(drive.tf_static.get_subscription_count, 'the node to subscribe to /tf_static')
    drive.live.wait_until_known()
    assert not drive.tf.get_subscription_count(), 'what moves is not asked for'
    drive.cloud(0.0)
    drive.hear(drive.cloud(0.1))
    # What was published before may come after the first clouds: each is a pair in which it is asked for.
    known, later = f'up is {curve.BODY_FROM_SENSOR[2, :3].round(2).tolist()}', itertools.count(2)
    drive.live.wait(
        lambda: known in drive.live.log.read_text(), f'"{known}"', again=lambda: drive.cloud(0.1 * next(later))
    )


@pytest.mark.parametrize('drive', [['base_frame:=chassis']], indirect=True)
def test_where_tf_static_does_not_lead_to_the_robot_it_says_nothing(drive):
    drive.open_tf()
    drive.live.wait(drive.tf_static.get_subscription_count, 'the node to subscribe to /tf_static')
    drive.live.wait_until_known()
    drive.cloud(0.0)
    drive.hear(drive.cloud(0.1))
    assert 'up is' not in drive.live.log.read_text()


@pytest.mark.parametrize('drive', [['ego_motion:=tf', 'fixed_frame:=odom']], indirect=True)
def test_tf(drive):
    drive.open_tf()
    for publisher in (drive.tf, drive.tf_static):
        drive.live.wait(publisher.get_subscription_count, 'the node to subscribe to tf')
    drive.live.wait_until_known()
    drive.cloud(0.0)
    for t in np.arange(-0.02, 0.08, 0.02):
        drive.tf.publish(drive.message(transform('odom', 'base_link', t, curve.world_from_body(t))))
    second = drive.cloud(0.1)
    # The worker waits for what is missing; the executor meanwhile goes on and receives it.
    for t in np.arange(0.08, 0.14, 0.02):
        drive.tf.publish(drive.message(transform('odom', 'base_link', t, curve.world_from_body(t))))
    curve.assert_right(drive.hear(second), 0.1, atol=0.05)
    assert 'cloud dropped' not in drive.live.log.read_text()


@pytest.mark.skipif(not STAND_INS, reason='tf2_msgs is installed')
def test_tf_without_its_message_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr('live.STAND_INS', [])
    live = LiveNode(tmp_path, arguments=['-p', 'ego_motion:=tf'])
    try:
        assert live.ended() == 1
        assert 'ego_motion tf needs the package tf2_msgs' in live.log.read_text()
        assert 'Traceback' not in live.log.read_text()
    finally:
        live.close()


def test_objects_are_published_in_a_frame_that_tf_leads_to_and_left_out_where_it_does_not(tmp_path):
    """A sensor that is turned to the left in a base that turns on; walls count as movers of the stand-in."""
    arguments = ['-r', '__ns:=/robot', '-p', 'objects_frame:=odom', '-p', 'pose_wait:=3.0']
    live = LiveNode(tmp_path, arguments=arguments, name='/robot/ssrflow', inputs=('/robot/points', '/tf'))
    try:
        drive = Drive(live)
        live.listen(PointCloud2, OBJECTS)
        live.listen(PointCloud2, FLOW)
        drive.open_tf()
        live.wait_until_connected()
        first, second = (drive.cloud(t) for t in (0.0, 0.1))
        for t in (-0.1, 0.0, 0.1, 0.2):
            drive.tf.publish(drive.message(transform('odom', 'base_link', t, curve.world_from_body(t))))
        message = live.hear(OBJECTS, second)
        assert message.header.frame_id == 'odom' and message.header.stamp == second.header.stamp
        (item,) = read_objects(message)
        pose = curve.world_from_body(0.1) @ curve.BODY_FROM_SENSOR
        np.testing.assert_allclose(item['velocity'], pose[:3, :3] @ [SPEED, 0, 0], atol=1e-5)
        ahead = decode(second).points
        ahead = ahead[ahead[:, 0] > 0]
        centre = (ahead.min(axis=0) + ahead.max(axis=0)) / 2
        np.testing.assert_allclose(item['centre'], pose[:3, :3] @ centre + pose[:3, 3], atol=1e-4)
        assert live.hear(FLOW, second).header == second.header, 'the flow stays in the frame of its cloud'
    finally:
        live.close()


def test_where_tf_does_not_lead_there_objects_are_left_out_with_a_warning(tmp_path):
    arguments = ['-r', '__ns:=/robot', '-p', 'objects_frame:=map', '-p', 'pose_wait:=0.0']
    live = LiveNode(tmp_path, arguments=arguments, name='/robot/ssrflow', inputs=('/robot/points', '/tf'))
    try:
        drive = Drive(live)
        for topic in (OBJECTS, FLOW):
            live.listen(PointCloud2, topic)
        drive.open_tf()
        live.wait_until_connected()
        drive.cloud(0.0)
        live.hear(FLOW, drive.cloud(0.1))
        live.wait_for_log('objects_frame: objects left out', "no way from 'lidar' to 'map'")
        assert not live.heard[OBJECTS]
    finally:
        live.close()
