"""Clusters of points that move alike and lie together."""

import numpy as np

from ssrflow_ros import Settings
from ssrflow_ros.objects.clusters import find_clusters


def blob(rng, centre, velocity, n=300, size=(2.0, 1.0, 1.0)):
    return centre + rng.uniform(-0.5, 0.5, (n, 3)) * size, np.asarray(velocity) + rng.normal(0, 0.02, (n, 3))


def cluster(*parts, **settings):
    points, velocity = (np.concatenate(arrays).astype(np.float32) for arrays in zip(*parts))
    return numbered(points, velocity, Settings(**settings))


def numbered(points, velocity, settings):
    """(N,) which cluster each point is in, -1 for none."""
    out = np.full(len(points), -1)
    for number, rows in enumerate(find_clusters(points, velocity, np.ones(len(points), bool), settings)):
        assert (out[rows] < 0).all()
        out[rows] = number
    return out


def test_two_that_pass_each_other_stay_two():
    rng = np.random.default_rng(1)
    found = cluster(blob(rng, (8, 0.0, 0), (6, 0, 0)), blob(rng, (8, 1.4, 0), (-6, 0, 0)))
    assert len(set(found[:300])) == len(set(found[300:])) == 1 and found[0] != found[300]


def test_few_points_are_no_cluster():
    rng = np.random.default_rng(3)
    few = blob(rng, (8, 0, 0), (1, 0, 0), 7, (0.4, 0.4, 1.0))
    assert (cluster(few) == -1).all()
    assert (cluster(few, object_points=7, object_distance=3.0) == 0).all()


def test_order_does_not_matter_and_many_are_no_trouble():
    rng = np.random.default_rng(5)
    points, velocity = rng.uniform(-60, 60, (100000, 3)), np.tile((2.0, 0, 0), (100000, 1))
    order = rng.permutation(100000)
    found, again = numbered(points, velocity, Settings()), numbered(points[order], velocity[order], Settings())
    pairs = np.unique(np.column_stack([found[order], again]), axis=0)
    assert len(pairs) == len(np.unique(found)) == len(np.unique(again))


def test_nothing_moves():
    assert find_clusters(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, bool), Settings()) == []
