"""The ray caster against every triangle tried in turn."""

import numpy as np
import pytest

from ssrflow_ros.kernels.ray_casting import first_hits, triangle_tree


def reference(corners, origins, directions, limit=None):
    """Distance (R,) and triangle (R,) by Cramer's rule for every ray and every triangle."""
    distance, face = np.full(len(origins), np.inf), np.full(len(origins), -1)
    for ray, (origin, direction) in enumerate(zip(origins, directions)):
        for number, (a, b, c) in enumerate(corners):
            matrix = np.column_stack([b - a, c - a, -direction])
            if np.linalg.det(matrix) == 0:
                continue
            u, v, t = np.linalg.solve(matrix, origin - a)
            nearer = t < min(distance[ray], np.inf if limit is None else limit[ray])
            if u >= 0 and v >= 0 and u + v <= 1 and t > 0 and nearer:
                distance[ray], face[ray] = t, number
    return distance, face


def scene(rng, triangles=150, rays=200):
    corners = rng.uniform(-10, 10, (triangles, 1, 3)) + rng.normal(0, 2, (triangles, 3, 3))
    return corners, rng.uniform(-10, 10, (rays, 3)), rng.normal(size=(rays, 3))


@pytest.mark.parametrize('triangles', [0, 1, 4, 5, 150])
def test_hits_are_those_of_trying_every_triangle(triangles):
    rng = np.random.default_rng(triangles)
    corners, origins, directions = scene(rng, triangles)
    for limit in (None, rng.uniform(0, 5, len(origins))):
        distance, face = first_hits(triangle_tree(corners), origins, directions, limit)
        expected, triangle = reference(corners, origins, directions, limit)
        np.testing.assert_array_equal(face, triangle)
        np.testing.assert_allclose(distance, expected, rtol=1e-9)
        assert triangles < 150 or 0.1 < (face >= 0).mean()


def test_rays_along_the_axes_within_the_sides_of_boxes():
    """Such a ray divides zero by zero where it lies in the plane of a box's side."""
    x, y = (grid.ravel().astype(float) for grid in np.meshgrid(np.arange(8), np.arange(8)))
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0]], float).reshape(2, 3, 3)
    corners = (np.column_stack([x, y, 0 * x])[:, None, None] + square).reshape(-1, 3, 3)
    tree = triangle_tree(corners)
    # Every corner and the middle of every edge, from above and from below.
    spots = np.stack(np.meshgrid(np.arange(0, 8.5, 0.5), np.arange(0, 8.5, 0.5)), -1).reshape(-1, 2)
    for height in (1.0, -1.0):
        origins = np.column_stack([spots, np.full(len(spots), height)])
        distance, face = first_hits(tree, origins, np.tile([0, 0, -height], (len(spots), 1)))
        assert (distance == 1).all() and (face >= 0).all()
    # In the plane of the floor there is nothing that stands up.
    distance, face = first_hits(tree, origins * (1, 1, 0), np.tile([1.0, 0, 0], (len(spots), 1)))
    assert (face == -1).all() and np.isinf(distance).all()


def test_of_faces_at_one_distance_the_first_is_met_whatever_the_tree():
    rng = np.random.default_rng(3)
    corners, origins, directions = scene(rng)
    once, _ = first_hits(triangle_tree(corners), origins, directions)
    distance, face = first_hits(triangle_tree(np.concatenate([corners, corners])), origins, directions)
    np.testing.assert_array_equal(distance, once)
    assert (face < len(corners)).all()


def test_the_number_of_rays_in_a_call_changes_nothing():
    corners, origins, directions = scene(np.random.default_rng(4))
    tree = triangle_tree(corners)
    whole = first_hits(tree, origins, directions)
    for ray in range(len(origins)):
        one = first_hits(tree, origins[ray : ray + 1], directions[ray : ray + 1])
        assert one[0][0] == whole[0][ray] and one[1][0] == whole[1][ray]


def test_many_triangles_in_one_place_make_one_leaf():
    corners = np.tile(np.array([[[1, -1, -1], [1, 1, -1], [1, 0, 1.0]]]), (100, 1, 1))
    distance, face = first_hits(triangle_tree(corners), np.zeros((1, 3)), np.array([[2.0, 0, 0]]))
    assert distance[0] == 0.5 and face[0] == 0


def test_nan():
    corners, origins, directions = scene(np.random.default_rng(5), rays=3)
    directions[1] = np.nan
    distance, face = first_hits(triangle_tree(corners), origins, directions)
    assert face[1] == -1 and np.isinf(distance[1])
    corners[7, 1, 2] = np.nan
    with pytest.raises(ValueError, match='not finite'):
        triangle_tree(corners)
