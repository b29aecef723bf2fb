"""The launch file: what its arguments ask for, what is refused, and what is started. test_ros2_launch.py runs it."""

import shlex
import types
from pathlib import Path

import pytest
from launch_stand_ins import PATH, SHARE, launch_file, run_launch_file

from ssrflow_ros.errors import InputError
from ssrflow_ros.node.distribution import PROFILE_VARIABLES
from ssrflow_ros.node.launch_arguments import ARGUMENTS, PARAMETERS, read_arguments, refuse_unknown
from ssrflow_ros.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
WANTED = {
    'points',
    'odometry',
    'ego_motion',
    'weights',
    'device',
    'params_file',
    'namespace',
    'rviz',
    'rgba',
    'rviz_config',
    'bag',
    'bag_rate',
    'bag_loop',
    'use_sim_time',
    'autostart',
    'log_level',
    'respawn',
}
OWN = ['ros2', 'launch', 'ssrflow_ros', 'flow.launch.py']
DEFAULTS = {argument.name: argument.default for argument in ARGUMENTS}


def read(installed=('rviz2', 'ros2bag'), **given):
    """What `given` asks for."""
    return read_arguments({**DEFAULTS, **given}, lambda package: package in installed)


@pytest.fixture
def module(monkeypatch):
    return launch_file(monkeypatch)


@pytest.fixture
def drive(tmp_path):
    """A recording, as far as one looks before it is played."""
    (tmp_path / 'drive').mkdir()
    return str(tmp_path / 'drive')


# --- arguments -----------------------------------------------------------------------------------------


def test_every_argument_is_declared_and_described():
    assert WANTED <= set(DEFAULTS)
    for argument in ARGUMENTS:
        assert isinstance(argument.default, str), f'{argument.name}: launch knows only text'
        assert argument.description.endswith('.') and len(argument.description) > 15, argument.name
        assert all(choice in argument.help for choice in argument.choices), argument.name


def test_arguments_that_are_parameters_are_in_the_table_and_list_its_choices():
    table = {row.name: row for row in Settings.table()}
    for argument in PARAMETERS:
        assert all(choice in argument.help for choice in table[argument.name].choices), argument.name
    given = {
        'ego_motion': 'tf',
        'fixed_frame': 'odom',
        'weights': 'onboard',
        'device': 'cpu',
        'autostart': 'False',
        'rgba': 'true',
    }
    assert set(given) == {argument.name for argument in PARAMETERS}
    assert read(**given).parameters == {**given, 'autostart': False, 'rgba': True}
    assert read().parameters == {}, 'what is not given is left to the file and to the node'


@pytest.mark.parametrize(
    'name, value',
    [
        (argument.name, word)
        for argument in ARGUMENTS
        if 'true' in argument.choices
        for word in ('true', 'True', 'TRUE')
    ],
)
def test_yes_may_be_written_as_in_yaml_and_in_python(name, value, drive):
    request = read(**{name: value}, bag=drive)
    told = {
        'use_sim_time': request.sim_time,
        'rviz': request.rviz,
        'respawn': request.respawn,
        'bag_loop': '--loop' in request.play,
        **request.parameters,
    }
    assert told[name] is True


@pytest.mark.parametrize(
    'given, words',
    [
        ({'autostart': 'maybe'}, ['autostart:=maybe', 'true, false']),
        ({'use_sim_time': 'yes'}, ['use_sim_time:=yes', 'auto, true, false']),
        ({'rviz': ''}, ['rviz:=', 'true, false']),
        ({'ego_motion': 'odo'}, ['ego_motion:=odo', 'scan_matching']),
        ({'log_level': 'loud'}, ['log_level:=loud', 'warn']),
        ({'bag': '/nowhere/drive'}, ['bag:=/nowhere/drive', 'no such file', 'rosbag2']),
        ({'bag': '~/nowhere'}, ['bag:=~/nowhere', 'no such file']),
        ({'bag_rate': '0'}, ['bag_rate:=0', 'above 0']),
        ({'bag_rate': '-1'}, ['bag_rate:=-1', 'above 0']),
        ({'bag_rate': 'fast'}, ['bag_rate:=fast', 'number']),
        ({'bag_rate': 'nan'}, ['bag_rate:=nan', 'number']),
        ({'params_file': '/nonexistent.yaml'}, ['params_file:=/nonexistent.yaml', 'no such file', 'YAML']),
        ({'params_file': '/'}, ['params_file:=/', 'no such file']),
        ({'rviz_config': '~/nothing.rviz'}, ['rviz_config:=~/nothing.rviz', 'no such file']),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_the_argument(given, words):
    with pytest.raises(InputError) as refused:
        read(**given)
    message = str(refused.value)
    assert '\n' not in message and message.startswith(words[0]) and all(word in message for word in words)


def test_what_is_not_installed_is_refused_with_the_cure(drive, monkeypatch):
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    with pytest.raises(InputError, match='rviz:=true: rviz2 is not installed: sudo apt install ros-jazzy-rviz2'):
        read(installed=['ros2bag'], rviz='true')
    with pytest.raises(InputError, match='ros2bag is not installed'):
        read(installed=['rviz2'], bag=drive)
    assert not read(installed=[]).rviz, 'what nobody asks for may be missing'


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'drive').mkdir()
    for name in ('p.yaml', 'view.rviz'):
        (tmp_path / name).touch()
    request = read(bag='~/drive', params_file='~/p.yaml', rviz_config='~/view.rviz')
    assert request.play[:4] == ('ros2', 'bag', 'play', str(tmp_path / 'drive'))
    assert (request.params_file, request.rviz_config) == (str(tmp_path / 'p.yaml'), str(tmp_path / 'view.rviz'))


@pytest.mark.parametrize(
    'points, namespace', [('/a /b', ''), ('/a /b', 'a'), ('/a /b', 'a a'), ('', ''), ('/a', 'a b')]
)
def test_lidars_without_a_namespace_of_their_own_are_refused(points, namespace):
    with pytest.raises(InputError, match='for each LiDAR'):
        read(points=points, namespace=namespace)


@pytest.mark.parametrize(
    'use_sim_time, bag, expected',
    [('auto', False, False), ('auto', True, True), ('true', False, True), ('false', True, False)],
)
def test_simulated_time_follows_the_bag(use_sim_time, bag, expected, drive):
    assert read(use_sim_time=use_sim_time, bag=drive if bag else '').sim_time is expected


@pytest.mark.parametrize(
    'name, nearest',
    [
        ('topic', "'points'"),
        ('pionts', "'points'"),
        ('frame', "'rviz_frame'"),
        ('rate', "'bag_rate'"),
        ('sim_time', "'use_sim_time'"),
        ('recording', "'bag'"),
        ('qwertz', '--show-args'),
    ],
)
def test_an_argument_that_is_none_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(InputError, match=f"there is no argument '{name}': .*{nearest}"):
        refuse_unknown(['points:=/a', f'{name}:=/my/topic'])


def test_arguments_of_launch_itself_are_known():
    refuse_unknown([f'{name}:=x' for name in DEFAULTS])
    refuse_unknown(['launch-prefix:=gdb', 'sigterm_timeout:=10', 'emulate_tty:=false'])


# --- what is started ------------------------------------------------------------------------------------


def test_topics_and_names_are_those_of_the_node(module):
    (node,) = run_launch_file(module)
    assert node.remappings == [('points', 'points'), ('odometry', 'odometry')]
    assert (ROOT / 'config/fastdds.xml').is_file() and (ROOT / 'rviz/flow.rviz').is_file()


def test_live_topic_starts_only_the_node(module):
    (node,) = run_launch_file(module, points='/lidar/points')
    assert node.executable == 'flow_node' and ('points', '/lidar/points') in node.remappings


def test_bag_and_rviz_are_started_beside_the_node_and_wait_for_what_they_need(module, drive):
    _, rviz, bag = run_launch_file(module, bag=drive, rviz='true', points='/lidar/points', bag_rate='0.5')
    waits = ['-m', 'ssrflow_ros.node.start_when']
    assert shlex.split(rviz.prefix)[1:] == [*waits, 'cloud', '--']
    assert rviz.arguments == ['-d', f'{SHARE}/rviz/flow.rviz', '-f', '{frame}', '-t', '/lidar/points - RViz']
    assert ('/points', '/lidar/points') in rviz.remappings, 'it is also where the first cloud is waited for'
    assert shlex.split(bag.prefix)[1:] == [*waits, 'active', '/ssrflow', '--']
    assert bag.cmd == ['ros2', 'bag', 'play', drive, '--clock', '--rate', '0.5', '--delay', '1.0']


def test_in_a_frame_that_is_given_the_view_follows_that_of_the_clouds(module, tmp_path):
    _, rviz = run_launch_file(module, rviz='true', rviz_frame='odom')
    assert shlex.split(rviz.prefix)[-3:] == ['cloud', f'{SHARE}/rviz/flow.rviz', '--']
    assert rviz.arguments[:4] == ['-d', '{config}', '-f', 'odom']
    own = tmp_path / 'own.rviz'
    own.touch()
    _, rviz = run_launch_file(module, rviz='true', rviz_frame='odom', rviz_config=str(own))
    assert shlex.split(rviz.prefix)[-2:] == ['cloud', '--'] and rviz.arguments[:2] == ['-d', str(own)]


@pytest.mark.parametrize(
    'given, from_clock',
    [({}, False), ({'bag_loop': 'true'}, True), ({'bag': '', 'use_sim_time': 'true'}, True), ({'bag': ''}, False)],
)
def test_rviz_does_not_wait_for_a_clock_that_stops_with_the_recording(module, drive, given, from_clock):
    # It removes a cloud when its clock has gone on: those that come after the end would pile up.
    _, rviz, *_ = run_launch_file(module, **{'rviz': 'true', 'bag': drive, **given})
    assert rviz.parameters == [{'use_sim_time': from_clock}]


def test_a_loop_begins_again_without_delay(module, drive):
    assert run_launch_file(module, bag=drive, bag_loop='true')[-1].cmd[-1] == '--loop'


def test_several_lidars_get_a_node_each_in_a_namespace_of_its_own(module, drive):
    actions = run_launch_file(module, points='/a/points /b/points', namespace='a b', bag=drive, rviz='true')
    first, second, *windows, bag = actions
    assert [(node.namespace, node.executable) for node in (first, second)] == [('a', 'flow_node'), ('b', 'flow_node')]
    assert [(window.namespace, window.remappings[-1][1]) for window in windows] == [
        ('a', '/a/points'),
        ('b', '/b/points'),
    ]
    assert [window.arguments[-1] for window in windows] == ['a /a/points - RViz', 'b /b/points - RViz']
    assert shlex.split(bag.prefix)[-4:] == ['active', '/a/ssrflow', '/b/ssrflow', '--']


def test_an_argument_wins_over_the_file_and_the_file_over_rviz(module, tmp_path):
    file = tmp_path / 'p.yaml'
    file.touch()
    node, _ = run_launch_file(module, rviz='true', params_file=str(file), device='cpu', autostart='false')
    assert node.parameters == [
        {'rgba': True},
        str(file),
        {'use_sim_time': False},
        {'device': 'cpu'},
        {'autostart': False},
    ]
    (node,) = run_launch_file(module, rgba='True')
    assert node.parameters == [{'use_sim_time': False}, {'rgba': True}]


@pytest.mark.parametrize(
    'own, argv',
    [
        (True, [*OWN, 'topic:=/a']),
        (True, ['ros2', 'launch', str(PATH)]),
        (False, ['ros2', 'launch', 'robot', 'bringup.launch.py', 'topic:=/a']),
        (False, ['ros2', 'launch', 'robot', 'flow.launch.py', 'topic:=/a']),
    ],
)
def test_arguments_of_a_file_that_includes_this_one_are_not_refused(module, monkeypatch, own, argv):
    monkeypatch.setattr(module.sys, 'argv', argv)
    if own:
        with pytest.raises(InputError, match='topic'):
            run_launch_file(module, ['topic:=/a'])
    else:
        assert len(run_launch_file(module, ['topic:=/a'])) == 1


def ended(code, shutdown=False):
    return (
        types.SimpleNamespace(process_name='flow_node-1', returncode=code),
        types.SimpleNamespace(is_shutdown=shutdown),
    )


def test_everything_ends_with_the_node_and_a_failure_is_one_of_the_launch(module, drive, monkeypatch):
    monkeypatch.setattr(module.sys, 'argv', OWN)
    node, bag = run_launch_file(module, bag=drive)
    with pytest.raises(RuntimeError, match='flow_node-1 ended with code -11'):
        node.on_exit(*ended(-11))
    assert type(node.on_exit(*ended(0))).__name__ == 'Shutdown'
    assert node.on_exit(*ended(-9, shutdown=True)) is None, 'that is what Ctrl-C does to what hangs'
    assert bag.on_exit(*ended(0)) is None, 'the node outlives its recording'
    with pytest.raises(RuntimeError):
        bag.on_exit(*ended(1))
    (again,) = run_launch_file(module, respawn='true')
    assert again.respawn and again.on_exit is None
    monkeypatch.setattr(module.sys, 'argv', ['ros2', 'launch', 'robot', 'bringup.launch.py'])
    assert node.on_exit(*ended(1)) is None and bag.on_exit(*ended(1)) is None, 'a robot goes on without'


def test_a_profile_that_is_set_stays(module, monkeypatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert set(module._environment('ours.xml')) == set(PROFILE_VARIABLES)
    monkeypatch.setenv(PROFILE_VARIABLES[0], 'theirs.xml')
    assert module._environment('ours.xml') == {}
