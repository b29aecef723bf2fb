"""The launch file: by the real launch library where there is one, by its text everywhere."""
import ast
import importlib.util
import os
import signal
import subprocess
from pathlib import Path

import pytest

from ssrflow_ros.node.distribution import PROFILE_VARIABLES
from ssrflow_ros.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / 'launch' / 'flow.launch.py'
WANTED = {'points', 'odometry', 'ego_motion', 'weights', 'device', 'params_file', 'namespace', 'rviz',
          'rviz_config', 'bag', 'bag_rate', 'bag_loop', 'use_sim_time', 'autostart', 'log_level', 'respawn'}


@pytest.fixture(scope='module')
def constants():
    """The module's constants, read off its text."""
    return {node.targets[0].id: node.value for node in ast.parse(PATH.read_text()).body
            if isinstance(node, ast.Assign)}


@pytest.fixture(scope='module')
def arguments(constants):
    """name -> (name, default, description, choices) as syntax."""
    return {entry.elts[0].value: entry.elts for entry in constants['ARGUMENTS'].elts}


def test_every_argument_is_declared_and_described(arguments):
    assert WANTED <= set(arguments)
    for name, (_, default, description, _) in arguments.items():
        assert isinstance(default.value, str), f'{name}: launch knows only text'
        assert description.value.endswith('.') and len(description.value) > 15, name


def test_arguments_that_are_parameters_are_in_the_table_and_list_its_choices(constants, arguments):
    table = {row.name: row for row in Settings.table()}
    for key, kind in zip(constants['PARAMETERS'].keys, constants['PARAMETERS'].values, strict=True):
        row = table[key.value]
        assert row.type.__name__ == kind.id, row.name
        for choice in row.choices:
            assert choice in arguments[row.name][2].value, f'{row.name}: {choice} is not in the description'


def test_topics_and_names_are_those_of_the_node(constants):
    text = PATH.read_text()
    node = '\n'.join(path.read_text() for path in (ROOT / 'ssrflow_ros/node').glob('*.py'))
    for topic in ('points', 'odometry'):
        assert f"('{topic}', " in text and f"'{topic}'" in node
    assert f"super().__init__('{ast.literal_eval(constants['NODE'])}'" in node
    assert (ROOT / 'config/fastdds.xml').is_file() and (ROOT / 'rviz/flow.rviz').is_file()
    assert 'flow_node = {NAME}.node.flow_node:main' in (ROOT / 'setup.py').read_text()


def _launch_file():
    """The launch file as a module, with the real launch library."""
    pytest.importorskip('launch_ros', reason='launch_ros comes with ROS only')
    spec = importlib.util.spec_from_file_location('flow_launch', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.get_package_share_directory = lambda name: str(ROOT)
    return module


def _actions(**given):
    """What the launch file starts for these arguments."""
    module = _launch_file()
    import launch
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


def test_several_lidars_get_a_node_each_in_a_namespace_of_its_own():
    actions = _actions(points='/a/points /b/points', namespace='a b', bag='/some/bag', rviz='true')
    assert len(actions) == 5, 'two nodes, two windows, one bag'


@pytest.mark.parametrize('points, namespace', [('/a /b', ''), ('/a /b', 'a'), ('/a /b', 'a a'), ('', ''),
                                               ('/a', 'a b')])
def test_lidars_without_a_namespace_of_their_own_are_refused(points, namespace):
    with pytest.raises(RuntimeError, match='for each LiDAR'):
        _actions(points=points, namespace=namespace)


@pytest.mark.parametrize('use_sim_time, bag, expected', [
    ('auto', '', False), ('auto', '/bag', True), ('true', '', True), ('false', '/bag', False)])
def test_simulated_time_follows_the_bag(use_sim_time, bag, expected):
    module = _launch_file()
    seen = []
    module._flow_node = lambda points, namespace, given, sim_time, environment: seen.append(sim_time)
    import launch
    context = launch.LaunchContext()
    context.launch_configurations.update({name: default for name, default, *_ in module.ARGUMENTS})
    context.launch_configurations.update(use_sim_time=use_sim_time, bag=bag)
    module._start(context)
    assert seen == [expected]


def test_a_profile_that_is_set_stays(monkeypatch):
    module = _launch_file()
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert set(module._environment('ours.xml')) == set(PROFILE_VARIABLES)
    monkeypatch.setenv(PROFILE_VARIABLES[0], 'theirs.xml')
    assert module._environment('ours.xml') == {}


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
