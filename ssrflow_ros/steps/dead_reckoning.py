"""Dead reckoning: where the sensor is, sweep after sweep, by its motion over each pair of its stream."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..sweep import EgoMotion, Sweep, SweepPair
from ..transforms import rigid
from .deskew import twist

LONGEST_GAP = 1.0
"""Seconds between two pairs, over which the motion is taken to have gone on."""


class DeadReckoning:
    """Poses of one stream's sweeps, of pairs whose source is the newer one.

    begun  whether the last pair was the first one of a new way: its target is the origin.
    """

    def __init__(self) -> None:
        self.begun = False
        self._last: tuple[Sweep, np.ndarray, EgoMotion, float] | None = None

    def __call__(self, pair: SweepPair, ego: EgoMotion) -> np.ndarray:
        """(4, 4) origin_from_source, where `ego` is the motion over the pair."""
        before = self._before(pair)
        self.begun = before is None
        pose = (np.eye(4) if before is None else before) @ ego.target_from_source
        self._last = pair.source, pose, ego, pair.dt
        return pose

    def _before(self, pair: SweepPair) -> np.ndarray | None:
        """(4, 4) of the pair's target; None if that does not go on from what was."""
        if self._last is None or self._last[0].frame_id != pair.target.frame_id:
            return None
        sweep, pose, ego, dt = self._last
        gap = (pair.target.stamp_ns - sweep.stamp_ns) * 1e-9
        if gap == 0:
            return pose
        if not 0 < gap <= LONGEST_GAP:
            return None
        velocity, turn_rate = twist(ego, dt)
        return pose @ rigid(Rotation.from_rotvec(turn_rate * gap).as_matrix(), velocity * gap)
