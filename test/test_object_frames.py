"""Objects in another frame: turned, moved, and their velocity still that over the ground."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_object_cloud import make_object

from ssrflow_ros.objects.frames import in_frame
from ssrflow_ros.transforms import invert, rigid, transformed


def corners(item):
    """(8, 3) m of the box."""
    signs = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
    return Rotation.from_euler('z', item.yaw).apply(signs * item.size) + item.centre


def pose(*angles):
    return rigid(Rotation.from_euler('zyx', angles).as_matrix(), np.array([5.0, -3.0, 1.2]))


@pytest.mark.parametrize('yaw', [0.0, 1.0, 3.0])
def test_between_level_frames_everything_is_turned_and_nothing_else(yaw):
    item, where = make_object(1), pose(yaw, 0, 0)
    (seen,) = in_frame([item], where)
    turn = where[:3, :3]
    np.testing.assert_allclose(corners(seen), transformed(corners(item), where), atol=1e-12)
    np.testing.assert_allclose(seen.velocity, turn @ item.velocity)
    for name in ('position_covariance', 'velocity_covariance'):
        np.testing.assert_allclose(getattr(seen, name), turn @ getattr(item, name) @ turn.T)
    assert seen.yaw_rate == item.yaw_rate and seen.speed == pytest.approx(item.speed)
    kept = ('id', 'n_points', 'track_id', 'age', 'probability', 'yaw_rate_variance')
    assert all(getattr(seen, name) == getattr(item, name) for name in kept)


def test_a_tilted_sensors_box_is_upright_in_the_other_frame_and_holds_the_old_one():
    item, where = make_object(2), pose(0.4, 0.5, -0.3)
    (seen,) = in_frame([item], where)
    inside = Rotation.from_euler('z', -seen.yaw).apply(transformed(corners(item), where) - seen.centre)
    assert (np.abs(inside) <= seen.size / 2 + 1e-9).all()
    assert np.allclose(np.abs(inside).max(axis=0), seen.size / 2), 'and is no larger'


def test_there_and_back():
    item = dataclasses.replace(make_object(3), yaw=2.5)
    (back,) = in_frame(in_frame([item], pose(0.7, 0, 0)), invert(pose(0.7, 0, 0)))
    np.testing.assert_allclose(corners(back), corners(item))
    np.testing.assert_allclose(back.velocity_covariance, item.velocity_covariance)


def test_what_is_unknown_stays_unknown():
    item = dataclasses.replace(make_object(1), position_covariance=np.full((3, 3), np.nan))
    assert np.isnan(in_frame([item], pose(1, 0, 0))[0].position_covariance).all()
