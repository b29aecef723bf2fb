"""Sensors that hang upside down, are tilted or bear optical axes: levelled inside, answered in their own frame."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.simulator.disturbances import mounted
from ssrflow_ros.steps.conditioning import Conditioning
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


def test_mounting_tells_the_way_up_where_no_ground_is_seen():
    conditioning = Conditioning(Settings(mounting='0 0 1 3.14159265 0 0', ground='none'))
    np.testing.assert_allclose(conditioning.level @ [0, 0, -1], [0, 0, 1], atol=1e-6)
