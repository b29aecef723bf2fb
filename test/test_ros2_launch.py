"""The launch file under the real `ros2 launch`, with stand-ins for node, RViz and player. Without: test_launch.py."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('ros2launch', reason='ros2 launch comes with ROS only')

from launch_stand_ins import PATH  # noqa: E402
from live import PATIENCE, STAND_IN, own_network  # noqa: E402

TEST = Path(__file__).resolve().parent
ROS2 = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; sys.exit(main())']
EXECUTABLES = {
    'lib/ssrflow_ros/flow_node': f'exec {" ".join(STAND_IN)} "$@"',
    'lib/rviz2/rviz2': 'trap "exit 0" INT; echo "rviz2: $@"; while sleep 0.1; do :; done',
    'bin/ros2': f'exec {sys.executable} {TEST}/stand_in_player.py "$@"',
}


class Launched:
    """`ros2 launch` of the launch file in an installation of its own."""

    def __init__(self, folder, *arguments, packages=('ssrflow_ros', 'rviz2', 'ros2bag')):
        for package in packages:
            marker = folder / 'share/ament_index/resource_index/packages' / package
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
        (folder / 'share/ssrflow_ros').symlink_to(TEST.parent)
        for name, script in EXECUTABLES.items():
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text(f'#!/bin/sh\n{script}\n')
            (folder / name).chmod(0o755)
        (folder / 'drive').mkdir()
        self.log = folder / 'launch.log'
        prefixes = [str(folder), *filter(None, [os.environ.get('AMENT_PREFIX_PATH')])]
        self.network = ExitStack()
        variables = {
            **self.network.enter_context(own_network(folder)),
            'HOME': str(folder),
            'AMENT_PREFIX_PATH': os.pathsep.join(prefixes),
            'PATH': f'{folder}/bin{os.pathsep}{os.environ["PATH"]}',
        }
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [*ROS2, 'launch', str(PATH), *arguments],
                env=variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self):
        return self.log.read_text()

    def wait(self, *texts, seconds=PATIENCE):
        """Until the log has every one of `texts`."""
        end = time.monotonic() + seconds
        while not all(text in self.text() for text in texts):
            assert time.monotonic() < end and self.process.poll() is None, f'waited in vain for {texts}:\n{self.text()}'
            time.sleep(0.1)

    def left(self):
        """Processes that are still there."""
        return subprocess.run(
            ['ps', '-o', 'args=', '-s', str(self.process.pid)], text=True, stdout=subprocess.PIPE
        ).stdout.splitlines()


@pytest.fixture
def launch(tmp_path):
    launched = []

    def launch(*arguments, **rest):
        launched.append(Launched(tmp_path, *arguments, **rest))
        return launched[-1]

    yield launch
    for one in launched:
        if one.left():
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        one.network.close()


def test_a_recording_waits_for_the_nodes_and_rviz_for_its_frame(launch):
    running = launch('points:=/front/points /rear/points', 'namespace:=front rear', 'bag:=~/drive', 'rviz:=True')
    running.wait('-f velodyne', '-f hesai')
    text = running.text()
    assert max(text.index('[front.ssrflow]: ready'), text.index('[rear.ssrflow]: ready')) < text.index('playing: bag')
    assert 'nobody publishes /clock' not in text
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(PATIENCE) == 0, running.text()
    assert running.left() == []
    assert 'Traceback' not in running.text() and 'process has died' not in running.text()


def test_a_live_topic_needs_only_the_node(launch):
    running = launch('points:=/lidar/points', packages=['ssrflow_ros'])
    running.wait("waiting for clouds on '/lidar/points'")
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(PATIENCE) == 0 and running.left() == []
    assert 'Traceback' not in running.text() and 'process has died' not in running.text()


def test_what_waits_ends_too_when_the_node_fails_and_so_does_the_launch(launch):
    running = launch('bag:=~/drive', 'rviz:=true', 'weights:=missing')
    assert running.process.wait(PATIENCE) == 1, running.text()
    assert 'there are no such weights' in running.text() and 'flow_node-1 ended with code 1' in running.text()
    assert running.left() == []


@pytest.mark.parametrize(
    'argument, said',
    [
        ('topic:=/a', "there is no argument 'topic': did you mean 'points'?"),
        ('bag:=~/nowhere', 'bag:=~/nowhere: there is no such file'),
        ('rviz:=true', 'rviz:=true: rviz2 is not installed'),
        ('autostart:=maybe', 'autostart:=maybe: choose from true'),
    ],
)
def test_nothing_starts_if_an_argument_is_refused(launch, argument, said):
    running = launch(argument, packages=['ssrflow_ros'])
    assert running.process.wait(PATIENCE) == 1
    assert said in running.text() and 'process started' not in running.text()
