"""Tiles: clusters are laid onto what nothing static explains, many at once, with the same answer as one by one."""

import numpy as np
import pytest

from ssrflow_ros.objects.alignment import align
from ssrflow_ros.objects.groups import Clusters, evenly_chosen
from ssrflow_ros.objects.registration import register
from ssrflow_ros.objects.static_world import beside as lies_beside
from ssrflow_ros.objects.static_world import surroundings
from ssrflow_ros.objects.tiles import Blocks, Tiles


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def not_beside(target, static):
    return np.flatnonzero(~lies_beside(target, surroundings(static)))


def test_what_lies_beside_something_static_is_explained_and_what_is_far_from_it_is_not(rng):
    static = rng.uniform((-70, -70, -2), (70, 70, 3), (3000, 3)).astype(np.float32)
    beside = static + rng.uniform(-0.09, 0.09, static.shape).astype(np.float32)
    other = rng.uniform((-40, -40, -2), (40, 40, 3), (3000, 3)).astype(np.float32)
    assert not len(not_beside(beside, static))
    off = np.abs(other[:, None, :2] - static[:, :2]).max(axis=2).min(axis=1)
    alone = np.flatnonzero(off > 0.21)
    assert np.isin(alone, not_beside(other, static)).mean() > 0.95  # 102 m further on the map begins anew
    above = static[:1] + np.float32([0, 0, 2.1])
    assert len(not_beside(above, static[:1])) and not len(not_beside(static[:0], static))
    assert len(not_beside(other, static[:0])) == len(other)


def test_blocks_give_what_lies_near(rng):
    points = rng.uniform(-30, 30, (5000, 3)).astype(np.float32)
    centre, span = rng.uniform(-25, 25, (9, 2)), rng.uniform(1, 7, 9)
    x, y, begin = Blocks(points).near(centre, span, np.full(9, -5.0), np.full(9, 10.0))
    for k in range(9):
        inside = (np.abs(points[:, :2] - centre[k]) < span[k]).all(axis=1) & (points[:, 2] > -5) & (points[:, 2] < 10)
        own = slice(begin[k], begin[k + 1])
        assert sorted(zip(x[own], y[own])) == sorted(map(tuple, points[inside, :2]))
    assert begin[-1] == len(x)


def test_at_most_so_many_of_each_are_taken_evenly_with_both_ends():
    rows, few = evenly_chosen(np.array([3, 100, 1]), 5)
    assert few.tolist() == [3, 5, 1] and rows.tolist() == [0, 1, 2, 3, 27, 52, 77, 102, 103]


def test_a_cluster_costs_nothing_on_its_own_place_and_all_elsewhere(rng):
    clusters = [
        rng.uniform(-1, 1, (n, 3)) * size + centre
        for n, size, centre in ((60, (0.4, 0.4, 1), (5, 0, 0)), (20, (2, 1, 1), (-9, 20, 0)))
    ]
    points = np.concatenate(clusters).astype(np.float32)
    tiles = Tiles(Clusters(points, np.array([60, 20])), Blocks(points + np.float32([0.5, -0.2, 0])), 3.5)
    there = np.array([[[0.5, -0.2], [3.4, 3.4], [1e6, -1e6]]] * 2) / tiles.cell[:, None, None]
    assert tiles.cost(there) == pytest.approx(np.array([[0.0, 1, 1]] * 2), abs=0.03)
    alone = Tiles(Clusters(points[60:], np.array([20])), Blocks(points + np.float32([0.5, -0.2, 0])), 3.5)
    assert tiles.cost(there)[1] == pytest.approx(alone.cost(there[:1])[0])
    nothing = Tiles(Clusters(points, np.array([60, 20])), Blocks(points[:0]), 3.5)
    assert (nothing.cost(there) == 1).all()


def test_a_turn_and_a_shift_are_found_whatever_stands_beside_in_the_array(rng):
    here, turn, shift = rng.uniform((-2, -0.8), (2, 0.8), (2, 60, 2)), np.array([0.05, -0.03]), 0.1 * np.eye(2)
    matrix = np.stack([np.stack([np.cos(turn), np.sin(turn)], -1), np.stack([-np.sin(turn), np.cos(turn)], -1)], -2)
    there = here @ matrix + shift[:, None]
    here, there = (np.ascontiguousarray(places.transpose(0, 2, 1), np.float32) for places in (here, there))
    found, turned = align(here, np.array([40, 60]), there, np.array([60, 50]), np.zeros((2, 2)), np.zeros(2), 0.1)
    assert found == pytest.approx(shift, abs=0.03) and turned == pytest.approx(turn, abs=0.02)


def test_how_exactly_a_thing_is_registered_does_not_hang_on_how_much_else_is_there(rng):
    outline = rng.uniform((-2, -0.8, 0), (2, 0.8, 1), (400, 3))
    outline[:200, 0], outline[200:, 1] = -2, -0.8  # two sides of a car
    near, far = rng.uniform((-2.9, 1.7, 0), (2.9, 2.9, 1), (2000, 3)), rng.uniform((4, 4, 0), (6, 6, 1), (4000, 3))
    clusters = Clusters(outline.astype(np.float32), np.array([400]))
    moved = outline + (0.43, 0.18, 0)
    for others in (moved, np.concatenate([near, moved, far])):
        found = register(clusters, np.zeros((400, 3), np.float32), Blocks(others), 3.5, 0.1)
        assert found.measured[0] == pytest.approx([0.43, 0.18], abs=0.005) and abs(found.turn[0]) < 0.002
