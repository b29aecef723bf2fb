"""The fits are told the truth about the very points that the detector works on."""

import dataclasses

import numpy as np
from scipy.spatial import cKDTree

from ssrflow_ros import SceneFlow, Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.sweep import SweepPair
from studies.truth import network_displacement, truth_of

UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0]).astype(np.float32)


def hung_in_rain(labelled, rng):
    """The sweep of a sensor that hangs upside down, of which every tenth return is a drop of rain."""
    points = labelled.sweep.points @ UPSIDE_DOWN
    drops = rng.choice(len(points), len(points) // 10, replace=False)
    points[drops] *= rng.uniform(0.2, 0.8, (len(drops), 1)).astype(np.float32)
    return dataclasses.replace(
        labelled,
        sweep=dataclasses.replace(labelled.sweep, points=points),
        motion_previous=labelled.motion_previous @ UPSIDE_DOWN,
    )


def test_what_was_levelled_and_freed_of_outliers_keeps_its_labels():
    given = list(simulate(5_100_003, 2, 'vlp16', 'street'))
    older, newer = (hung_in_rain(one, np.random.default_rng(k)) for k, one in enumerate(given))
    method = SceneFlow(Settings(network_points=256))
    prepared = method.prepare(SweepPair(newer.sweep, older.sweep))
    assert len(prepared.pair.source) < len(newer) and prepared.conditioned.level[2, 2] < 0

    truth, source = truth_of(prepared, newer, newer.motion_previous), given[1]
    off, rows = cKDTree(newer.sweep.points).query(prepared.points @ prepared.conditioned.level)
    assert off.max() < 1e-4
    assert np.array_equal(truth.owner, source.object_id[rows]) and (truth.owner >= 0).any()
    own = prepared.conditioned.level @ UPSIDE_DOWN  # from the level sensor's axes
    assert np.allclose(truth.motion, source.motion_previous[rows] @ own.T, atol=1e-6)

    field = method.estimate(prepared)
    moved = network_displacement(prepared, field)[prepared.rows]
    assert np.allclose(
        moved, field.network_velocity[rows] @ prepared.conditioned.level.T * prepared.pair.dt, atol=1e-6
    ) and np.any(moved)
