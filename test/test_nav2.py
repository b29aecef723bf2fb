"""What a costmap of Nav2 is told, message by message: where a walker will be, and none where he was.

Nav2 itself is not run. The obstacles are read as a layer does that projects them by their velocity
(polymathrobotics/radar_layer): the box, moved on by the velocity step by step.
"""

import importlib.util
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy')

from message_stand_ins import message_module, serialized  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from ssrflow_ros import SceneFlow, Settings  # noqa: E402
from ssrflow_ros.formats.pointcloud2 import encode_points, with_only  # noqa: E402
from ssrflow_ros.node.object_adapters import adapters  # noqa: E402
from ssrflow_ros.objects.frames import in_frame  # noqa: E402
from ssrflow_ros.objects.moving_points import MovingPoints  # noqa: E402
from ssrflow_ros.simulator import simulate  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SEED, SCENE, SENSOR = 9_100_019, 'yard', 'os1_64'  # the robot drives at 0.9 m/s
WALKER = 13  # crosses before it, 7 m away, at 1.7 m/s
LAST, LATER = 4, 14  # sweeps, 0.1 s apart: the newest one, and the one that is a second later
CELL, PERIOD = 0.1, 0.1  # m of the map, s of a step


def read(name):
    return yaml.safe_load((ROOT / 'config' / name).read_text())


def test_costmaps_hear_the_topics_in_the_frame_in_which_the_node_publishes_and_look_a_second_ahead():
    node = read('nav2.yaml')['/**']['ros__parameters']
    Settings(**node)
    costmaps = read('nav2_costmaps.yaml')
    local = costmaps['local_costmap']['local_costmap']['ros__parameters']
    whole = costmaps['global_costmap']['global_costmap']['ros__parameters']
    assert node['object_messages'] == 'nav2' and node['objects_frame'] == local['global_frame']
    movers = local['movers_layer']
    assert movers['movers']['topic'] == '/ssrflow/obstacles'
    assert (movers['number_of_time_steps'] - 1) * movers['sample_time'] == pytest.approx(1.0)
    for costmap in (local, whole):
        assert all(layer in costmap for layer in costmap['plugins'])
        assert costmap['obstacle_layer']['static']['topic'] == '/ssrflow/static'


def test_the_launch_file_is_that_of_the_node_with_these_parameters(monkeypatch):
    def kept(name):
        return type(name, (), {'__init__': lambda self, *given, **named: vars(self).update(named, given=given)})

    for name, members in {
        'launch': {'LaunchDescription': list},
        'launch.actions': {name: kept(name) for name in ('DeclareLaunchArgument', 'IncludeLaunchDescription')},
        'launch.launch_description_sources': {'PythonLaunchDescriptionSource': str},
        'ament_index_python.packages': {'get_package_share_directory': lambda name: str(ROOT)},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location('nav2_launch', ROOT / 'launch' / 'nav2.launch.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    declared, included = module.generate_launch_description()
    assert declared.given == ('params_file',) and Path(declared.default_value) == ROOT / 'config' / 'nav2.yaml'
    assert Path(included.given[0]) == ROOT / 'launch' / 'flow.launch.py' and Path(included.given[0]).is_file()


@pytest.fixture(scope='module')
def drive():
    """The newest sweep and its flow, after those before it; and the sweep a second later."""
    *sweeps, later = simulate(SEED, LATER + 1, SENSOR, SCENE, kept=[*range(LAST + 1), LATER])
    stream = SceneFlow(Settings(threads=1)).stream()
    flows = [stream.push(sweep.sweep) for sweep in sweeps]
    return sweeps[-1], flows[1:], later


def in_world(sweep, place):
    return sweep.pose[:3, :3] @ place + sweep.pose[:3, 3]


def projected(message, seconds):
    """Cells, as pairs of whole numbers, that the obstacles' boxes take within so many seconds."""
    cells = set()
    for item in message.obstacles:
        place, velocity, size = (np.array([part.x, part.y]) for part in (item.position, item.velocity, item.size))
        for t in np.arange(0, seconds + 1e-9, PERIOD):
            first, last = (np.floor((place + velocity * t + side * size / 2) / CELL).astype(int) for side in (-1, 1))
            cells |= {(x, y) for x in range(first[0], last[0] + 1) for y in range(first[1], last[1] + 1)}
    return cells


def cell_of(place):
    return tuple(np.floor(place[:2] / CELL).astype(int))


def test_the_cell_where_a_crossing_walker_will_be_is_told_and_none_behind_him(drive, monkeypatch):
    now, flows, later = drive
    package = 'nav2_dynamic_msgs'
    monkeypatch.setitem(sys.modules, package, sys)
    monkeypatch.setitem(sys.modules, f'{package}.msg', message_module(package))
    (adapter,) = adapters('nav2')
    message = adapter.make(in_frame(flows[-1].objects, now.pose), Header(frame_id='odom'))
    message = serialized(package, 'ObstacleArray', message)

    here, there = (in_world(sweep, sweep.boxes[WALKER, :3]) for sweep in (now, later))
    way = (there - here)[:2]
    assert np.linalg.norm(way) > 1.2, 'he walks'
    told = projected(message, 1.0)
    assert cell_of(here) in told and cell_of(there) in told
    for behind in (0.75, 1.0, 1.5):
        assert cell_of(here[:2] - behind * way / np.linalg.norm(way)) not in told

    (he,) = (item for item in message.obstacles if np.hypot(item.position.x - here[0], item.position.y - here[1]) < 0.5)
    np.testing.assert_allclose([he.velocity.x, he.velocity.y], way, atol=0.3)
    assert 0.5 < he.score <= 1.0, 'the velocity is that over the ground, though the robot drives'


def test_the_obstacle_layer_gets_a_cloud_without_the_walker(drive):
    """Else he leaves a trail in it, which the layer clears only where beams pass again."""
    now, flows, _ = drive
    movers = MovingPoints()
    for flow in flows:
        movers.note(flow)
    cloud = encode_points(now.sweep.points)
    message = SimpleNamespace(**{name: getattr(cloud, name) for name in cloud.__dataclass_fields__})
    moving = now.sweep.to_rows(movers.answered(flows[-1], 0.2), missing=False)
    his = now.object_id == WALKER
    assert his.sum() > 100 and moving[his].mean() > 0.95
    assert moving[now.object_id < 0].mean() < 0.003
    assert with_only(message, ~moving).width == (~moving).sum()
