"""What waits for the node or for its clouds, and becomes the command that needs them."""

import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('rclpy')

from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from live import STAND_IN, LiveNode, make_cloud  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402

START_WHEN = [sys.executable, '-m', 'ssrflow_ros.node.start_when']


@pytest.fixture
def start(tmp_path):
    """Starts a node, whichever it is; it is ended with the test."""
    started = []

    def start(*command):
        started.append(LiveNode(tmp_path, *command, inputs=()))
        return started[-1]

    yield start
    for live in started:
        live.close()


def test_a_command_is_told_the_frame_of_the_first_cloud(start):
    live = start([*START_WHEN, 'cloud', '--', 'echo', '-f', '{frame}'], ['-r', '/points:=/front/points'])
    other = live.node.create_publisher(PointCloud2, '/points', 5)
    front = live.node.create_publisher(PointCloud2, '/front/points', 5)
    live.wait_for_log("echo starts with the first cloud on '/front/points'")
    while live.process.poll() is None:  # best effort may lose one
        other.publish(make_cloud(np.ones((5, 3)), 1, 'rear'))
        front.publish(make_cloud(np.ones((5, 3)), 1, 'velodyne'))
        live.spin(0.1)
    assert live.process.returncode == 0
    assert live.log.read_text().splitlines()[-1] == '-f velodyne --ros-args -r /points:=/front/points'


def test_a_copy_of_the_configuration_follows_the_frame(start, tmp_path):
    config = tmp_path / 'own.rviz'
    config.write_text('  Target Frame: <Fixed Frame>\n  Fixed Frame: map\n')
    live = start([*START_WHEN, 'cloud', str(config), '--', 'sh', '-c', 'cat "$0"', '{config}'])
    points = live.node.create_publisher(PointCloud2, '/points', 5)
    live.wait_for_log('sh starts with the first cloud')
    while live.process.poll() is None:  # best effort may lose one
        points.publish(make_cloud(np.ones((5, 3)), 1, 'velodyne'))
        live.spin(0.1)
    assert live.process.returncode == 0
    assert live.log.read_text().splitlines()[-2:] == ['  Target Frame: velodyne', '  Fixed Frame: map']
    assert 'Fixed Frame>' in config.read_text(), 'the original stays'


def test_a_command_starts_when_the_node_is_active_and_not_before(start):
    live = start(STAND_IN, ['-p', 'autostart:=false'])
    waiting = subprocess.Popen(
        [*START_WHEN, 'active', '/ssrflow', '--', 'sh', '-c', 'echo started; exit 7'],
        env=live.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert 'starts when active: /ssrflow' in waiting.stdout.readline()
        for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            live.spin(1.0)
            assert waiting.poll() is None
            request = ChangeState.Request(transition=Transition(id=step))
            assert live.call(ChangeState, '/ssrflow/change_state', request).success
        live.wait(lambda: waiting.poll() is not None, 'the command')
        assert waiting.stdout.read() == 'started\n'
        assert waiting.returncode == 7, "the command's own"
    finally:
        waiting.kill()
        waiting.communicate()


@pytest.mark.parametrize('ending', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_waiting(start, ending, tmp_path):
    live = start([*START_WHEN, 'active', '/nowhere', '--', 'touch', str(tmp_path / 'started')])
    live.wait_for_log('starts when active: /nowhere')
    assert live.stop(ending) == 0
    assert 'Traceback' not in live.log.read_text() and not (tmp_path / 'started').exists()


def test_a_command_that_is_not_there_is_told_of_in_one_line(start):
    live = start([*START_WHEN, 'cloud', '--', '/nowhere/rviz2'])
    live.wait_for_log('starts with the first cloud')
    while live.process.poll() is None:
        live.points.publish(make_cloud(np.ones((5, 3)), 1))
        live.spin(0.1)
    assert live.process.returncode == 1
    assert live.log.read_text().splitlines()[-1] == '/nowhere/rviz2 cannot be started: No such file or directory'


@pytest.mark.parametrize('words', [[], ['cloud', 'echo'], ['soon', '--', 'echo']])
def test_how_it_is_used_is_told(words):
    done = subprocess.run([*START_WHEN, *words], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and 'start_when cloud -- rviz2' in done.stderr
