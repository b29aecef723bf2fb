"""Turns, and what else the method computes itself to do without SciPy, beside SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label, minimum_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from ssrflow_ros.kernels.assignment import assigned
from ssrflow_ros.kernels.near_field import touching
from ssrflow_ros.objects.registration import _lowest_about
from ssrflow_ros.transforms import from_quaternion, quaternion, rotation_matrix, rotation_vector

SEEDS = st.integers(0, 2**32 - 1)


@given(st.sampled_from((0.0, 1e-12, 1e-9, 1e-4, 0.3, 3.0, np.pi)), SEEDS)
def test_turns_are_those_of_scipy(angle, seed):
    axis = np.random.default_rng(seed).normal(size=3)
    vector = angle * axis / np.linalg.norm(axis)
    turn = Rotation.from_rotvec(vector)
    matrix = turn.as_matrix()
    np.testing.assert_allclose(rotation_matrix(vector), matrix, atol=1e-14)
    np.testing.assert_allclose(rotation_matrix(rotation_vector(matrix)), matrix, atol=1e-14)
    if angle < np.pi:  # half a turn is one about the opposite axis, too
        np.testing.assert_allclose(rotation_vector(matrix), vector, atol=1e-13)
        np.testing.assert_allclose(quaternion(matrix), turn.as_quat(canonical=True), atol=1e-14)
    np.testing.assert_allclose(from_quaternion(3 * turn.as_quat()), matrix, atol=1e-14)


def test_half_turns_about_each_axis():
    for vector in np.pi * np.eye(3):
        np.testing.assert_allclose(
            np.abs(rotation_vector(Rotation.from_rotvec(vector).as_matrix())), vector, atol=1e-14
        )


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), SEEDS)
def test_assignment_costs_least_and_takes_no_column_twice(rows, columns, seed):
    cost = np.minimum(np.random.default_rng(seed).uniform(0, 2, (rows, columns)), 1.0)
    column = assigned(cost)
    taken = np.flatnonzero(column >= 0)
    assert len(taken) == len(np.unique(column[taken])) == min(rows, columns)
    assert cost[taken, column[taken]].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())


@settings(deadline=None)
@given(st.floats(0, 0.5), SEEDS)
def test_bodies_are_cells_that_touch(share, seed):
    mask = np.random.default_rng(seed).uniform(size=(7, 7, 7)) < share
    wanted, _ = label(mask, np.ones((3, 3, 3)))
    assert np.array_equal((touching(mask.ravel(), 7).reshape(mask.shape) + 1)[mask], wanted[mask])


def test_the_lowest_about_each_is_that_of_nine():
    cost = np.random.default_rng(0).uniform(size=(3, 6, 6))
    assert np.array_equal(_lowest_about(cost), minimum_filter(cost, (1, 3, 3), mode='constant', cval=np.inf))
