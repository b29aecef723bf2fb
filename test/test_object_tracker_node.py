"""The example's node over DDS: objects of a driving sensor in, tracks in the frame of its odometry out."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('filterpy')

from live import LiveNode  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from ssrflow_ros.formats.object_cloud import encode_objects, read_objects  # noqa: E402
from ssrflow_ros.node.messages import to_pointcloud2  # noqa: E402
from ssrflow_ros.sweep import MovingObject  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
TRACKER = [sys.executable, '-m', 'ssrflow_ros.node.object_tracker']
TRACKS = '/object_tracker/tracks'
EGO, WALKER = np.array([10.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0])  # m/s


def header_of(sweep, frame_id):
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = 100, 100_000_000 * sweep
    return header


def test_tracks_of_a_driving_sensor_are_in_the_frame_of_its_odometry(tmp_path):
    live = LiveNode(
        tmp_path, TRACKER, ['-r', 'objects:=/ssrflow/objects', '-r', 'odometry:=/odom'], name='/object_tracker'
    )
    try:
        objects = live.node.create_publisher(PointCloud2, '/ssrflow/objects', 5)
        odometry = live.node.create_publisher(Odometry, '/odom', 50)
        live.listen(PointCloud2, TRACKS)
        live.wait(
            lambda: (
                objects.get_subscription_count()
                and odometry.get_subscription_count()
                and live.node.count_publishers(TRACKS)
            ),
            'the tracker',
        )
        live.wait_until_known()

        def say_where_and_ask():
            # DDS keeps no order between topics, and best effort loses: no objects before the poses are known.
            for sweep in range(5):
                at = Odometry(header=header_of(sweep, 'odom'), child_frame_id='lidar')
                at.pose.pose.position.x, at.pose.pose.orientation.w = 0.1 * sweep * EGO[0], 1.0
                odometry.publish(at)
            objects.publish(to_pointcloud2(encode_objects([]), header_of(4, 'lidar')))

        live.wait(lambda: live.heard[TRACKS], 'the poses to be known', again=say_where_and_ask)
        for sweep in range(5):
            place = np.array([40.0, -3.0, 0.0]) + 0.1 * sweep * (WALKER - EGO)
            walker = MovingObject(
                sweep,
                place,
                np.ones(3),
                0.0,
                WALKER,
                30,
                track_id=4,
                position_covariance=0.01 * np.eye(3),
                velocity_covariance=0.04 * np.eye(3),
            )
            live.heard[TRACKS].clear()
            objects.publish(to_pointcloud2(encode_objects([walker]), header_of(sweep, 'lidar')))
            live.wait(lambda: any(message.width for message in live.heard[TRACKS]), 'the tracks of a sweep')
        message = live.heard[TRACKS][-1]
        (track,) = read_objects(message)
        assert message.header.frame_id == 'odom' and (track['track_id'], track['age']) == (0, 5)
        np.testing.assert_allclose(track['centre'], [40.0, -3.0 + 0.4 * WALKER[1], 0.0], atol=0.05)
        np.testing.assert_allclose(track['velocity'], WALKER, atol=0.1)
        assert live.stop(signal.SIGINT) == 0 and 'Traceback' not in live.log.read_text()
    finally:
        live.close()


def test_without_filterpy_it_says_what_to_install(tmp_path):
    (tmp_path / 'filterpy.py').write_text('raise ModuleNotFoundError("No module named filterpy", name="filterpy")')
    done = subprocess.run(
        TRACKER,
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode, done.stdout) == (1, 'object_tracker.py needs filterpy: pip install filterpy\n')
