"""The loops of the detector of objects against what NumPy and SciPy make of the same words."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ssrflow_ros.kernels.bodies import boxes, displaced
from ssrflow_ros.kernels.cubes import chained, means_of_each
from ssrflow_ros.kernels.maps import connected_things, lies_beside
from ssrflow_ros.kernels.tiles import distance_maps, sums_moved, sums_on_grid

SIDE, TRUNCATED = 30, 4


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def maps(rng):
    return rng.integers(0, 17, (5, SIDE, SIDE)).astype(np.uint8)


def places(rng, low=0.0, high=SIDE):
    x, y = rng.uniform(low, high, (2, 5, 20)).astype(np.float32)
    return x, y, np.array([20, 1, 0, 7, 12])


def looked_up(own, x, y):
    row, column = (place.astype(int).clip(0, SIDE - 1) for place in (x, y))
    return own[row, column].astype(int)


def test_distances_are_those_to_every_point(rng):
    tile = np.sort(rng.integers(0, 4, 40))
    x, y = rng.uniform(0, SIDE, (2, 40)).astype(np.float32)
    found = distance_maps(x, y, tile, 5, SIDE, TRUNCATED)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(5):
        squared = [(rows - int(a)) ** 2 + (columns - int(b)) ** 2 for a, b in zip(x[tile == number], y[tile == number])]
        assert np.array_equal(found[number], np.min([*squared, np.full(rows.shape, TRUNCATED**2)], axis=0))


def test_sums_at_moved_points(rng, maps):
    x, y, counts = places(rng)
    shift = rng.uniform(-40, 40, (5, 6, 2)).astype(np.float32)
    low, high = np.float32([[5.0, -np.inf]] * 5), np.float32([[25.0, np.inf]] * 5)
    sums, numbers = sums_moved(maps, x, y, counts, shift, low, high)
    for number, (own, count) in enumerate(zip(maps, counts)):
        for asked, (east, north) in enumerate(shift[number]):
            there_x, there_y = x[number, :count] + east, y[number, :count] + north
            inside = (there_x > 5) & (there_x < 25)
            assert numbers[number, asked] == inside.sum()
            assert sums[number, asked] == looked_up(own, there_x[inside], there_y[inside]).sum()


def test_sums_on_a_grid_of_shifts(rng, maps):
    x, y, counts = places(rng)
    which = np.array([3, 0, 2])
    sums = sums_on_grid(maps, x, y, counts, which, 3, 2)
    for place, own in enumerate(which):
        half = slice(0, counts[own], 2)
        for i in range(5):
            for j in range(5):
                row, column = x[own, half].astype(int) + 3 * (i - 2), y[own, half].astype(int) + 3 * (j - 2)
                assert sums[place, i, j] == looked_up(maps[own], row, column).sum()


@pytest.mark.parametrize('share', [0.0, 0.1, 0.4, 1.0])
def test_things_that_touch_are_numbered_by_their_first_cells(rng, share):
    side, square, cell = 64, 4, 0.25
    held = np.zeros((side, side), bool)
    held[1:-1, 1:-1] = rng.random((side - 2, side - 2)) < share
    row, column = (places.repeat(2) for places in np.nonzero(held))  # two points in each cell
    order = rng.permutation(len(row))
    row, column = row[order], column[order]
    points = np.column_stack([(row + 0.5 - side // 2) * cell, (column + 0.5 - side // 2) * cell, row]).astype(
        np.float32
    )
    suspects = rng.random(len(points)) < 0.3
    vacated = rng.uniform(-side // 2 * cell, side // 2 * cell, (200, 3)).astype(np.float32)
    owner, extent, size, suspected, vacancies = connected_things(points, suspects, vacated, cell, side, square)
    expected, count = ndimage.label(held, np.ones((3, 3)))
    assert np.array_equal(owner, expected[row, column] - 1)
    assert len(extent) == len(size) == len(suspected) == len(vacancies) == count
    places = np.floor(vacated[:, :2] / np.float32(cell) + side // 2).clip(1, side - 2).astype(int) // square
    squares = np.zeros((side // square, side // square), int)
    np.add.at(squares, tuple(places.T), 1)
    about = ndimage.convolve(squares, np.ones((3, 3), int), mode='constant').repeat(square, 0).repeat(square, 1)
    for thing, (rows, columns) in enumerate(ndimage.find_objects(expected)):
        assert extent[thing].tolist() == [rows.stop - rows.start, columns.stop - columns.start]
        assert vacancies[thing] == about[expected == thing + 1].max()
        assert size[thing] == 2 * (expected == thing + 1).sum()
        assert suspected[thing] == suspects[owner == thing].sum()


def test_chains_of_what_lies_together_and_moves_alike(rng):
    points, velocity = rng.uniform(-4, 4, (300, 3)), rng.choice([0.0, 0.5, 3.0, 20.0], (300, 3))
    distance, alike, share = 0.9, 1.0, 0.3
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    unlike, speed = np.linalg.norm(velocity[:, None] - velocity, axis=2), np.linalg.norm(velocity, axis=1)
    joined = (apart <= distance) & (unlike < np.maximum(alike, share * np.maximum(speed[:, None], speed)))
    count, wanted = connected_components(coo_matrix(joined), directed=False)
    found = chained(points, velocity, distance, alike, share)
    assert 20 < count < 280 and np.array_equal(found, wanted)


def test_means_of_each_number(rng):
    values, number = rng.normal(size=(50, 3)).astype(np.float32), np.append(rng.integers(0, 4, 46), [0, 1, 2, 3])
    wanted = [values[number == k].mean(axis=0) for k in range(4)]
    np.testing.assert_allclose(means_of_each(values, number, 4), wanted, atol=1e-6)


def test_what_lies_beside_a_point_does_so_where_the_map_goes_on_anew_too(rng):
    cell, layer, side = np.float32(0.1), np.float32(1.0), 64
    static, target = (rng.uniform((-4, -4, -6), (4, 4, 6), (n, 3)).astype(np.float32) for n in (600, 500))

    def cells(points):
        x, y = (np.floor(points[:, axis] * (1 / cell) + np.float32(64 * side)).astype(int) % side for axis in (0, 1))
        return x, y, (points[:, 2] + 4).clip(0, 7).astype(int)

    off = [np.abs(one[:, None] - other) for one, other in zip(cells(target), cells(static))]
    beside = (np.minimum(off[0], side - off[0]) <= 1) & (np.minimum(off[1], side - off[1]) <= 1) & (off[2] <= 1)
    found = lies_beside(target, static, cell, layer, side)
    assert np.array_equal(found, beside.any(axis=1)) and 0.1 < found.mean() < 0.9
    assert not lies_beside(target, static[:0], cell, layer, side).any()


COUNTS = np.array([40, 1, 7, 300])


@pytest.fixture
def bodies(rng):
    """Points of four bodies, longer than wide but one."""
    spread = np.repeat([[4.0, 1.0, 1.5], [1.0, 1.0, 1.0], [0.3, 5.0, 1.0], [2.0, 2.0, 1.0]], COUNTS, axis=0)
    return (rng.normal(size=(COUNTS.sum(), 3)) * spread + [20.0, -5.0, 0.0]).astype(np.float32)


def test_bodies_turn_about_their_centres_and_go_along_the_ground(rng, bodies):
    centre, displacement, turn = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), rng.normal(size=4)
    slope = np.array([0.1, -0.05])
    found, owner = displaced(bodies, COUNTS, centre, displacement, turn, slope), np.repeat(np.arange(4), COUNTS)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)
    arm = bodies[:, :2] - centre[owner]
    moved = np.einsum('nij,nj->ni', rotation[owner], arm) - arm + displacement[owner]
    np.testing.assert_allclose(found, np.column_stack([moved, moved @ slope]), atol=1e-12)


def test_boxes_lie_along_the_heading_or_the_longest_side(rng, bodies):
    heading = np.array([np.nan, 0.3, np.nan, -2.0])
    yaw, low, high = boxes(bodies, COUNTS, heading)
    for k, own in enumerate(np.split(bodies.astype(float), np.cumsum(COUNTS)[:-1])):
        if np.isnan(heading[k]):
            east, north = np.linalg.eigh(np.cov(own[:, :2].T))[1][:, 1]
            assert yaw[k] == pytest.approx(np.arctan(north / east), abs=1e-9)
        else:
            assert yaw[k] == heading[k]
        cos, sin = np.cos(yaw[k]), np.sin(yaw[k])
        turned = own @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        np.testing.assert_allclose([low[k], high[k]], [turned.min(axis=0), turned.max(axis=0)], atol=1e-12)
