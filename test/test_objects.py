"""Objects: clusters of moving points with box, heading and velocity."""
import numpy as np
import pytest

from ssrflow_ros import Settings
from ssrflow_ros.steps.objects import describe_objects, find_clusters


def find_objects(points, velocity, moving, settings):
    return describe_objects(points, velocity, find_clusters(points, velocity, moving, settings))


def box(rng, centre, size, yaw, velocity, n=300):
    """Points on the sides of a box, and their velocities with noise."""
    points = rng.uniform(-0.5, 0.5, (n, 3))
    face = rng.integers(0, 2, n)
    points[np.arange(n), face] = rng.choice((-0.5, 0.5), n)
    points *= size
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return points @ turn.T + centre, np.asarray(velocity) + rng.normal(0, 0.1, (n, 3))


def find(*parts, still=500, **settings):
    """Ids (parts first, then `still` points at rest) and objects."""
    rng = np.random.default_rng(9)
    points = np.concatenate([points for points, _ in parts] + [rng.uniform(-30, 30, (still, 3))])
    velocity = np.concatenate([velocity for _, velocity in parts] + [np.zeros((still, 3))])
    moving = np.arange(len(points)) < len(points) - still
    return find_objects(points.astype(np.float32), velocity.astype(np.float32), moving, Settings(**settings))


def test_a_car_and_a_walker():
    rng = np.random.default_rng(0)
    speed = 9.0 * np.array([np.cos(0.5), np.sin(0.5), 0])
    car = box(rng, (12, 3, -0.8), (4.2, 1.8, 1.5), 0.5, speed, 800)
    walker = box(rng, (5, -2, -0.7), (0.5, 0.4, 1.7), 0.0, (0, 1.2, 0), 150)
    ids, objects = find(car, walker)
    assert [found.id for found in objects] == [0, 1]                    # nearest first
    assert set(ids[:800]) == {1} and set(ids[800:950]) == {0} and set(ids[950:]) == {-1}
    found = objects[1]
    assert np.allclose(found.centre, (12, 3, -0.8), atol=0.1)
    assert np.allclose(found.size, (4.2, 1.8, 1.5), atol=0.15)
    assert found.yaw == pytest.approx(0.5, abs=0.02) and found.speed == pytest.approx(9.0, abs=0.1)
    assert found.n_points == 800 and objects[0].velocity == pytest.approx((0, 1.2, 0), abs=0.1)


def test_two_that_pass_each_other_stay_two():
    rng = np.random.default_rng(1)
    ids, objects = find(box(rng, (8, 0.0, 0), (4, 1.8, 1.5), 0, (6, 0, 0)),
                        box(rng, (8, 2.1, 0), (4, 1.8, 1.5), 0, (-6, 0, 0)))
    assert len(objects) == 2 and len(set(ids[:300])) == len(set(ids[300:600])) == 1


def test_outliers_do_not_move_the_velocity():
    rng = np.random.default_rng(2)
    points, velocity = box(rng, (8, 0, 0), (4, 1.8, 1.5), 0, (6, 0, 0))
    velocity[::12] += (1.5, 0, 0)       # alike enough to belong to it
    _, objects = find((points, velocity))
    assert objects[0].velocity == pytest.approx((6, 0, 0), abs=0.1)


def test_few_points_are_no_object():
    rng = np.random.default_rng(3)
    few = box(rng, (8, 0, 0), (0.4, 0.4, 1.5), 0, (1, 0, 0), 7)
    ids, objects = find(few)
    assert objects == () and np.all(ids == -1)
    assert len(find(few, object_points=7, object_distance=3.0)[1]) == 1


def test_a_slow_object_lies_along_its_longest_side():
    rng = np.random.default_rng(4)
    _, objects = find(box(rng, (8, 0, 0), (4, 1.0, 1.5), 1.2, (0.6, 0, 0), 600))
    assert objects[0].yaw == pytest.approx(1.2, abs=0.1)


def test_a_cluster_that_is_left_out_leaves_no_gap_in_the_numbers():
    rng = np.random.default_rng(6)
    parts = [box(rng, (x, 0, 0), (2, 1, 1), 0, (3, 0, 0)) for x in (4, 9, 14)]
    points, velocity = (np.concatenate(arrays) for arrays in zip(*parts))
    clusters = find_clusters(points, velocity, np.ones(900, bool), Settings())
    clusters[300:600] = -1
    ids, objects = describe_objects(points, velocity, clusters)
    assert [found.id for found in objects] == [0, 1]
    assert set(ids[:300]) == {0} and set(ids[300:600]) == {-1} and set(ids[600:]) == {1}


def test_nothing_moves():
    ids, objects = find(still=100)
    assert objects == () and ids.dtype == np.int32 and np.all(ids == -1)
    assert find_objects(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, bool), Settings())[0].shape == (0,)


def test_order_of_the_points_does_not_matter_and_many_are_no_trouble():
    rng = np.random.default_rng(5)
    points, velocity = rng.uniform(-60, 60, (100000, 3)), np.tile((2.0, 0, 0), (100000, 1))
    moving = np.ones(100000, bool)
    ids, objects = find_objects(points, velocity, moving, Settings())
    order = rng.permutation(len(points))
    again, objects_again = find_objects(points[order], velocity[order], moving, Settings())
    assert len(objects) == len(objects_again) and np.array_equal(ids[order], again)
    assert all(np.isfinite(found.size).all() for found in objects)
