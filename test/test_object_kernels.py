"""The loops of the detector of objects against what NumPy and SciPy make of the same words."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ssrflow_ros.kernels.bodies import boxes, displaced, points_near_ends
from ssrflow_ros.kernels.cubes import chained, clustered, cubes, means_of_each
from ssrflow_ros.kernels.ends import ends_of
from ssrflow_ros.kernels.groups import (
    chosen_evenly,
    greatest,
    medians,
    mostly_of,
    moved_together,
    rows_by_number,
    shares,
    summed_up,
    touched_by,
)
from ssrflow_ros.kernels.maps import connected_things, layers_about, lies_beside
from ssrflow_ros.kernels.tiles import TRUNCATED, costs, evenly_within, laid_out, searched, sum_moved, sums_on_grid
from ssrflow_ros.objects.groups import evenly_chosen

SIDE = 30


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def maps(rng):
    return rng.integers(0, 17, (5, SIDE, SIDE)).astype(np.uint8)


def looked_up(own, x, y):
    row, column = (place.astype(int).clip(0, len(own) - 1) for place in (x, y))
    return own[row, column].astype(int)


def test_maps_hold_the_distances_to_every_point_and_some_are_chosen_evenly(rng):
    counts = np.array([1, 0, 30, 7])
    first = np.concatenate([[0], np.cumsum(counts)])
    x, y = rng.uniform(0, SIDE / 2, (2, 38)).astype(np.float32)
    scale, corner = np.float32([2, 1, 1, 0.5]), np.float32([[0, 0], [5, 5], [15, 2], [20, 22]])
    low, high = (
        np.float32([[-9, -9], [3.5, 0], [0, 0], [15.5, 12]]),
        np.float32([[99, 99], [8.5, 29], [29, 29], [25, 20]]),
    )
    maps, places, chosen = laid_out(x, y, first, scale, corner, low, high, SIDE, 10)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for k in range(4):
        own = slice(first[k], first[k + 1])
        a, b = x[own] * scale[k] + corner[k, 0], y[own] * scale[k] + corner[k, 1]
        squared = [(rows - int(i)) ** 2 + (columns - int(j)) ** 2 for i, j in zip(a, b)]
        asked = tuple(slice(max(int(begin), 0), int(end) + 1) for begin, end in zip(low[k], high[k]))
        assert np.array_equal(maps[k][asked], np.min([*squared, np.full(rows.shape, TRUNCATED**2)], axis=0)[asked])
        few, every = evenly_chosen(counts[k : k + 1], 10)[0], np.column_stack([a, b])
        assert chosen[k] == len(few) and np.array_equal(places[k, :, : len(few)], every[few].T)


def test_some_are_chosen_evenly_of_what_lies_about_a_place(rng):
    counts = np.array([1, 0, 30, 7])
    first = np.concatenate([[0], np.cumsum(counts)])
    x, y = rng.uniform(-4, 4, (2, 38)).astype(np.float32)
    which, centre, half = np.array([2, 3, 1]), rng.uniform(-1, 1, (3, 2)), np.array([[3.0, 2.0], [9, 9], [9, 9]])
    chosen, numbers = evenly_within(x, y, first, which, centre, half, 5)
    assert numbers.tolist() == [5, 5, 0] and chosen.shape == (3, 2, 5)
    for k, of in enumerate(which[:2]):
        own = slice(first[of], first[of + 1])
        off = np.column_stack([x[own], y[own]]) - centre[k].astype(np.float32)
        inside = off[(abs(off) < half[k]).all(axis=1)]
        assert len(inside) > 5
        np.testing.assert_array_equal(chosen[k].T, inside[evenly_chosen(np.array([len(inside)]), 5)[0]])
    few, numbers = evenly_within(x, y, first, which[1:2], centre[1:2], half[1:2], 50)
    assert numbers.tolist() == [7] and few.shape == (1, 2, 50)


def test_sums_at_moved_points(rng, maps):
    places, shifts = rng.uniform(0, SIDE, (2, 20)).astype(np.float32), rng.uniform(-40, 40, (6, 2)).astype(np.float32)
    low, high = np.float32([5, -np.inf]), np.float32([25, np.inf])
    for east, north in shifts:
        there_x, there_y = places[0] + east, places[1] + north
        inside = (there_x > 5) & (there_x < 25)
        total, number = sum_moved(maps[0], places, 20, east, north, low, high, np.empty(20, np.int32))
        assert number == inside.sum() and total == looked_up(maps[0], there_x[inside], there_y[inside]).sum()


def test_sums_on_a_grid_of_shifts(rng, maps):
    for own, count in zip(maps, (20, 1, 0, 7, 12)):
        places = rng.uniform(0, SIDE, (2, count)).astype(np.float32)
        sums = sums_on_grid(own, places, count, 3, 2)
        for i in range(5):
            for j in range(5):
                row, column = places[:, ::2].astype(int) + 3 * np.array([[i - 2], [j - 2]])
                assert sums[i, j] == looked_up(own, row, column).sum()


def test_the_search_finds_what_a_search_by_numpy_does(rng):
    side, full, most, far, step, fine = 60, TRUNCATED**2, np.full(8, 24.5), np.full(8, 24.0), 3, 0.5
    around = np.array([[0, 0], [-1, 0], [0, -1], [0, 1], [1, 0], [-1, -1], [-1, 1], [1, -1], [1, 1]], float)
    counts = np.array([40, 1, 5, 30, 60, 12, 3, 20])
    first = np.concatenate([[0], np.cumsum(counts)])
    x, y = rng.uniform(-5, 5, (2, counts.sum())).astype(np.float32)
    moved, owner = rng.uniform(-20, 20, (8, 2)), np.repeat(np.arange(8), counts)
    there_x, there_y = (
        place + moved[owner, axis].astype(np.float32) + rng.normal(0, 0.3, len(place)).astype(np.float32)
        for axis, place in enumerate((x, y))
    )
    others = first.copy()
    others[4:] -= counts[3]  # set 3 has none
    kept = owner != 3
    scale, corner = np.ones(8, np.float32), np.full((8, 2), side / 2, np.float32)
    whole = np.zeros((8, 2), np.float32), np.full((8, 2), side, np.float32)
    here = laid_out(x, y, first, scale, corner, *whole, side, 32)
    there = laid_out(there_x[kept], there_y[kept], others, scale, corner, *whole, side, 32)
    low, high = (np.full((8, 2), limit, np.float32) for limit in (side / 2 - 8, side / 2 + 8))
    network, inertia = moved + rng.normal(0, 6, (8, 2)), rng.uniform(0.0, 0.01, 8)
    guesses = network[:, None] * np.array([1.0, 1.5, 2.0])[:, None]
    sides, every = (here, there, most, low, high, full), np.arange(8)
    shifts, cost = searched(*sides, network, guesses, inertia, far, step, around, fine)

    def priced(shift):
        off = shift - network[:, None]
        return costs(*sides, every, shift) + inertia[:, None] * np.hypot(off[..., 0], off[..., 1])

    def best(shift, count):
        order = np.argsort(priced(shift), axis=1, kind='stable')[:, :count]
        return np.take_along_axis(shift, order[..., None], axis=1)

    axis = step * np.arange(-8, 9)
    grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1).reshape(-1, 2)
    starts = np.concatenate([np.zeros((8, 1, 2)), guesses.clip(-24, 24), np.zeros((8, 2, 2))], axis=1)
    for k in range(8):
        sums = sums_on_grid(there[0][k], here[1][k], here[2][k], step, 8) / ((here[2][k] + 1) // 2 * full)
        of_grid = sums + 2 * inertia[k] * np.hypot(*(grid - network[k]).T).reshape(sums.shape)
        lowest = ndimage.minimum_filter(of_grid, 3, mode='constant', cval=np.inf) == of_grid
        modes = np.argsort(np.where(lowest, of_grid, np.inf), axis=None, kind='stable')[:2]
        starts[k, 4:] = np.where(lowest.reshape(-1)[modes, None], grid[modes], 0)
    wanted = best(starts, 2)
    wanted = best((wanted[:, :, None] + around).reshape(8, -1, 2), 1)
    wanted = best(wanted + fine * around, 1)
    assert np.array_equal(shifts, wanted[:, 0])
    assert np.array_equal(cost, costs(*sides, every, wanted)[:, 0])
    for k, shift in enumerate(wanted[:, 0].clip(-24.5, 24.5).astype(np.float32)):
        forth, back = here[1][k, :, : here[2][k]].T + shift, there[1][k, :, : there[2][k]].T - shift
        back = back[((back > low[k]) & (back < high[k])).all(axis=1)]
        own = looked_up(here[0][k], *back.T).mean() if len(back) else full
        assert cost[k] == pytest.approx((looked_up(there[0][k], *forth.T).mean() + own) / full / 2)
    close = np.abs(wanted[:, 0] - moved).max(axis=1) < 1.5
    assert close.sum() >= 5, 'and these are where the others lie'


def test_the_ends_of_what_overlaps_a_thing_the_most(rng):
    """By sorting, where the kernel looks only at the first and the last in bins that no gap fits in."""
    counts, near = np.array([300, 5, 80]), np.array([400, 0, 30])
    points = np.concatenate([rng.uniform((-4, -1, 0), (4, 1, 2), (n, 3)) for n in counts]).astype(np.float32)
    x, y = rng.uniform(-9, 9, near.sum()).astype(np.float32), rng.uniform(-2, 2, near.sum()).astype(np.float32)
    x[np.abs(x) % 3 > 2] = 0.1
    x[400:] = rng.uniform(2, 3, 30)
    first, other_first = (np.concatenate([[0], np.cumsum(of)]) for of in (counts, near))
    some, some_counts = points[::5], np.array([60, 1, 16])
    some_first = np.concatenate([[0], np.cumsum(some_counts)])
    turn = rng.uniform(-0.1, 0.1, 3)
    axes = np.stack([np.stack([np.cos(turn), np.sin(turn)], -1), np.stack([-np.sin(turn), np.cos(turn)], -1)], -1)
    found, long = rng.normal(0, 0.3, (3, 2)), np.arange(3)
    ends = ends_of(long, points, first, some, some_first, x, y, other_first, axes, found, 0.3, 0.5, 1.5, 8)
    for k in range(3):
        own, others = (
            places @ axes[k]
            for places in (
                points[first[k] : first[k + 1], :2],
                np.column_stack([x, y])[other_first[k] : other_first[k + 1]] - found[k],
            )
        )
        low, high = own.min(axis=0), own.max(axis=0)
        assert ends[k, :2] == pytest.approx([low[0], high[0]])
        there = np.sort(others[(others[:, 1] > low[1] - 0.3) & (others[:, 1] < high[1] + 0.3), 0])
        if len(there) < 8:
            assert np.isnan(ends[k, 2:]).all()
            continue
        gap = max(0.5, 1.5 * np.diff(np.sort(some[some_first[k] : some_first[k + 1], :2] @ axes[k][:, 0])).max())
        stretches = np.split(there, np.flatnonzero(np.diff(there) > gap) + 1)
        longest = max(stretches, key=lambda one: min(one[-1], high[0]) - max(one[0], low[0]))
        assert ends[k, 2:] == pytest.approx([longest[0], longest[-1]]), len(stretches)


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
    suspects, unmatched = rng.random((2, len(points))) < 0.3
    vacated = rng.uniform(-side // 2 * cell, side // 2 * cell, (200, 3)).astype(np.float32)
    owner, extent, size, marked, vacancies = connected_things(
        points, (suspects, unmatched), vacated, cell, side, square
    )
    expected, count = ndimage.label(held, np.ones((3, 3)))
    assert np.array_equal(owner, expected[row, column] - 1)
    assert len(extent) == len(size) == len(marked) == len(vacancies) == count
    places = np.floor(vacated[:, :2] / np.float32(cell) + side // 2).clip(1, side - 2).astype(int) // square
    squares = np.zeros((side // square, side // square), int)
    np.add.at(squares, tuple(places.T), 1)
    about = ndimage.convolve(squares, np.ones((3, 3), int), mode='constant').repeat(square, 0).repeat(square, 1)
    for thing, (rows, columns) in enumerate(ndimage.find_objects(expected)):
        assert extent[thing].tolist() == [rows.stop - rows.start, columns.stop - columns.start]
        assert vacancies[thing] == about[expected == thing + 1].max()
        assert size[thing] == 2 * (expected == thing + 1).sum()
        assert marked[thing].tolist() == [suspects[owner == thing].sum(), unmatched[owner == thing].sum()]


def test_chains_of_what_lies_together_and_moves_alike(rng):
    points, velocity = rng.uniform(-4, 4, (300, 3)), rng.choice([0.0, 0.5, 3.0, 20.0], (300, 3))
    distance, alike, share = 0.9, 1.0, 0.3
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    unlike, speed = np.linalg.norm(velocity[:, None] - velocity, axis=2), np.linalg.norm(velocity, axis=1)
    joined = (apart <= distance) & (unlike < np.maximum(alike, share * np.maximum(speed[:, None], speed)))
    count, wanted = connected_components(coo_matrix(joined), directed=False)
    found = chained(points, velocity, distance, alike, share)
    assert 20 < count < 280 and np.array_equal(found, wanted)


def test_clusters_are_chains_of_cubes_that_hold_enough(rng):
    points = rng.uniform(-8, 8, (3000, 3)).astype(np.float32) * np.float32([1, 1, 0.2])
    velocity = rng.choice([0.0, 2.0], (3000, 1)).astype(np.float32) * np.float32([1, 0, 0])
    rows = np.flatnonzero(rng.random(3000) < 0.3)
    for most, size in ((8000, 0.25), (700, 0.25 * 1.5**3)):
        found = clustered(points, velocity, rows, 0.25, most, 0.5, 1.0, 0.3, 4)
        cube, first = cubes(points[rows], size, np.zeros(3))
        assert len(first) < most
        centre, motion = (means_of_each(values[rows], cube, len(first)) for values in (points, velocity))
        chain = chained(centre, motion, max(0.5, 2 * size), 1.0, 0.3)[cube]
        large = np.bincount(chain)[chain] >= 4
        assert np.array_equal(found, np.where(large, chain, -1)) and large.any()


def test_what_groups_touch_and_what_else_it_holds(rng):
    thing, free, numbers = rng.integers(-1, 6, 300), rng.random(300) < 0.4, rng.integers(-1, 9, 300).astype(np.int32)
    thing[numbers == 4] = -1
    rows, first = rows_by_number(numbers)
    found = touched_by(rows, first, thing, free, 6)
    for group in range(9):
        own = (numbers == group) & (thing >= 0)
        others = np.isin(thing, thing[own]) & ~own
        counts = own.sum(), (own & free).sum(), others.sum(), (others & free).sum(), (others & (numbers >= 0)).sum()
        assert found[group].tolist() == [*counts, len(np.unique(thing[own]))]


def test_what_groups_are_mostly_of(rng):
    thing, marks, numbers = rng.integers(0, 6, 300), rng.random(300) < 0.4, rng.integers(-1, 20, 300).astype(np.int32)
    rows, first = rows_by_number(numbers)
    found = mostly_of(rows, first, thing, marks, 6)
    for group in range(20):
        counts = np.bincount(thing[numbers == group], minlength=6)
        most = np.argmax(counts)
        assert found[group].tolist() == [most, counts[most], marks[(numbers == group) & (thing == most)].sum()]


def test_groups_are_moved_as_one(rng):
    points, counts, shift = (
        rng.normal(size=(9, 3)).astype(np.float32),
        np.array([2, 0, 6, 1]),
        np.float32(rng.normal(size=(4, 2))),
    )
    wanted = points + np.column_stack([np.repeat(shift, counts, axis=0), np.zeros(9, np.float32)])
    assert np.array_equal(moved_together(points, counts, shift), wanted)


def test_shares_of_groups_and_the_greatest_that_holds_each_row(rng):
    counts, marks = np.array([5, 1, 30]), rng.random((3, 36)) < 0.4
    groups = np.split(np.arange(36), [5, 6])
    assert shares(marks, counts).tolist() == [[own[group].mean() for group in groups] for own in marks]
    rows, values, out = rng.integers(0, 50, 36), np.array([0.3, 0.9, -0.2]), np.zeros(50)
    greatest(values, rows, counts, out)
    owner = np.repeat(values, counts)
    assert out.tolist() == [owner[rows == row].max(initial=0.0) for row in range(50)] and len(set(out)) > 2


def test_groups_are_summed_up(rng):
    counts, rows = np.array([1, 20, 9]), rng.permutation(50)[:30]
    points, vectors = (rng.normal(size=(30, 3)).astype(np.float32) for _ in range(2))
    marks = rng.random(50) < 0.3, rng.random(50) < 0.6
    found, parts = summed_up(points, vectors, counts, rows, marks), np.split(np.arange(30), np.cumsum(counts)[:-1])
    for own, part in zip(found, parts):
        mean = vectors[part, :2].mean(axis=0)
        spread = np.linalg.norm(vectors[part, :2] - mean, axis=1).mean()
        shares = [mark[rows[part]].mean() for mark in marks]
        assert own == pytest.approx([*mean, spread, np.ptp(points[part, 2]), *shares], abs=1e-6)


def test_medians_of_some_of_each_group(rng):
    counts, vectors = np.array([1, 2, 40, 7]), rng.normal(size=(50, 3)).astype(np.float32)
    rows, few = chosen_evenly(counts, 8)
    assert few.tolist() == [1, 2, 8, 7] and rows[3:11].tolist() == [3 + step * 39 // 7 for step in range(8)]
    wanted = [np.median(own, axis=0) for own in np.split(vectors[rows, :2], np.cumsum(few)[:-1])]
    assert np.array_equal(medians(vectors, counts, 8), wanted)


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
    found = lies_beside(target, layers_about(static, cell, layer, side), cell, layer)
    assert np.array_equal(found, beside.any(axis=1)) and 0.1 < found.mean() < 0.9
    assert not lies_beside(target, layers_about(static[:0], cell, layer, side), cell, layer).any()


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


def test_boxes_lie_along_the_yaw(bodies):
    yaw = np.array([0.0, 0.3, 1.6, -2.0])
    low, high = boxes(bodies, COUNTS, yaw)
    for k, own in enumerate(np.split(bodies.astype(float), np.cumsum(COUNTS)[:-1])):
        cos, sin = np.cos(yaw[k]), np.sin(yaw[k])
        turned = own @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        np.testing.assert_allclose([low[k], high[k]], [turned.min(axis=0), turned.max(axis=0)], atol=1e-12)


def test_points_near_ends(bodies):
    yaw, within, share = np.array([0.0, 0.3, 1.6, -2.0]), 0.4, 0.2
    low, high = boxes(bodies, COUNTS, yaw)
    size, middle = high - low, (low + high) / 2
    cos, sin = np.cos(yaw), np.sin(yaw)
    centre = np.column_stack(
        [cos * middle[:, 0] - sin * middle[:, 1], sin * middle[:, 0] + cos * middle[:, 1], middle[:, 2]]
    )
    found = points_near_ends(bodies, COUNTS, centre, yaw, size, within, share)
    for k, own in enumerate(np.split(bodies.astype(float), np.cumsum(COUNTS)[:-1])):
        if len(own) == 1:
            assert np.isfinite(found[k]).all(), 'a box without sides'
            continue
        inside = own @ np.array([[cos[k], -sin[k], 0], [sin[k], cos[k], 0], [0, 0, 1]]) - low[k]
        for end in range(4):
            side = end // 2
            away = size[k, side] - inside[:, side] if end % 2 else inside[:, side]
            near = inside[away < within]
            expected = [
                len(near) / len(own),
                (away < share * size[k, side]).mean(),
                away.mean() / size[k, side],
                near[:, 2].max() / size[k, 2],
                np.ptp(near[:, 1 - side]) / size[k, 1 - side],
            ]
            np.testing.assert_allclose(found[k, end], expected, atol=1e-6)
