"""Small motions are believed only where they explain the other sweep."""
import numpy as np

from ssrflow_ros.steps.evidence import standing_objects


def scene():
    rng = np.random.default_rng(0)
    wall = np.stack([np.full(400, 8.0), rng.uniform(-5, 5, 400), rng.uniform(0, 2, 400)], 1)
    walker = rng.uniform(-0.3, 0.3, (60, 3)) * [1, 1, 3] + [4, 0, 1]
    points = np.concatenate([wall, walker]).astype(np.float32)
    ids = np.concatenate([np.zeros(400), np.ones(60)]).astype(np.int32)
    again = np.stack([np.full(400, 8.0), rng.uniform(-5, 5, 400), rng.uniform(0, 2, 400)], 1)
    target = np.concatenate([again, walker + [0.12, 0.0, 0.0]]).astype(np.float32)
    return points, ids, target


def test_a_wall_that_seems_to_creep_stands_and_a_walker_walks():
    points, ids, target = scene()
    residual = np.where(ids[:, None] == 0, [0.06, 0.0, 0.0], [0.11, 0.0, 0.0]).astype(np.float32)
    assert standing_objects(points, residual, ids, target).tolist() == [0]


def test_a_long_motion_needs_no_evidence():
    points, ids, target = scene()
    residual = np.full_like(points, 2.0)
    assert standing_objects(points, residual, ids, target).tolist() == []


def test_nothing_to_judge():
    points, ids, target = scene()
    residual = np.zeros_like(points)
    assert not len(standing_objects(points, residual, np.full_like(ids, -1), target))
    assert not len(standing_objects(points, residual, ids, target[:0]))
    assert not len(standing_objects(points[:0], residual[:0], ids[:0], target))
