"""Poses of the sensor by time, interpolated to the stamps of the sweeps. No ROS."""
from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..errors import EgoMotionError
from .ego_motion import from_poses
from ..sweep import EgoMotion, SweepPair

KEPT = 2000
"""Poses kept by a live node: ten seconds at 200 Hz."""
WAIT = 0.2
"""Seconds for which a sweep waits for the odometry of its time, which often arrives after it."""
LONGEST_GAP_NS = 500_000_000
"""Between poses further apart than this nothing is interpolated."""
RESTART_NS = 1_000_000_000
"""A stamp further back than this means that time was set back (a bag began anew)."""


class PoseBuffer:
    """The last poses of the sensor in a fixed frame; may be filled by one thread and read by another."""

    def __init__(self, kept: int | None = KEPT):
        """Keeps the last `kept` poses; None keeps all, for a recording."""
        self._stamps: deque[int] = deque(maxlen=kept)
        self._poses: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=kept)
        self._arrived = threading.Condition()

    def push(self, stamp_ns: int, position: np.ndarray, quaternion: np.ndarray) -> None:
        """Note the pose at `stamp_ns`: position (3,) m, quaternion (4,) x y z w.

        A pose out of order or without a finite rotation is left out.
        """
        if not (np.all(np.isfinite(position)) and np.linalg.norm(quaternion) > 1e-6):
            return
        with self._arrived:
            if self._stamps and stamp_ns < self._stamps[-1] - RESTART_NS:
                self._stamps.clear()
                self._poses.clear()
            if not self._stamps or stamp_ns > self._stamps[-1]:
                self._stamps.append(stamp_ns)
                self._poses.append((np.asarray(position, float), np.asarray(quaternion, float)))
            self._arrived.notify_all()

    def between(self, pair: SweepPair, wait: float = WAIT) -> EgoMotion:
        """The sensor's motion from `pair`'s source to its target, method 'odometry'.

        Waits up to `wait` s for poses that reach the later sweep; EgoMotionError if the stamps are not
        covered.
        """
        latest = max(pair.source.stamp_ns, pair.target.stamp_ns)
        with self._arrived:
            self._arrived.wait_for(lambda: self._stamps and self._stamps[-1] >= latest, wait)
            source, target = (self._pose(sweep.stamp_ns) for sweep in (pair.source, pair.target))
        return from_poses(source, target)

    def _pose(self, stamp_ns: int) -> np.ndarray:
        """(4, 4) pose of the sensor at `stamp_ns`."""
        if not self._stamps:
            raise EgoMotionError('no odometry has arrived: check the topic `odometry`, or set '
                                 'ego_motion to scan_matching')
        if not self._stamps[0] <= stamp_ns <= self._stamps[-1]:
            late = (stamp_ns - self._stamps[-1]) * 1e-9
            raise EgoMotionError(f'the sweep is {late:.3f} s from the newest odometry, outside of what is kept: '
                                 'check the rate of the odometry and that both use one clock')
        after = bisect_left(self._stamps, stamp_ns)
        before = after if self._stamps[after] == stamp_ns else after - 1
        times = self._stamps[before], self._stamps[after]
        if times[1] - times[0] > LONGEST_GAP_NS:
            raise EgoMotionError(f'the odometry has a gap of {(times[1] - times[0]) * 1e-9:.2f} s at the time of '
                                 'the sweep: publish it at 10 Hz or more')
        return _interpolate(self._poses[before], self._poses[after],
                            (stamp_ns - times[0]) / max(1, times[1] - times[0]))


def _interpolate(first, second, share: float) -> np.ndarray:
    """(4, 4) pose at `share` in [0, 1] of the way between two (position, quaternion)."""
    pose = np.eye(4)
    rotations = Rotation.from_quat(np.stack([first[1], second[1]]))
    pose[:3, :3] = Slerp([0.0, 1.0], rotations)(share).as_matrix()
    pose[:3, 3] = (1 - share) * first[0] + share * second[0]
    return pose
