"""Points in boxes, against the same in NumPy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrflow_ros.kernels.boxes import box_of_each


@given(seed=st.integers(0, 10_000), points=st.integers(0, 60), boxes=st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_each_point_has_the_box_whose_middle_is_nearest_by_its_sides(seed, points, boxes):
    rng = np.random.default_rng(seed)
    points, centres = (rng.uniform(-4, 4, (n, 3)).astype(np.float32) for n in (points, boxes))
    yaw, halves = rng.uniform(-4, 4, boxes).astype(np.float32), rng.uniform(0.1, 4, (boxes, 3)).astype(np.float32)
    found = np.empty(len(points), np.int32)
    box_of_each(points, centres, np.cos(yaw), np.sin(yaw), halves, found)
    expected, least = np.full(len(points), -1), np.ones(len(points), np.float32)
    for k in range(boxes):
        turn = np.array([[np.cos(yaw[k]), np.sin(yaw[k]), 0], [-np.sin(yaw[k]), np.cos(yaw[k]), 0], [0, 0, 1]])
        off = (np.abs((points - centres[k]) @ turn.T) / halves[k]).max(axis=1)
        expected[off <= least] = k
        least = np.minimum(off, least)
    assert found.tolist() == expected.tolist()
