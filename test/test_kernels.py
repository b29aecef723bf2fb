"""The compiled loops beside plain NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrflow_ros.kernels import patches
from ssrflow_ros.kernels.block import WIDE
from ssrflow_ros.kernels.farthest_point import farthest_point_order
from ssrflow_ros.kernels.kd_tree import KdTree
from ssrflow_ros.kernels.pillars import Pillars
from ssrflow_ros.operators.cpu_patches import in_panels

RNG = np.random.default_rng


def clouds(rng, size):
    """A cloud with duplicates, points on a line and one far off, as LiDAR has them."""
    points = rng.normal(scale=[20, 20, 2], size=(size, 3)).astype(np.float32)
    points[size // 2 : size // 2 + size // 8] = points[0]
    points[: size // 8, 1:] = 0
    points[-1] = 500
    return points


def squared_distances(queries, points):
    off = points[None] - queries[:, None]
    return off[..., 0] ** 2 + off[..., 1] ** 2 + off[..., 2] ** 2  # in float32, in this order: the kernels' sum


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_neighbours_are_the_nearest_and_of_equals_the_lower_row(size, k, seed):
    rng = RNG(seed)
    points, queries, k = clouds(rng, size), clouds(rng, 40), min(k, size)
    index, distance = KdTree(points).search(queries, k)
    away = squared_distances(queries, points)
    assert np.array_equal(index, np.argsort(away, axis=1, kind='stable')[:, :k])
    assert np.array_equal(distance, np.sqrt(np.take_along_axis(away, index, axis=1)))


@settings(deadline=None)
@given(st.integers(1, 300), st.sampled_from((0.01, 1.0, 100.0)), st.integers(0, 2**32 - 1))
def test_the_nearest_by_pillars_is_the_nearest_of_all(size, spread, seed):
    rng = RNG(seed)
    points, queries = clouds(rng, size), clouds(rng, 40) * np.float32(spread)
    index, distance = Pillars(points).nearest(queries)
    away = squared_distances(queries, points)
    assert np.array_equal(index, np.argmin(away, axis=1))
    assert np.array_equal(distance, np.sqrt(away.min(axis=1)))
    k = min(size, 1 + seed % 20)
    index = Pillars(points).around(queries, k)
    assert all(len(set(row)) == k for row in index.tolist())
    assert np.array_equal(np.sort(np.take_along_axis(away, index, axis=1)), np.sort(away, axis=1)[:, :k])


def test_points_too_far_apart_for_float32_have_a_nearest_one():
    far = np.full((2, 3), 1.5e19, np.float32)
    index, distance = Pillars(far).nearest(np.concatenate([-far, far]))
    assert index.tolist() == [0] * 4 and distance.tolist() == [np.inf] * 2 + [0] * 2


def test_sorted_and_equal_points_take_no_longer():
    line = np.zeros((20_000, 3), np.float32)
    assert np.array_equal(KdTree(line).search(line[:3], 2)[0], [[0, 1]] * 3)
    line[:, 0] = np.arange(20_000)
    assert np.array_equal(KdTree(line).search(line[:3], 1)[0][:, 0], [0, 1, 2])


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_each_point_is_the_farthest_from_all_before_it(size, seed):
    points = clouds(RNG(seed), size)
    order = farthest_point_order(points, size)
    away, taken = np.full(size, np.inf, np.float32), 0
    for row in order:
        assert row == taken
        off = points - points[row]
        away = np.minimum(away, off[:, 0] ** 2 + off[:, 1] ** 2 + off[:, 2] ** 2)
        away[order[: np.flatnonzero(order == row)[0] + 1]] = -1
        taken = int(np.argmax(away))


@pytest.fixture(scope='module')
def patch():
    """Neighbourhoods of 5 points among 7: features, index, one value for each neighbour and channel."""
    rng = RNG(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return normal(5, 6, 9), normal(5, 9), normal(7, 9), rng.integers(0, 7, (5, 6))


def leaky(values):
    return np.where(values > 0, values, np.float32(0.1) * values)


def layered(values, *layers):
    """A WeightNet (..., 3) -> (..., w) of weights and biases; LeakyReLU after all layers but the last."""
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2]):
        values = leaky(values @ weight.T + bias)
    return values @ layers[-2].T + layers[-1]


def net(layers):
    """Of weight, bias, weight, ...: the pairs of a WeightNet's three layers."""
    return tuple(zip(layers[::2], layers[1::2]))


def test_both_parts_of_a_pair(patch):
    pairs, own, other, index = patch
    out = np.empty_like(pairs)
    patches.pair_up(own, other, index, 5, 0, 0, 5, out)
    np.testing.assert_array_equal(out, own[:, None] + other[index])


@pytest.mark.parametrize('k', [1, 4, 8, 9])
def test_a_softmax_over_neighbours_bears_large_scores(k):
    scores, features = RNG(k).normal(size=(2, 5, k, 9)).astype(np.float32)
    scores *= 100
    out = np.empty((5, 9), np.float32)
    patches.attend(scores, features, out, 0)
    weights = np.exp(scores.astype(float) - scores.max(axis=1, keepdims=True))
    wanted = (weights * features).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(out, wanted, rtol=2e-6, atol=2e-6)


def test_costs_and_means(patch):
    pairs, _, other, index = patch
    weights, out = pairs[::-1].copy(), np.empty((5, 9), np.float32)
    patches.cost(weights, pairs, 0, 5, out)
    np.testing.assert_allclose(out, (weights * pairs).mean(axis=1), rtol=1e-5, atol=1e-6)
    patches.weighted_mean(weights, other, index, 5, 0, 5, out)
    np.testing.assert_allclose(out, (weights * other[index]).mean(axis=1), rtol=1e-5, atol=1e-6)


def test_of_a_batch_and_of_some_of_its_points(patch):
    """Clouds of 5 points, the second with rows 7 to 13 of the others; points 3 to 8."""
    pairs, own, other, index = (np.concatenate([array, array[::-1]]) for array in patch)
    near = np.concatenate([other[:7][index[:5]], other[7:][index[5:]]])
    wanted, out = own[:, None] + near, np.empty_like(pairs[3:8])
    patches.pair_up(own, other, index, 5, 0, 3, 8, out)
    np.testing.assert_array_equal(out, wanted[3:8])
    patches.pair_up(own, np.concatenate([other[7:], other[:7]]), index, 5, 7, 3, 8, out)
    np.testing.assert_array_equal(out, wanted[3:8])
    mean = np.zeros((10, 9), np.float32)
    patches.weighted_mean(pairs[3:8].copy(), other, index, 5, 3, 8, mean)
    np.testing.assert_allclose(mean[3:8], (pairs * near).mean(axis=1)[3:8], rtol=1e-5, atol=1e-6)
    assert not mean[:3].any() and not mean[8:].any()


@pytest.mark.parametrize('k', [1, 4, 8, 9, 16, 19])
@pytest.mark.parametrize('each, width', [(5, 9), (5, WIDE), (300, 2 * WIDE + 5)])
def test_a_convolution_of_any_number_of_neighbours(each, width, k):
    rng = RNG(k)
    layers = [rng.normal(size=shape).astype(np.float32) for shape in ((8, 3), 8, (8, 8), 8, (5, 8), 5)]
    offsets, features = (rng.normal(size=shape).astype(np.float32) for shape in ((2 * each, k, 3), (14, width)))
    index = rng.integers(0, 7, (2 * each, k))
    begin, end = 2, 2 * each - 1
    out = np.empty((end - begin, 5 * (width + 3)), np.float32)
    away = np.ascontiguousarray(offsets.reshape(-1, 3).T)
    patches.convolve(away, features, index, each, np.float32(0.1), begin, end, out, net(layers))
    weights = layered(offsets.astype(float), *layers)
    near = features[index + 7 * (np.arange(2 * each) // each)[:, None]]
    wanted = np.einsum('ikw,ikc->iwc', weights, near) / k, np.einsum('ikw,ikc->iwc', weights, offsets) / k
    wanted = np.concatenate([means.reshape(2 * each, -1) for means in wanted], axis=1)
    np.testing.assert_allclose(out, wanted[begin:end], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('pairs', [1, 7, 512, 1300])
def test_hidden_numbers_of_offsets(pairs):
    rng = RNG(pairs)
    layers = [rng.normal(size=shape).astype(np.float32) for shape in ((8, 3), 8, (12, 8), 12)]
    offsets, out = rng.normal(size=(3, pairs + 5)).astype(np.float32), np.empty((12, pairs + 2), np.float32)
    patches.weigh(offsets, np.float32(0.1), 3, pairs + 3, out, net([*layers, *layers[2:]]))
    wanted = leaky(layered(offsets[:, 3 : pairs + 3].T.astype(float), *layers))
    np.testing.assert_allclose(out[:, :pairs], wanted.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('k, units', [(1, 16), (3, 16), (8, 16), (8, 10)])
def test_position_encoding(k, units):
    rng = RNG(k)
    shapes = (units, 3), units, (units, 3), (units, units), units
    of_offset, bias, of_position, second, second_bias = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    offsets, points = (rng.normal(size=shape).astype(np.float32) for shape in ((300, k, 3), (300, 3)))
    out = np.empty((units, 200 * k), np.float32)
    away = np.ascontiguousarray(offsets.reshape(-1, 3).T)
    layers = of_offset, bias, of_position, second, second_bias
    patches.encode(away, points, np.float32(4), k, np.float32(0.1), 50, 250, out, layers)
    hidden = leaky(offsets.astype(float) @ of_offset.T + (points / 4 @ of_position.T)[:, None] + bias)
    wanted = leaky(hidden @ second.T + second_bias)[50:250].reshape(-1, units)
    np.testing.assert_allclose(out, wanted.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('tile', [1, 4, 30])
@pytest.mark.parametrize('across', [False, True])
@pytest.mark.parametrize('width', [3, WIDE, 2 * WIDE + 5])
def test_a_product_is_numpys(width, across, tile):
    rng = RNG(0)
    values, weight, bias, initial = (
        rng.normal(size=shape).astype(np.float32) for shape in ((30, 5), (width, 5), width, (tile, width))
    )
    panels, _ = in_panels(torch.from_numpy(weight), None)
    given, out = np.ascontiguousarray(values.T) if across else values, np.empty((tile, width), np.float32)
    first, stride = (given[0, 30 - tile :], 30) if across else (given.reshape(-1)[5 * (30 - tile) :], 5)
    for begin, apart in ((bias, 0), (initial.reshape(-1), width)):
        slope = np.float32(0.1)
        patches._product(first, stride, across, tile, panels, begin, apart, slope, out.reshape(-1), width)
        wanted = leaky(values[30 - tile :] @ weight.T + (initial if apart else bias))
        np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)
    rows = np.empty((30, width), np.float32)
    patches.layer(values, (panels, bias), np.float32(1), width * tile, np.zeros(2, np.int64), rows)
    np.testing.assert_allclose(rows, values @ weight.T + bias, rtol=1e-5, atol=1e-5)


def test_a_norm_of_each_row(patch):
    rows, gain, shift = patch[0][0].copy(), patch[1][0].copy(), patch[1][1].copy()
    out = np.empty_like(rows)
    patches.normalise(rows, gain, shift, out)
    mean, square = rows.mean(axis=1, keepdims=True), rows.var(axis=1, keepdims=True)
    np.testing.assert_allclose(out, (rows - mean) / np.sqrt(square + 1e-5) * gain + shift, rtol=1e-5, atol=1e-6)


def test_interpolation_between_three(patch):
    values, index = patch[2], RNG(0).integers(0, 7, (5, 3))
    shares, out = RNG(1).uniform(size=(5, 3)).astype(np.float32), np.empty((5, 9), np.float32)
    patches.interpolate(values, index, shares, 5, out)
    np.testing.assert_allclose(out, (values[index] * shares[..., None]).sum(axis=1), rtol=1e-5, atol=1e-6)


def test_one_over_the_distance():
    points = np.array([[0, 0, 0], [3, 4, 0], [9, 0, 0], [0, 0, 0], [0, 0, 2], [0, 0, 9]], np.float32)
    queries, index = points[[0, 3]], np.array([[0, 1], [1, 2]])
    out = np.empty((2, 2), np.float32)
    patches.inverse_distances(queries, points, index, 1, np.float32(0.5), out)
    np.testing.assert_allclose(out, [[10 / 11, 1 / 11], [9 / 11, 2 / 11]], rtol=1e-6)


def test_far_neighbours_give_way_to_the_nearest_and_long_offsets_are_bent(patch):
    points, index = patch[2][:, :3].copy(), np.array([[0, 1], [2, 3]])
    centres = points[[0, 2]]
    kept, out = np.empty_like(index), np.empty((3, 4), np.float32)
    patches.offsets_of(centres, points, index, 2, np.float32(0.5), np.float32(0), np.float32(4), kept, out)
    off = (points[index] - centres[:, None]) / 0.5
    wanted = off * 4 / (4 + np.linalg.norm(off, axis=2, keepdims=True))
    assert np.array_equal(kept, index)
    np.testing.assert_allclose(out.T.reshape(2, 2, 3), wanted, rtol=1e-6)
    patches.offsets_of(centres, points, index, 2, np.float32(0.5), np.float32(1e-3), np.float32(4), kept, out)
    assert np.array_equal(kept, index[:, :1].repeat(2, axis=1)) and not out.any()
