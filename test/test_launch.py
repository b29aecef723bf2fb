"""The launch file: by the real launch library where there is one, by its text everywhere."""
import ast
import importlib.util
import os
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / 'launch' / 'flow.launch.py'
WANTED = {'points', 'odometry', 'ego_motion', 'weights', 'device', 'params_file', 'namespace', 'rviz',
          'rviz_config', 'bag', 'bag_rate', 'bag_loop', 'use_sim_time', 'log_level', 'respawn'}


@pytest.fixture(scope='module')
def arguments():
    """name -> (default, description, choices), read off the text."""
    for node in ast.parse(PATH.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'ARGUMENTS':
            return {entry.elts[0].value: entry for entry in node.value.elts}
    raise AssertionError('no ARGUMENTS in the launch file')


def test_every_argument_is_declared_and_described(arguments):
    assert WANTED <= set(arguments)
    for name, entry in arguments.items():
        _, default, description, _ = entry.elts
        assert isinstance(default.value, str), f'{name}: launch knows only text'
        assert description.value.endswith('.') and len(description.value) > 15, name


def test_topics_and_files_named_there_exist():
    text = PATH.read_text()
    node = (ROOT / 'ssrflow_ros/node/flow_node.py').read_text()
    for topic in ('points', 'odometry'):
        assert f"('{topic}', given['{topic}'])" in text and f"'{topic}'" in node
    for output in ('flow', 'markers'):
        assert f"('/ssrflow/{output}', 'ssrflow/{output}')" in text and f"'~/{output}'" in node
        assert f'Value: /ssrflow/{output}\n' in (ROOT / 'rviz/flow.rviz').read_text()
    assert (ROOT / 'config/fastdds.xml').is_file()


def test_rviz_configuration_is_yaml_with_the_markers_namespaces():
    yaml = pytest.importorskip('yaml')
    from ssrflow_ros.formats.markers import OBJECTS, POINTS
    displays = yaml.safe_load((ROOT / 'rviz/flow.rviz').read_text())['Visualization Manager']['Displays']
    markers = next(item for item in displays if item['Class'].endswith('MarkerArray'))
    assert set(markers['Namespaces']) == {POINTS, OBJECTS}


def _actions(**given):
    """What the launch file starts for these arguments, by the real launch library."""
    pytest.importorskip('launch_ros', reason='launch_ros comes with ROS only')
    import launch
    spec = importlib.util.spec_from_file_location('flow_launch', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.get_package_share_directory = lambda name: str(ROOT)
    context = launch.LaunchContext()
    description = module.generate_launch_description()
    context.launch_configurations.update({name: default for name, default, *_ in module.ARGUMENTS})
    context.launch_configurations.update(given)
    return description.entities[-1].execute(context)


def test_live_topic_starts_only_the_node():
    node, = _actions(points='/lidar/points')
    assert node.node_executable == 'flow_node'


def test_bag_and_rviz_are_started_beside_the_node():
    assert len(_actions(bag='/some/bag', rviz='true')) == 3


@pytest.mark.skipif(not os.environ.get('ROS_DISTRO') and not os.environ.get('SSRFLOW_TEST_LAUNCH'),
                    reason='ros2 launch comes with ROS only')
def test_ros2_launch_runs_and_ends(tmp_path):
    command = ['ros2', 'launch', str(PATH), 'points:=/lidar/points', 'log_level:=warn']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, 'ROS_LOG_DIR': str(tmp_path)})
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(15)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert 'Traceback' not in output and 'process has died' not in output, output
