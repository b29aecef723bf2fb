"""Sensors that hang upside down, are tilted or bear optical axes: levelled inside, answered in their own frame."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ssrflow_ros.datasets import open_dataset
from ssrflow_ros.doctor import method as doctor
from ssrflow_ros.doctor.finding import WRONG
from ssrflow_ros.evaluation.predictions import NETWORK, predict
from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bag_poses import read_poses
from ssrflow_ros.formats.bags import POINTCLOUD2, TF_MESSAGE, TF_STATIC, BagReader, write_bag
from ssrflow_ros.formats.pointcloud2 import decode
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.simulator.disturbances import mounted
from ssrflow_ros.steps.conditioning import Conditioning, unknown
from ssrflow_ros.steps.levelling import ground_up, level_axes
from ssrflow_ros.sweep import SweepPair

TURNS = {
    'upside down': Rotation.from_euler('x', 180, degrees=True).as_matrix(),
    'tilted': Rotation.from_euler('y', 35, degrees=True).as_matrix(),
    'on its side': Rotation.from_euler('x', -60, degrees=True).as_matrix(),
    'optical': np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]),
}


@pytest.fixture(scope='module')
def method():
    return SceneFlow(Settings(network_points=2048))


@pytest.fixture(scope='module')
def sweeps():
    return list(simulate(4_800_035, 2, 'os1_128', 'yard'))


@pytest.mark.parametrize('turn', TURNS.values(), ids=TURNS)
@pytest.mark.parametrize('sensor, scene', [('vlp16', 'yard'), ('os1_64', 'street'), ('hdl64e', 'street')])
def test_the_ground_tells_which_way_is_up(turn, sensor, scene):
    level = next(simulate(4_800_042, 1, sensor, scene))
    up = level.pose[:3, :3].T @ [0, 0, 1]
    (there,) = mounted([level], turn)
    found = ground_up(there.sweep.points)
    assert found is not None and np.degrees(np.arccos(found @ turn @ up)) < 8


def test_a_frame_that_is_level_stays_bit_for_bit(sweeps):
    older, newer = (labelled.sweep for labelled in sweeps)
    assert Conditioning(Settings(remove_outliers=False))(SweepPair(newer, older)).is_as_given
    assert np.array_equal(level_axes(np.array([0.1, 0.0, 0.995])), np.eye(3))


@pytest.mark.parametrize('turn', TURNS.values(), ids=TURNS)
def test_axes_are_a_rotation_that_stands_upright(turn):
    up = turn @ [0.0, 0.0, 1.0]
    axes = level_axes(up)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(axes @ up, [0, 0, 1], atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_optical_axes_become_forward_left_up():
    np.testing.assert_allclose(level_axes(np.array([0.0, -1.0, 0.0])), [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)


def test_a_wall_alone_is_no_ground():
    across, up = (side.ravel() for side in np.meshgrid(np.arange(-20, 20, 0.3), np.arange(-1.5, 3, 0.3)))
    walls = np.concatenate(
        [np.stack([np.full_like(across, 4.0), across, up], 1), np.stack([across, np.full_like(across, -6.0), up], 1)]
    )
    found = ground_up(walls.astype(np.float32))
    assert found is None or found[2] > 0.9


@pytest.mark.parametrize('turn', TURNS.values(), ids=TURNS)
def test_answers_are_in_the_frame_of_the_clouds_and_as_those_of_a_level_sensor(turn, method, sweeps):
    older, newer = sweeps
    there = list(mounted(sweeps, turn))
    flow = method.stream().flow(SweepPair(newer.sweep, older.sweep))
    tilted = method.stream().flow(SweepPair(there[1].sweep, there[0].sweep))
    assert tilted.pair.source is there[1].sweep
    truth = np.linalg.inv(there[0].pose) @ there[1].pose
    np.testing.assert_allclose(tilted.ego_motion.target_from_source, truth, atol=0.03)
    moving = there[1].moving & ~there[1].ground
    errors = [
        np.linalg.norm(answer.velocity - sweep.velocity, axis=1)[moving].mean()
        for answer, sweep in ((flow, newer), (tilted, there[1]))
    ]
    still = np.linalg.norm(there[1].velocity, axis=1)[moving].mean()
    assert errors[1] < max(1.3 * errors[0], 0.5 * still)
    for item in tilted.objects:
        np.testing.assert_allclose(item.axes.T @ item.axes, np.eye(3), atol=1e-9)
        points = tilted.pair.source.points[tilted.object_ids == item.id]
        inside = np.abs((points - item.centre) @ item.axes) <= item.size / 2 + 0.01
        assert inside.all()  # the box stands about its points, in the sensor's own frame


@pytest.mark.parametrize('ground', ['none', 'polar_grid'])
def test_mounting_tells_the_way_up_whatever_ground_is_seen(ground, sweeps):
    conditioning = Conditioning(Settings(mounting='0 0 1 3.14159265 0 0', ground=ground))
    older, newer = (labelled.sweep for labelled in sweeps)
    np.testing.assert_allclose(conditioning(SweepPair(newer, older)).level @ [0, 0, -1], [0, 0, 1], atol=1e-6)


def written(path, sweeps, turn):
    """A recording of the sweeps, with /tf_static: the robot's axes turned by `turn` (3, 3) into the sensor's."""
    make = bag_messages.typestore().types
    quaternion = make['geometry_msgs/msg/Quaternion'](*Rotation.from_matrix(turn.T).as_quat().tolist())
    transform = make['geometry_msgs/msg/Transform'](make['geometry_msgs/msg/Vector3'](0.0, 0.0, 1.0), quaternion)
    item = make['geometry_msgs/msg/TransformStamped'](bag_messages.to_header(0, 'base_link'), 'lidar', transform)
    with write_bag(path) as bag:
        bag.write(TF_STATIC, TF_MESSAGE, 1, make[TF_MESSAGE]([item]))
        for sweep in sweeps:
            header = bag_messages.to_header(sweep.stamp_ns, 'lidar')
            cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(sweep.points), header)
            bag.write('/points', POINTCLOUD2, sweep.stamp_ns, cloud)
    return str(path)


@pytest.mark.parametrize('turn', TURNS.values(), ids=TURNS)
def test_tf_static_of_a_recording_tells_the_way_up_from_the_first_pair_on_without_a_ground(turn, sweeps, tmp_path):
    there = [next(mounted([one], turn)).sweep for one in sweeps]
    settings = Settings(ground='none', ego_motion='none')
    with BagReader(written(tmp_path / 'bag', there, turn)) as bag:
        poses = read_poses(bag, settings)
        older, newer = (decode(message.read()) for message in bag.read(['/points']))
    level = Preparation(settings, poses.mounting_of)(SweepPair(newer, older)).conditioned.level
    np.testing.assert_allclose(level @ turn @ [0, 0, 1], [0, 0, 1], atol=1e-6)
    assert poses.between(SweepPair(newer, older)) is None
    without = Preparation(settings)(SweepPair(newer, older)).conditioned.level
    assert np.array_equal(without, np.eye(3)), 'nobody told'


@pytest.mark.parametrize('base_frame, is_told', [('base_link', True), ('nothing', False)])
def test_evaluate_takes_the_way_up_from_tf_static_as_bag_does(base_frame, is_told, sweeps, tmp_path):
    there = [next(mounted([one], TURNS['tilted'])).sweep for one in sweeps]
    settings = Settings(ground='none', ego_motion='none', network_points=512, min_range=0.0, base_frame=base_frame)
    path = written(tmp_path / 'bag', there, TURNS['tilted'])
    labelled = open_dataset(f'bag:{path}', settings)[0]
    with BagReader(path) as bag:
        told = read_poses(bag, settings).mounting_of('lidar')
    answers = [
        SceneFlow(settings).stream(mounting_of).flow(labelled.pair).network_velocity
        for mounting_of in (lambda frame: told, unknown)
    ]
    found = predict(labelled, settings, settings.seed).residual[NETWORK] / np.float32(labelled.pair.dt)
    np.testing.assert_allclose(found, answers[0], atol=1e-5)
    assert np.allclose(*answers, atol=1e-3) != is_told


def test_tf_static_that_comes_late_is_taken_from_then_on(sweeps):
    known = {}
    conditioning = Conditioning(Settings(), known.get)
    older, newer = (labelled.sweep for labelled in sweeps)
    assert np.array_equal(conditioning(SweepPair(newer, older)).level, np.eye(3))
    known[newer.frame_id] = np.diag([1.0, -1.0, -1.0, 1.0])
    assert np.array_equal(conditioning(SweepPair(newer, older)).level, np.eye(3)), 'these sweeps are ready'
    later = dataclasses.replace(newer, stamp_ns=newer.stamp_ns + 100_000_000)
    pair = conditioning(SweepPair(later, newer))
    np.testing.assert_allclose(pair.level @ [0, 0, -1], [0, 0, 1])
    np.testing.assert_allclose(pair.pair.target.points[:, 2].max(), -newer.points[:, 2].min(), atol=1.0)


@pytest.mark.parametrize(
    'told, words', [('upside down', 'by /tf_static (base_link) the sensor is'), ('level', 'put right')]
)
def test_the_doctor_says_who_tells_and_where_the_ground_does_not_agree(told, words, sweeps):
    turn = TURNS['upside down']
    older, newer = (next(mounted([one], turn)).sweep for one in sweeps)
    pose = np.eye(4)
    pose[:3, :3] = turn.T if told == 'upside down' else np.eye(3)
    (found,) = doctor.mounting(SweepPair(newer, older), Settings(), lambda frame: pose)
    assert (found.level == WRONG) == (told == 'level')
    assert words in found.text and ('180 degrees off' in found.text or '17' in found.text)
