"""Ground removal: on made-up scenes with known ground, and on labelled sweeps."""

import numpy as np
import pytest

from ssrflow_ros import Settings
from ssrflow_ros.errors import InputError
from ssrflow_ros.steps import ground as ground_module
from ssrflow_ros.steps.ground import estimate_height, make_ground, rise
from studies.ground import score

METHODS = ('polar_grid', 'patchwork')


def scene(height=1.8, slope=0.0, seed=0):
    """Rings on the ground, as a sensor with 40 beams sees them, two walls and ten posts; (points, truth)."""
    rng = np.random.default_rng(seed)
    azimuth = np.radians(np.arange(0, 360, 0.4))
    elevation = np.radians(np.linspace(-25, -2, 40))
    radius = np.repeat(height / np.tan(-elevation), len(azimuth))
    turn = np.tile(azimuth, len(elevation))
    floor = np.stack([radius * np.cos(turn), radius * np.sin(turn), np.full_like(radius, -height)], axis=1)
    floor = floor[(radius < 50) & (np.abs(floor[:, 1]) < 12)]
    wall = rng.uniform((-40, 0, 0.15 - height), (40, 0, 4 - height), (8000, 3))
    wall[:, 1] = rng.choice((-12, 12), 8000)
    post = np.stack([rng.uniform(-20, 20, 10), rng.uniform(4, 10, 10), np.full(10, -height)], axis=1)
    post = np.repeat(post, 60, axis=0)
    post[:, 2] += np.tile(np.linspace(0.2, 1.8, 60), 10)
    points = np.concatenate([floor, wall, post])
    points[:, 2] += slope * points[:, 0]
    points += rng.normal(0, 0.015, points.shape)
    return points.astype(np.float32), np.arange(len(points)) < len(floor)


@pytest.mark.parametrize('slope', (0.0, -0.1, 0.4))
def test_the_ground_tells_how_it_rises(slope):
    points, truth = scene(slope=slope)
    truth[-300:] = True  # some of the posts are taken for ground
    assert rise(points, truth) == pytest.approx((slope, 0), abs=0.01)
    assert rise(points, truth & (points[:, 0] > 3)) == pytest.approx((slope, 0), abs=0.02)
    assert (rise(points[:20], truth[:20]) == 0).all() and (rise(points[:0], truth[:0]) == 0).all()


@pytest.mark.parametrize('height', (0.4, 1.0, 1.8, 3.2))
def test_ground_is_found_from_any_height_without_being_told(height):
    points, truth = scene(height)
    assert estimate_height(points) == pytest.approx(height, abs=0.06)
    found = score(make_ground(Settings())(points), truth)
    assert found['IoU'] > 0.95 and found['lost'] < 0.02


@pytest.mark.parametrize('slope', (-0.1, 0.05, 0.15))
def test_ground_may_slope(slope):
    points, truth = scene(slope=slope)
    found = score(make_ground(Settings())(points), truth)
    assert found['IoU'] > 0.93 and found['lost'] < 0.02


def test_a_given_height_is_the_one_sought():
    """Two decks, the upper one open towards some sides: the settings say which is the ground."""
    points, truth = scene(1.0)
    deck = points[truth]
    open_side = np.sin(6 * np.arctan2(deck[:, 1], deck[:, 0])) > 0.2
    deck[open_side] *= 4  # the same beams meet the lower deck, 4 m under the sensor
    mask = make_ground(Settings())(deck)
    assert mask[~open_side].mean() > 0.9 and mask[open_side].mean() < 0.1
    told = make_ground(Settings(sensor_height=4.0))(deck)
    assert told[open_side].mean() > 0.8 and told[~open_side].mean() < 0.1


def test_reflections_from_under_the_ground_neither_pull_it_nor_belong_to_it():
    points, truth = scene()
    rng = np.random.default_rng(1)
    below = rng.uniform((-20, -10, -6), (20, 10, -2.6), (400, 3))
    mask = make_ground(Settings())(np.concatenate([points, below.astype(np.float32)]))
    assert score(mask[: len(points)], truth)['IoU'] > 0.93
    assert mask[len(points) :].mean() < 0.02


def test_nothing_is_ground_where_none_is_to_be_seen():
    rng = np.random.default_rng(2)
    ceiling = np.stack([*rng.uniform(-20, 20, (2, 20000)), rng.normal(3, 0.02, 20000)], axis=1)
    cloud = rng.uniform(-20, 20, (20000, 3))
    ground = make_ground(Settings())
    for points in (ceiling, cloud, cloud[:5], cloud[:0]):
        assert not ground(points.astype(np.float32)).any()


def test_none_calls_nothing_ground():
    points, _ = scene()
    assert not make_ground(Settings(ground='none'))(points).any()


@pytest.mark.parametrize('method', METHODS)
def test_labelled_sweeps(method, data_folder):
    if method == 'patchwork':
        pytest.importorskip('pypatchworkpp')
    for path in sorted((data_folder / 'ground').glob('*.npz')):
        data = np.load(path)
        points, known = data['points'][:, :3], data['sem'] > 0
        mask = make_ground(Settings(ground=method))(points)
        found = score(mask[known], np.isin(data['sem'][known], (9, 10, 11, 12, 17)))
        assert found['IoU'] > 0.9 and found['lost'] < 0.11
        if method == 'polar_grid':
            assert found['IoU'] > 0.945 and found['lost'] < 0.065
            assert mask[np.isin(data['sem'], range(1, 9))].mean() < 0.03


def test_it_is_a_function_of_the_points_alone(data_folder):
    path = sorted((data_folder / 'ground').glob('*.npz'))[0]
    points = np.load(path)['points'][:, :3]
    ground = make_ground(Settings())
    before = points.copy()
    first = ground(points)
    ground(scene()[0])
    order = np.random.default_rng(0).permutation(len(points))
    assert np.array_equal(ground(points), first)
    assert np.mean(ground(points[order]) != first[order]) < 1e-4  # sums in another order
    assert np.array_equal(points, before)


def test_a_missing_wheel_is_named(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pypatchworkpp', None)
    with pytest.raises(InputError, match='pip install pypatchworkpp'):
        ground_module.make_ground(Settings(ground='patchwork'))
