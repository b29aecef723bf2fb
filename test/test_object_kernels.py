"""The loops of the detector of objects against what NumPy and SciPy make of the same words."""

import numpy as np
import pytest
from scipy import ndimage

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
    held = np.zeros((64, 64), bool)
    held[1:-1, 1:-1] = rng.random((62, 62)) < share
    squares = rng.integers(0, 100, (16, 16))
    number, extent, greatest = connected_things(held.ravel(), 64, squares, 4)
    expected, count = ndimage.label(held, np.ones((3, 3)))
    assert np.array_equal(number.reshape(64, 64), expected - 1) and len(extent) == len(greatest) == count
    values = squares.repeat(4, 0).repeat(4, 1)
    for thing, (rows, columns) in enumerate(ndimage.find_objects(expected)):
        assert extent[thing].tolist() == [rows.stop - rows.start, columns.stop - columns.start]
        assert greatest[thing] == values[expected == thing + 1].max()


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
