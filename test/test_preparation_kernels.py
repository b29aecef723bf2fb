"""The loops over whole sweeps beside what NumPy makes of the same words."""

import numpy as np
import pytest

from ssrflow_ros.kernels.alignment import aligned
from ssrflow_ros.kernels.cubes import cube_means, cubes
from ssrflow_ros.kernels.curve import along_curve
from ssrflow_ros.kernels.groups import any_near, company, lengths, rows_by_number
from ssrflow_ros.kernels.interpolation import interpolated
from ssrflow_ros.kernels.plane import robust_plane
from ssrflow_ros.kernels.polar_grid import grown, heights_over, lowest_of_cells, on_surface, polar_cells
from ssrflow_ros.kernels.range_image import _BRIDGED, _arctan2, cells_of, lies_beyond, nearest_in_each
from ssrflow_ros.kernels.returns import answers, put_rows, rows_in_range, rows_of, transformed_returns, usable_returns
from ssrflow_ros.kernels.tiles import sorted_into_blocks, within


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def points(rng):
    """With duplicates, and some very far off."""
    points = rng.uniform((-30, -20, -3), (30, 20, 3), (2000, 3)).astype(np.float32)
    points[100:150] = points[:50]
    points[-2:] = [[1e9], [-1e15]]
    return points


def test_cubes_are_numbered_by_their_first_points(points):
    size, origin = 0.7, np.array([0.1, 0.2, 0.3])
    cell = np.floor(points[:-2] * np.float32(1 / size) + (origin / size).astype(np.float32)).astype(int)
    _, first, inverse = np.unique(cell, axis=0, return_index=True, return_inverse=True)
    number, rows = cubes(points, size, origin)
    assert np.array_equal(rows[: len(first)], np.sort(first)) and len(rows) == len(first) + 2
    assert np.array_equal(rows[number[:-2]], first[inverse.ravel()])


def test_means_of_cubes_within_reach(points):
    near = points[np.linalg.norm(points, axis=1) < 25]
    number, rows = cubes(near, 0.7, np.zeros(3))
    means, count = cube_means(points, 0.7, 25.0)
    assert count == len(near)
    np.testing.assert_allclose(means, [near[number == k].mean(axis=0) for k in range(len(rows))], atol=1e-5)
    assert [len(part) for part in cube_means(points[:0], 0.7, 25.0)[:1]] == [0]


def test_the_curve_goes_through_every_point_once_and_mostly_stays_near(points):
    order = along_curve(points[:-2])
    assert np.array_equal(np.sort(order), np.arange(len(order)))
    way = np.linalg.norm(np.diff(points[order], axis=0), axis=1)
    assert np.median(way) < 0.3 * np.median(np.linalg.norm(np.diff(points[:-2], axis=0), axis=1))
    assert along_curve(points[:1]).tolist() == [0] and not len(along_curve(points[:0]))


def test_interpolation_by_the_neighbours_of_the_cube(rng):
    points, known = (rng.normal(size=(n, 3)).astype(np.float32) for n in (50, 9))
    values, cube, nearest = (
        rng.normal(size=(9, 3)).astype(np.float32),
        rng.integers(0, 4, 50),
        rng.integers(0, 9, (4, 3)),
    )
    known[0], cube[0], nearest[cube[0], 0] = points[0], 1, 0
    weight = 1 / np.maximum(np.linalg.norm(known[nearest[cube]] - points[:, None], axis=2), 0.01)
    wanted = (weight[..., None] * values[nearest[cube]]).sum(axis=1) / weight.sum(axis=1)[:, None]
    np.testing.assert_allclose(interpolated(points, cube, nearest, known, values, np.float32(0.01)), wanted, rtol=1e-4)


def test_usable_returns(rng):
    points = rng.uniform(-5, 5, (500, 3)).astype(np.float32)
    points[::50] = np.nan
    points[1::50, 1], points[2::50] = np.inf, 0
    low, high = np.array([-1.0, -2, -5]), np.array([3.0, 1, 5])
    with np.errstate(invalid='ignore'):
        inside = ((points >= low) & (points <= high)).all(axis=1)
        wanted = np.isfinite(points).all(axis=1) & (np.linalg.norm(points, axis=1) > 1.5) & ~inside
    kept, rows = usable_returns(points, 1.5, low, high)
    assert np.array_equal(rows, np.flatnonzero(wanted)) and np.array_equal(kept, points[wanted])


def test_a_transform_of_returns(rng):
    points, transform = rng.normal(size=(50, 3)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    wanted = points @ transform[:, :3].T + transform[:, 3]
    np.testing.assert_allclose(transformed_returns(points, transform), wanted, atol=1e-5)


def test_rows_are_put_in_their_places(rng):
    out, values, rows = np.zeros((9, 3), np.float32), rng.normal(size=(4, 3)).astype(np.float32), np.array([7, 1, 2, 5])
    wanted = out.copy()
    wanted[rows] = values
    put_rows(out, rows, values)
    assert np.array_equal(out, wanted)


def test_a_plane_that_lets_go_of_what_stands_on_it(rng):
    points = rng.uniform(-20, 20, (1000, 3))
    points[:, 2] = 0.1 * points[:, 0] - 0.05 * points[:, 1] - 1.8
    points[:100, 2] += rng.uniform(0.5, 2, 100)
    np.testing.assert_allclose(robust_plane(points, 4, 0.05, 0.05), [0.1, -0.05, -1.8], atol=3e-3)


def test_ranges_and_the_nearest_in_each_cell_of_a_range_image(rng):
    points, transform = rng.uniform(-9, 9, (3000, 3)).astype(np.float32), np.eye(3, 4, dtype=np.float32)
    transform[:, 3] = 1, 2, 3
    cell, reach = cells_of(points, transform, np.radians(6), np.radians(9), 20, 60)
    x, y, z = (points + transform[:, 3]).T.astype(float)
    row = (np.arctan2(z, np.hypot(x, y)) + np.pi / 2) / np.radians(9)
    column = (np.arctan2(y, x) + np.pi) / np.radians(6)
    sure = np.minimum(row % 1, column % 1) > 1e-5
    assert np.array_equal(cell[sure], row[sure].astype(int) * 60 + column[sure].astype(int))
    np.testing.assert_allclose(reach, np.sqrt(x * x + y * y + z * z), rtol=1e-6)
    wanted = np.full(1200, np.inf, np.float32)
    np.minimum.at(wanted, cell, reach)
    image = wanted.reshape(20, 60)
    for column in image.T:
        seen = np.flatnonzero(column < np.inf)
        for below, above in zip(seen, seen[1:]):
            if above - below <= _BRIDGED:
                column[below + 1 : above] = min(column[below], column[above])
    pairs = image.reshape(-1, 2, 60)
    wanted = np.where(pairs < np.inf, pairs, pairs[:, ::-1]).ravel()
    assert np.array_equal(nearest_in_each(cell, reach, 20, 60), wanted)


def test_what_lies_beyond(rng):
    nearest, cell = np.where(rng.random(50) < 0.2, np.inf, rng.uniform(1, 50, 50)), rng.integers(0, 50, 400)
    nearest, reach = nearest.astype(np.float32), rng.uniform(1, 50, 400).astype(np.float32)
    wanted = (nearest[cell] < np.inf) & (nearest[cell] > reach * np.float32(1.01) + np.float32(0.3))
    found = lies_beyond(nearest, cell.astype(np.int32), reach, np.float32(1.01), np.float32(0.3))
    assert np.array_equal(found, wanted) and wanted.any()


def test_rows_in_range(rng):
    points, ground = rng.normal(scale=20, size=(500, 3)).astype(np.float32), rng.random(500) < 0.3
    wanted = np.flatnonzero((np.linalg.norm(points, axis=1) <= 30) & ~ground)
    assert np.array_equal(rows_in_range(points, 30.0, ground), wanted)


def test_rows_are_taken(rng):
    points, rows = rng.normal(scale=20, size=(300, 3)).astype(np.float32), rng.integers(0, 300, 90)
    assert np.array_equal(rows_of(points, rows), points[rows])


@pytest.mark.parametrize('asked', [True, False])
def test_answers_lie_in_the_rows_of_the_given_sweep_turned_into_its_frame_and_the_rest_stands(rng, asked):
    points = rng.normal(scale=20, size=(300, 3)).astype(np.float32)
    rows = np.sort(rng.permutation(300)[:250])
    moved, by_network = rng.normal(size=(2, 250, 3)).astype(np.float32)
    moved[rng.random(250) < 0.7] = 0
    ground, ids = rng.random(250) < 0.3, rng.integers(-1, 9, 250).astype(np.int32)
    probability, displacing = rng.random(250).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    turn, dt = np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32), np.float32(-0.1)
    flow, velocity, by_its, moving, *marks = answers(
        points, rows, moved, asked, by_network, ground, ids, probability, displacing, turn, dt
    )
    own = np.zeros((300, 3))
    own[rows] = moved @ turn.T
    wanted = (points + own) @ displacing[:, :3].T + displacing[:, 3] + own
    np.testing.assert_allclose(flow, wanted, atol=1e-4)
    np.testing.assert_allclose(velocity, own / dt, atol=1e-5)
    left_out = np.setdiff1d(np.arange(300), rows)
    assert len(by_its) == 300 * asked
    if asked:
        np.testing.assert_allclose(by_its[rows], by_network @ turn.T / dt, atol=1e-5)
        assert not by_its[left_out].any()
    nobody = answers(
        points, rows[:0], moved[:0], asked, moved[:0], ground[:0], ids[:0], probability[:0], displacing, turn, dt
    )
    assert [len(values) for values in nobody] == [300, 300, 300 * asked, 300, 300, 300, 300]
    assert np.array_equal(moving, own.any(axis=1)) and 0 < moving.sum() < 250
    for mark, wanted, missing in zip(marks, (ground, ids, probability), (False, -1, 0)):
        assert np.array_equal(mark[rows], wanted) and (mark[left_out] == missing).all() and mark.dtype == wanted.dtype


def test_on_the_edge_of_a_cell_double_precision_decides(rng):
    """Whole rings of a sensor lie there: a float32 angle, which another processor rounds otherwise, must not choose."""
    size = 20_000
    elevation = np.radians(0.75) * (rng.integers(-90, 90, size) + rng.choice([0, 1e-7, -1e-7, 1e-5, -1e-5], size))
    azimuth = np.radians(0.7) * (rng.integers(-250, 250, size) + rng.choice([0, 1e-6, -1e-6], size))
    level = rng.uniform(1, 80, size) * np.cos(elevation)
    points = np.column_stack([level * np.cos(azimuth), level * np.sin(azimuth), level * np.tan(elevation)])
    points = points.astype(np.float32)
    rows, columns, per_row, per_column = 240, 514, 1 / np.radians(0.75), 1 / np.radians(0.7)
    cell, _ = cells_of(points, np.eye(3, 4, dtype=np.float32), np.radians(0.7), np.radians(0.75), rows, columns)
    x, y, z = points.T
    flat = np.sqrt(x * x + y * y)  # in float32, as the kernel
    angles = [
        np.array([_arctan2(*pair) for pair in zip(up.astype(float), along.astype(float))])
        for up, along in ((z, flat), (y, x))
    ]
    row, column = ((angles[0] + np.pi / 2) * per_row).astype(int), ((angles[1] + np.pi) * per_column).astype(int)
    assert np.array_equal(cell, np.minimum(row, rows - 1) * columns + np.minimum(column, columns - 1))


def test_polar_cells_and_what_lies_lowest_in_them(rng):
    points = rng.uniform((-60, -60, -3), (60, 60, 3), (3000, 3)).astype(np.float32)
    along, cell = polar_cells(points, 10, 16, 5.0, 0.2)
    wanted = np.minimum(np.log1p(np.hypot(*points[:, :2].T) / 5) / 0.2, 10 - 1e-3)
    np.testing.assert_allclose(along, wanted, atol=1e-5)
    azimuth = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    sector, quarter = cell % 16, (azimuth + 90) // 90 % 4  # sectors begin at -y and go counter-clockwise
    assert np.array_equal(cell // 16, along.astype(int)) and np.array_equal(sector // 4, quarter)
    plane = np.float32([0.1, -0.2, 0.3])
    height = heights_over(points, plane)
    np.testing.assert_allclose(height, points[:, 2] - points[:, :2] @ plane[:2] - 0.3, atol=1e-5)
    thickness = rng.uniform(0, 3, 160).astype(np.float32)
    count, lowest, low = lowest_of_cells(height, cell, thickness)
    for own in range(160):
        inside = height[cell == own]
        assert count[own] == len(inside) and lowest[own] == inside.min(initial=np.inf)
        assert low[own] == (inside < inside.min(initial=np.inf) + thickness[own]).sum()


def test_the_ground_grows_over_small_steps_and_keeps_its_level_where_it_sees_none():
    lowest = np.zeros((5, 8), np.float32)
    lowest[1], lowest[2], lowest[3], lowest[4] = 0.1, 3.0, np.inf, 0.2
    rise = np.full((5, 8), np.inf, np.float32)
    radius = np.arange(1.0, 6.0)
    levels = grown(lowest, rise, radius, 0.15, 0.01, 8.0)
    assert levels[:, 0] == pytest.approx([0, 0.1, 0.1, 0.1, 0.2])
    rise[4] = 0.05  # what is not flat may rise by no more
    assert grown(lowest, rise, radius, 0.15, 0.01, 8.0)[4, 0] == pytest.approx(0.1)
    lowest[1, 3] = -0.1  # a reflection from beneath: the median of three sectors leaves it out
    assert grown(lowest, rise, radius, 0.15, 0.01, 8.0)[1, 3] == pytest.approx(0.1)


def test_the_surface_settles_on_the_mean_of_its_returns(rng):
    along = rng.uniform(0, 3, 4000).astype(np.float32)
    cell = (along.astype(int) * 4 + rng.integers(0, 4, 4000)).astype(np.int16)
    surface = 0.2 * along  # a slope: 0.1, 0.3, 0.5 m in the middle of the rings
    height = (surface + rng.uniform(-0.05, 0.05, 4000)).astype(np.float32)
    height[::4] += 0.5
    levels = np.repeat(np.float32([[0.06], [0.26], [0.46]]), 4, axis=1)  # the lowest returns
    inner = (along > 0.5) & (along < 2.5)
    tall = np.zeros(12, bool)
    tall[0] = True
    found = on_surface(height, along, cell, levels, tall, np.float32(0.15), np.float32(0.08))
    assert not found[::4].any() and found[inner & (np.arange(4000) % 4 > 0)].mean() > 0.99


def test_points_in_blocks_and_those_within_a_span(rng):
    points = rng.uniform(-30, 30, (3000, 3)).astype(np.float32)
    ordered, first = sorted_into_blocks(points, 2.0, 16)  # 16 m to either side: what is beyond lies in the last blocks
    block = (points[:, :2] / np.float32(2) + 8).clip(0, 15).astype(int) @ [16, 1]
    assert np.array_equal(ordered, points[np.argsort(block, kind='stable')])
    assert np.array_equal(np.diff(first), np.bincount(block, minlength=256))
    centre, span = rng.uniform(-25, 25, (6, 2)).astype(np.float32), rng.uniform(1, 6, 6).astype(np.float32)
    floor, ceiling = np.full(6, -5, np.float32), np.full(6, 10, np.float32)
    x, y, begin = within(ordered, first, 2.0, 16, centre, span, floor, ceiling)
    for k in range(6):
        near = (np.abs(ordered[:, :2] - centre[k]) < span[k]).all(axis=1) & (ordered[:, 2] > -5) & (ordered[:, 2] < 10)
        assert np.array_equal(np.column_stack([x, y])[begin[k] : begin[k + 1]], ordered[near, :2])


def test_rows_by_number(rng):
    numbers = rng.integers(-1, 6, 100).astype(np.int32)
    numbers[numbers == 3] = -1
    rows, first = rows_by_number(numbers)
    assert [rows[a:b].tolist() for a, b in zip(first, first[1:])] == [
        np.flatnonzero(numbers == k).tolist() for k in range(6)
    ]
    assert [len(part) for part in rows_by_number(numbers[:0])] == [0, 1]


def test_lengths_company_and_what_is_near_a_box(rng):
    points, others = (rng.uniform(-9, 9, (n, 3)).astype(np.float32) for n in (60, 9))
    np.testing.assert_allclose(lengths(points), np.linalg.norm(points, axis=1), rtol=1e-6)
    rows = np.array([5, 50, 7])
    square = np.floor(points[:, :2] / 4.0).astype(int)
    wanted = [(square == square[row]).all(axis=1).sum() for row in rows]
    assert company(points, rows, 4.0, 16).tolist() == wanted and max(wanted) > 1
    counts = np.array([2, 3, 55])
    for k, group in enumerate(np.split(points, [2, 5])):
        inside = (others > group.min(axis=0) - 0.5) & (others < group.max(axis=0) + 0.5)
        asked = np.ones(3, bool)
        assert any_near(points, counts, asked, others, np.float32(0.5))[k] == inside.all(axis=1).any()
        asked[k] = False
        assert not any_near(points, counts, asked, others, np.float32(0.5))[k]


def test_one_step_of_alignment_solves_the_normal_equations(rng):
    here = rng.uniform((-2, -0.8), (2, 0.8), (1, 40, 2)).astype(np.float32)
    there = (here + rng.normal(0, 0.05, here.shape) + [0.1, -0.05]).astype(np.float32)
    n, kernel, stiffness = np.array([40]), 0.2, 0.01
    own, others = (np.ascontiguousarray(places.transpose(0, 2, 1)) for places in (here, there))
    shift, turn = aligned(own, n, others, n, np.zeros((1, 2)), np.zeros(1), 1, kernel, 0.4, stiffness, 0.0)
    one, other = here[0].astype(float), there[0].astype(float)
    squared = ((one[:, None] - other) ** 2).sum(axis=2)
    about = ((other > one.min(axis=0) - 0.4) & (other < one.max(axis=0) + 0.4)).all(axis=1)
    arm = np.concatenate([one, one[squared.argmin(axis=0)][about]])
    off = np.concatenate([other[squared.argmin(axis=1)] - one, (other - one[squared.argmin(axis=0)])[about]])
    weight = np.repeat([1 / 40, 1 / about.sum()], [40, about.sum()]) / (1 + (off**2).sum(axis=1) / kernel**2) ** 2
    design = np.zeros((len(arm), 2, 3))
    design[:, 0, 0] = design[:, 1, 1] = 1
    design[:, 0, 2], design[:, 1, 2] = -arm[:, 1], arm[:, 0]
    matrix = np.einsum('n,nij,nik->jk', weight, design, design) + np.diag([1e-6, 1e-6, stiffness + 1e-6])
    wanted = np.linalg.solve(matrix, np.einsum('n,nij,ni->j', weight, design, off))
    np.testing.assert_allclose([*shift[0], turn[0]], wanted, atol=1e-5)
