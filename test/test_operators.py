"""The fast operators agree with their plain-torch references, and with the definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrflow_ros.kernels.farthest_point import farthest_points
from ssrflow_ros.operators import (
    Linear,
    attentive_sum,
    farthest_point_order,
    gather,
    interpolation_weights,
    k_nearest,
    linear,
)
from ssrflow_ros.operators.reference import attentive_sum_reference, farthest_point_order_reference, k_nearest_reference


def cloud(seed, *shape):
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed)) * 30


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 300), st.integers(1, 20))
@settings(max_examples=30)
def test_k_nearest_finds_the_nearest(seed, m, n, k):
    queries, points = cloud(seed, 2, m), cloud(seed + 1, 2, n)
    index = k_nearest(queries, points, k)
    assert index.shape == (2, m, k) and index.dtype == torch.int64
    found = torch.cdist(queries, points).gather(2, index[..., : min(k, n)])
    best = k_nearest_reference(queries, points, min(k, n))
    assert torch.allclose(found, torch.cdist(queries, points).gather(2, best), atol=1e-3)
    if n < k:
        assert (index[..., n:] == index[..., :1]).all()


def test_farthest_point_order_is_a_prefix_order():
    points = cloud(3, 2, 500)
    order = farthest_point_order(points, 500)
    assert torch.equal(order.sort(dim=1).values, torch.arange(500).expand(2, -1))
    assert torch.equal(farthest_point_order(points, 60), order[:, :60])
    # Greedy: the distance at which each next point is taken never grows.
    taken = gather(points, order)
    gaps = torch.stack([torch.cdist(taken[:, i : i + 1], taken[:, :i]).amin(dim=(1, 2)) for i in range(1, 200)])
    assert (gaps[1:] <= gaps[:-1] + 1e-4).all()


def test_farthest_point_order_agrees_with_the_reference():
    points = cloud(4, 2, 300)
    fast = farthest_point_order(points, 100)
    assert torch.equal(farthest_point_order_reference(points, 100, fast[:, 0]), fast)


def test_farthest_point_order_follows_a_permutation():
    points = cloud(5, 1, 400)
    shuffle = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    order = farthest_point_order(points, 50)
    assert torch.equal(shuffle[farthest_point_order(points[:, shuffle], 50)], order)


def test_farthest_point_order_of_duplicates_takes_each_point_once():
    points = torch.cat([torch.zeros(1, 40, 3), cloud(0, 1, 5)], dim=1)
    assert farthest_point_order(points, 45).unique().numel() == 45


@pytest.mark.parametrize('points', [cloud(6, 700), torch.cat([cloud(6, 90)] * 3), torch.zeros(50, 3)])
def test_farthest_points_without_torch_are_those_of_the_operator(points):
    for n in (1, 20, 49):
        rows = farthest_points(points.numpy(), n)
        # Of points that lie at one place, either may take any.
        assert torch.equal(points[rows], points[farthest_point_order(points[None], n)[0]])
        assert len(set(rows.tolist())) == n


def test_gather_is_differentiable_and_deterministic():
    features = torch.randn(2, 10, 4, requires_grad=True)
    index = torch.randint(0, 10, (2, 7, 3))
    rows = gather(features, index)
    assert torch.equal(rows[1, 2, 1], features[1, index[1, 2, 1]])
    rows.sum().backward()
    counts = torch.stack([torch.bincount(i.flatten(), minlength=10) for i in index])
    assert torch.equal(features.grad[..., 0], counts.float())


def test_interpolation_is_exact_at_the_points_and_keeps_constants():
    points, queries = cloud(5, 1, 100), cloud(6, 1, 40)
    index, weights = interpolation_weights(queries, points)
    assert torch.allclose(weights.sum(-1), torch.ones(1, 40))
    index, weights = interpolation_weights(points, points)
    again = (gather(points, index) * weights[..., None]).sum(-2)
    assert again == pytest.approx(points, abs=1e-2)


def test_gradient_of_gather_is_that_of_torch():
    features = torch.randn(3, 50, 5, requires_grad=True)
    index = torch.randint(0, 40, (3, 30, 4))  # ten rows are never taken
    weights = torch.randn(3, 30, 4, 5)
    (ours,) = torch.autograd.grad((gather(features, index) * weights).sum(), features)
    rows = features[torch.arange(3)[:, None, None], index]
    (theirs,) = torch.autograd.grad((rows * weights).sum(), features)
    assert torch.allclose(ours, theirs, atol=1e-5) and (ours[:, 40:] == 0).all()


@pytest.mark.parametrize('rows, into, out', [(3, 5, 2), (5000, 3, 40), (5000, 70, 65)])
@pytest.mark.parametrize('bias', [True, False])
def test_linear_is_that_of_torch(rows, into, out, bias):
    torch.manual_seed(0)
    layer, x, weights = Linear(into, out, bias=bias), torch.randn(2, rows, into, requires_grad=True), torch.randn(out)
    plain = torch.nn.Linear(into, out, bias=bias)
    plain.load_state_dict(layer.state_dict())
    wanted = [x, *layer.parameters()], [x, *plain.parameters()]
    y, z = layer(x), plain(x)
    assert y.shape == (2, rows, out) and torch.allclose(y, z, atol=1e-5)
    for ours, theirs in zip(
        *(torch.autograd.grad((out.sin() * weights).sum(), inputs) for out, inputs in zip((y, z), wanted))
    ):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-3)
    with torch.no_grad():
        assert torch.allclose(layer(x), z, atol=1e-5)
        # A view of every other row, and no rows at all.
        assert torch.allclose(layer(x[:, ::2]), z[:, ::2], atol=1e-5) and layer(x[:, :0]).shape == (2, 0, out)


@pytest.mark.parametrize('rows', [3, 5000])
def test_linear_and_leaky_relu_in_one_are_those_of_torch(rows):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, rows, 20, requires_grad=True), torch.randn(30, 20), torch.randn(30)
    inputs = x, weight.requires_grad_(), bias.requires_grad_()
    ours = linear(*inputs, slope=0.1)
    theirs = torch.nn.functional.leaky_relu(torch.nn.functional.linear(*inputs), 0.1)
    assert torch.allclose(ours, theirs, atol=1e-4)
    for one, other in zip(*(torch.autograd.grad(out.sin().sum(), inputs) for out in (ours, theirs))):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-2)


def test_attentive_sum_is_that_of_torch():
    torch.manual_seed(0)
    scores = (torch.randn(2, 7, 6, 5) * 50).requires_grad_()
    scores.data[0, 0] = 3000.0  # far beyond what exp can take
    features, weights = torch.randn(2, 7, 6, 5, requires_grad=True), torch.randn(2, 7, 5)
    ours, theirs = attentive_sum(scores, features), attentive_sum_reference(scores, features)
    assert torch.allclose(ours, theirs, atol=1e-5)
    for one, other in zip(*(torch.autograd.grad((out * weights).sum(), (scores, features)) for out in (ours, theirs))):
        assert torch.allclose(one, other, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(attentive_sum(scores, features), theirs, atol=1e-5)
