"""The truth about the points that the detector works on, which are not all of the sweep's, nor in its axes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ssrflow_ros.simulator import LabelledSweep
from ssrflow_ros.steps.prepared import PreparedPair
from ssrflow_ros.sweep import FlowField


class Truth(NamedTuple):
    """Of the points (n, 3) of a prepared pair, in its axes.

    owner  (n,) number of the mover of each, -1 for none.   motion  (n, 3) m until the target, ego-motion removed.
    """

    owner: np.ndarray
    motion: np.ndarray


def truth_of(prepared: PreparedPair, source: LabelledSweep, motion: np.ndarray) -> Truth:
    """`source` is the sweep that was given, and `motion` (N, 3) m that of its points until the target."""
    conditioned = prepared.conditioned
    rows, level = conditioned.rows[prepared.rows], conditioned.level.T
    return Truth(source.object_id[rows], (motion[rows] @ level).astype(np.float32))


def network_displacement(prepared: PreparedPair, field: FlowField) -> np.ndarray:
    """(N, 3) float32 m of the prepared pair's own source, in its axes; `field` is the answer for the given pair."""
    conditioned, velocity = prepared.conditioned, field.network_velocity
    assert velocity is not None, 'of every pair that has samples'
    return (velocity[conditioned.rows] @ conditioned.level.T * prepared.pair.dt).astype(np.float32)
