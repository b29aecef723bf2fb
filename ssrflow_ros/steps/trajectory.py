"""How one frame lies in another over time, interpolated. No ROS."""
from __future__ import annotations

from bisect import bisect_left
from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..errors import EgoMotionError

LONGEST_GAP_NS = 500_000_000
"""Between poses further apart than this nothing is interpolated."""
RESTART_NS = 1_000_000_000
"""A stamp further back than this means that time was set back (a bag began anew)."""


class Trajectory:
    """Poses by time, the newest `kept` of them; None keeps all. `name` is for messages."""

    def __init__(self, name: str, kept: int | None):
        self._name = name
        self._stamps: deque[int] = deque(maxlen=kept)
        self._poses: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=kept)

    def push(self, stamp_ns: int, position: np.ndarray, quaternion: np.ndarray) -> None:
        """Note the pose at `stamp_ns`: position (3,) m, quaternion (4,) x y z w. One out of order is left out."""
        if self._stamps and stamp_ns < self._stamps[-1] - RESTART_NS:
            self.clear()
        if not self._stamps or stamp_ns > self._stamps[-1]:
            self._stamps.append(stamp_ns)
            self._poses.append((position, quaternion))

    def clear(self) -> None:
        """Forget every pose."""
        self._stamps.clear()
        self._poses.clear()

    def reaches(self, stamp_ns: int) -> bool:
        """Whether there is a pose at `stamp_ns` or later."""
        return bool(self._stamps) and self._stamps[-1] >= stamp_ns

    def at(self, stamp_ns: int) -> np.ndarray:
        """(4, 4) pose at `stamp_ns`; EgoMotionError if that is not between two poses near each other."""
        if not self._stamps:
            raise EgoMotionError(f'nothing is known of {self._name} since time began anew: check that it is published')
        if not self._stamps[0] <= stamp_ns <= self._stamps[-1]:
            before, after = (self._stamps[0] - stamp_ns) * 1e-9, (stamp_ns - self._stamps[-1]) * 1e-9
            where = f'{after:.3f} s after the newest' if after > 0 else f'{before:.3f} s before the oldest'
            raise EgoMotionError(f'the sweep lies {where} pose of {self._name}: check its rate, that both use one '
                                 'clock, and pose_wait')
        after = bisect_left(self._stamps, stamp_ns)
        before = after if self._stamps[after] == stamp_ns else after - 1
        times = self._stamps[before], self._stamps[after]
        if times[1] - times[0] > LONGEST_GAP_NS:
            raise EgoMotionError(f'the poses of {self._name} have a gap of {(times[1] - times[0]) * 1e-9:.2f} s at '
                                 'the time of the sweep: publish them at 10 Hz or more')
        share = (stamp_ns - times[0]) / max(1, times[1] - times[0])
        first, second = self._poses[before], self._poses[after]
        turn = Slerp([0.0, 1.0], Rotation.from_quat(np.stack([first[1], second[1]])))(share)
        return rigid(turn, (1 - share) * first[0] + share * second[0])


def rigid(turn: Rotation, position: np.ndarray) -> np.ndarray:
    """(4, 4) pose of a frame that is turned by `turn` and lies at `position` (3,) m."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn.as_matrix(), position
    return pose
