"""Clouds filled up to a size that never changes: the padding is nobody's neighbour, and real points do not feel it."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_network import SMALL

from ssrflow_ros.network.pyramid import Pyramid
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.operators import farthest_point_order, k_nearest, neighbours

SWITCHES = [
    {},
    {'attention': 'single'},
    {'position_encoder': 'inside'},
    {'initial_flow': 'local'},
    {'fusion_pooling': 'max'},
    {'finest_level': 1},
    {'finest_reembedded': 1},
    {'offset_input': True},
]
SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=3)


def clouds(seed, sizes, size):
    """(B, size, 3), of which `sizes` rows each are points and the rest is noise, and the counts (B,)."""
    generator = torch.Generator().manual_seed(seed)
    cloud = torch.randn(len(sizes), size, 3, generator=generator) * torch.tensor([30.0, 30.0, 2.0])
    return cloud, torch.tensor(sizes)


def loud_network(config):
    torch.manual_seed(0)
    network = SSRFlow(config).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith('flow.weight'):
            torch.nn.init.normal_(parameter, std=0.1)
    return network


NETWORKS = [loud_network(dataclasses.replace(SMALL, **switch)) for switch in SWITCHES]


@pytest.mark.parametrize('network', NETWORKS, ids=map(str, SWITCHES))
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.tuples(*[st.integers(1, 300)] * 2), min_size=1, max_size=3),
    more=st.integers(0, 200),
)
# Of the examples of these, none has two neighbours that are equally near but for the last digit: then another one may
# be taken where a product has another number of rows. One cloud in 300 has such a pair; exact is what the noise does.
@settings(max_examples=8)
def test_padding_does_not_change_the_flow(network, seed, sizes, more):
    (n, m), size = zip(*sizes), max(map(max, sizes)) + more
    source, n = clouds(seed, n, size)
    target, m = clouds(seed + 1, m, size)
    padded = network.flow(source, target, n, m)
    assert padded.isfinite().all()
    for cloud, count in (source, n), (target, m):
        for i, rows in enumerate(count):
            cloud[i, rows:] = 5 * cloud[i, rows:].flip(0) + 1
    for own, other, rows in zip(padded, network.flow(source, target, n, m), n):
        assert torch.equal(own[:rows], other[:rows])
    for i in range(len(sizes)):
        alone = network.flow(source[i : i + 1, : n[i]], target[i : i + 1, : m[i]])
        assert torch.allclose(padded[i, : n[i]], alone[0], atol=1e-5)


def test_both_frames_at_once_are_the_two():
    frames = [clouds(seed, (100, 40), 120) for seed in (0, 1)]
    config = NETWORKS[0].config
    batch, count = (torch.cat(tensors) for tensors in zip(*frames))
    for half, (cloud, n) in zip(Pyramid.build(batch, config, count).halves(), frames):
        alone = Pyramid.build(cloud, config, n)
        for field in dataclasses.fields(Pyramid):
            one, other = getattr(half, field.name), getattr(alone, field.name)
            assert len(one) == len(other) and all(map(torch.equal, one, other)), field.name


@given(seed=st.integers(0, 10_000), sizes=SIZES, more=st.integers(0, 100), k=st.integers(1, 12))
@settings(max_examples=20)
def test_padding_is_nobodys_neighbour(seed, sizes, more, k):
    points, count = clouds(seed, sizes, max(sizes) + more)
    queries = clouds(seed + 1, [20] * len(sizes), 20)[0]
    for by_trees in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(neighbours, '_by_trees', lambda points, by_trees=by_trees: by_trees)
            found = k_nearest(queries, points, k, count)
            for i, n in enumerate(sizes):
                assert torch.equal(found[i], k_nearest(queries[i : i + 1], points[i : i + 1, :n], k)[0])


@given(seed=st.integers(0, 10_000), sizes=SIZES, more=st.integers(0, 100), duplicates=st.booleans())
@settings(max_examples=20)
def test_padding_comes_last_in_farthest_point_order(seed, sizes, more, duplicates):
    size = max(sizes) + more
    points, count = clouds(seed, sizes, size)
    if duplicates:
        points = (points / 20).round()
    order = farthest_point_order(points, size, count)
    for i, n in enumerate(sizes):
        assert torch.equal(order[i].sort().values, torch.arange(size))
        assert set(order[i, :n].tolist()) == set(range(n))
        if not duplicates:
            assert torch.equal(order[i, :n], farthest_point_order(points[i : i + 1, :n], n)[0])
