"""Free space is known where a beam passed, and nowhere else."""

import math

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation
from worlds import patch

from ssrflow_ros.kernels.range_image import nearest_about, nearest_beside
from ssrflow_ros.steps import range_image
from ssrflow_ros.steps.range_image import RangeImage

WALL = patch(20.0, 0.0, 30.0, 6.0)


def test_a_view_knows_free_space_only_where_a_beam_returned():
    view = RangeImage(WALL.astype(np.float32))
    asked = np.array([[8.0, 0, 0], [25.0, 0, 0], [-8.0, 0, 0], [19.9, 0, 0]], np.float32)
    assert view.at(asked).is_free().tolist() == [True, False, False, False]
    assert view.at(asked).is_at_return().tolist() == [False, False, False, True]


def test_a_hole_in_a_fence_is_free_and_the_fence_is_not():
    fence = np.concatenate([patch(6.0, -5.5, 10.0), patch(6.0, 5.5, 10.0), WALL]).astype(np.float32)
    asked = np.array([[6.0, 0.0, 0.0], [6.0, 3.0, 0.0], [12.0, 0.0, 0.0], [12.0, 6.0, 0.0]], np.float32)
    assert RangeImage(fence).at(asked).is_free().tolist() == [True, False, True, False]
    edge = np.array([[6.0, 0.4, 0.0]], np.float32)
    assert RangeImage(fence).at(edge).is_free() and not RangeImage(fence).at(edge).is_free(about=True)


def test_how_far_a_view_sees_past_a_point():
    view = RangeImage(WALL.astype(np.float32))
    asked = np.array([[8.0, 0, 0], [19.0, 0, 0], [20.0, 0, 0], [21.0, 0, 0], [40.0, 0, 0], [-8.0, 0, 0]], np.float32)
    past = [[4], [1], [0], [-1], [-4], [0]]
    np.testing.assert_allclose(view.at(asked).free_space_margin(), np.repeat(past, 2, axis=1), atol=0.05)
    slope = np.radians(0.9)  # past a post, through the next cell but one: near it, but not by it
    post = RangeImage(np.array([[8.0, 0, 0], [20 * np.cos(slope), 20 * np.sin(slope), 0]], np.float32))
    asked_beside = np.array([[17 * np.cos(slope), 17 * np.sin(slope), 0]], np.float32)
    np.testing.assert_allclose(post.at(asked_beside).free_space_margin(), [[-4, 3]], atol=0.05)
    assert not RangeImage(np.zeros((0, 3), np.float32)).at(asked).free_space_margin().any()


def at(elevation, reach):
    """(3,) ahead, degrees up and metres."""
    angle = np.radians(elevation)
    return reach * np.array([np.cos(angle), 0.001, np.sin(angle)])


def test_ground_before_a_thing_hides_no_free_space_above_it():
    view = RangeImage(np.array([at(-1.2, 20.0), at(-0.4, 80.0)], np.float32))
    assert view.at(np.array([at(-0.5, 45.0), at(-1.1, 45.0)], np.float32)).is_free().tolist() == [True, False]


def test_a_wall_whose_top_one_of_two_beams_passed_over_is_not_seen_through():
    """Sixteen beams two degrees apart: between the last that meets a wall and the first above it nothing is known to be
    free, though that one goes on to 80 m."""
    view = RangeImage(np.array([at(0.5, 8.0), at(2.5, 80.0)], np.float32))
    assert not view.at(np.array([at(elevation, 8.0) for elevation in (0.8, 1.2, 1.6, 2.0)], np.float32)).is_free().any()
    assert view.at(np.array([at(2.5, 8.0)], np.float32)).is_free().all()


def test_between_sparse_beams_the_next_one_counts():
    view = RangeImage(np.array([at(-1.2, 80.0), at(1.8, 80.0)], np.float32))
    assert view.at(np.array([at(-0.4, 45.0), at(0.7, 45.0)], np.float32)).is_free().tolist() == [True, False]


def test_what_hides_a_place_and_whether_its_direction_was_looked_at():
    view = RangeImage(np.array([[5.0, 0.0, 0.0]], np.float32))
    asked = np.array([[8.0, 0.0, 0.0], [5.1, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 8.0, 0.0]], np.float32)
    assert view.at(asked).is_hidden().tolist() == [True, False, False, False]
    assert view.at(asked).is_known().tolist() == [True, True, True, False]


def test_an_empty_sweep_saw_nothing():
    assert not RangeImage(np.zeros((0, 3), np.float32)).at(WALL.astype(np.float32)).is_free().any()


def test_of_all_returns_from_one_direction_the_nearest_counts():
    rng = np.random.default_rng(0)
    way = rng.normal(size=(50, 3))
    way /= np.linalg.norm(way, axis=1)[:, None]
    reach = rng.uniform(2, 60, (50, 7))
    view = RangeImage((reach[..., None] * way[:, None]).reshape(-1, 3).astype(np.float32))
    nearest = reach.min(axis=1)[:, None]
    assert not view.at((nearest * way).astype(np.float32)).is_free().any()
    alone = np.array([(way @ other > 0.99).sum() == 1 for other in way])
    assert view.at(((nearest - 1.5) * way).astype(np.float32)).is_free()[alone].all()


def test_what_is_seen_through_a_window_is_framed_and_what_stands_before_a_wall_is_not():
    azimuth = np.radians(np.arange(-40, 40.1, 0.2))[:, None]
    elevation = np.radians(np.arange(-2, 2.1, 0.4))
    direction = np.stack(np.broadcast_arrays(np.cos(azimuth), np.sin(azimuth), np.tan(elevation)), -1)
    reach = np.where(np.abs(np.degrees(azimuth)) < 1.5, 14.0, 8.0)  # a wall with a window, a room behind
    reach = np.where(np.abs(np.degrees(azimuth) - 20) < 2, 5.0, reach)  # somebody before it
    view = RangeImage((direction * reach[..., None]).reshape(-1, 3).astype(np.float32))
    asked = np.array([[14.0, 0.0, 0.0], [14.0, 0.2, 0.2], *5 * direction[300:301, 5], *8 * direction[50:51, 5]])
    assert np.isclose(np.degrees(azimuth[300, 0]), 20)
    assert view.at(asked.astype(np.float32)).is_beside_occluder().tolist() == [True, True, False, False]


def test_beams_along_the_edge_of_a_row_get_the_same_cells_on_every_processor():
    """Rings at 3, 9 and 15 degrees, as of many sensors, lie on the edges of rows; in float32 the processor decides."""
    azimuth, elevation = np.meshgrid(np.radians(np.arange(0.1, 360, 0.2)), np.radians([-15, -9, -3, 3, 9, 15]))
    reach = np.random.default_rng(0).uniform(2, 50, azimuth.shape)
    points = reach * (np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation))
    points = points.reshape(3, -1).T.astype(np.float32)
    cell, _ = range_image._cells(points)
    across = np.sqrt(points[:, 0] * points[:, 0] + points[:, 1] * points[:, 1])
    for (x, y, z), flat, number in zip(points.tolist(), across.tolist(), cell.tolist()):
        row = int((math.atan2(z, flat) + math.pi / 2) / range_image._ELEVATION)
        column = min(int((math.atan2(y, x) + math.pi) / range_image._AZIMUTH), range_image._COLUMNS - 1)
        assert number == row * range_image._COLUMNS + column


def test_the_nearest_about_a_cell_is_that_of_its_rows_and_columns_which_go_round():
    rng = np.random.default_rng(0)
    nearest = rng.uniform(1, 50, (20, 30)).astype(np.float32)
    for high, wide in ((3, 3), (1, 7), (5, 1)):
        wanted = ndimage.minimum_filter1d(nearest, wide, axis=1, mode='wrap')
        wanted = ndimage.minimum_filter1d(wanted, high, axis=0, mode='nearest')
        assert np.array_equal(nearest_about(nearest.ravel(), 20, 30, high, wide), wanted.ravel())
    cell = rng.permutation(600)[:200].astype(np.int32)
    across = ndimage.minimum_filter1d(nearest, 7, axis=1, mode='wrap').ravel()
    assert np.array_equal(nearest_beside(nearest.ravel(), cell, 30, 7), across[cell])


def test_a_transform_leads_points_to_the_sensor():
    rng = np.random.default_rng(1)
    points = rng.uniform(-30, 30, (3000, 3)).astype(np.float32)
    turn = Rotation.from_euler('xyz', [0.1, -0.2, 2.0]).as_matrix()
    transform = np.vstack([np.column_stack([turn, [1, -2, 0.5]]), [0, 0, 0, 1]])
    image = RangeImage(points)
    asked = points @ turn - np.array([1, -2, 0.5]) @ turn
    off = np.abs(image.in_frame(transform).at(asked.astype(np.float32))._reach - np.linalg.norm(points, axis=1))
    assert off.max() < 1e-4
