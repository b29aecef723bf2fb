"""A small tracker of moving objects, fed by `~/objects`: one constant-velocity Kalman filter a track. No ROS.

Every object brings its velocity and the covariance of it, so a track moves rightly from its first sweep on;
`Tracker(with_velocity=False)` is what others have to do. The node around it: object_tracker.py. Needs filterpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import KalmanFilter
from scipy.linalg import block_diag
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from ..sweep import Basis, MovingObject

ACCELERATION = 3.0  # m/s², standard deviation of what the filter does not expect
UNSEEN_SPEED = 10.0  # m/s, likewise of a velocity that nobody measured
UNSEEN_PLACE = 0.5  # m, and of a place without covariance
GATE = 0.999  # share of true pairs that association lets pass
LONGEST_GAP = 1.0  # s between sweeps over which tracks are kept
MISSED = 3  # sweeps without an object that a track survives


@dataclass(eq=False)
class Track:
    """State (6,) x y z vx vy vz in metres and m/s, and its covariance, in `filter.x` and `filter.P`."""

    id: int
    filter: KalmanFilter
    seen: np.void  # the object that was last given to it
    sweeps: int = 1  # in which it was seen
    missed: int = 0  # since then

    def as_object(self) -> MovingObject:
        """The track in the form of what feeds it; size and yaw are the last seen.

        `id` and `n_points` are those of its object in the newest sweep; -1 and 0 if it was missed there.
        """
        state, spread = self.filter.x, self.filter.P
        return MovingObject(
            -1 if self.missed else int(self.seen['id']),
            state[:3],
            self.seen['size'],
            float(self.seen['yaw']),
            state[3:],
            0 if self.missed else int(self.seen['n_points']),
            self.id,
            self.sweeps,
            float(self.seen['yaw_rate']),
            spread[:3, :3],
            spread[3:, 3:],
            float(self.seen['yaw_rate_variance']),
            basis=Basis.PREDICTION if self.missed else int(self.seen['basis']),
        )


class Tracker:
    """Tracks objects over sweeps, in a frame that does not move."""

    def __init__(self, with_velocity: bool = True):
        self.tracks: list[Track] = []
        self._with_velocity = with_velocity
        self._stamp_ns = 0
        self._made = 0

    def update(self, stamp_ns: int, objects: np.ndarray) -> list[Track]:
        """Go on to `stamp_ns`; the track of each of `objects` (N,), an array of `read_objects`, in their order."""
        dt = (stamp_ns - self._stamp_ns) * 1e-9
        self._stamp_ns = stamp_ns
        if not 0 < dt < LONGEST_GAP:  # such as a bag that begins anew
            self.tracks = []
        self._predict(dt)
        measured = [self._measurement(item) for item in objects]
        of_object = self._associate(measured)
        for number, item in enumerate(objects):
            if number in of_object:
                track = of_object[number]
                track.filter.update(*measured[number])
                track.seen, track.sweeps, track.missed = item, track.sweeps + 1, 0
            else:
                of_object[number] = self._begin(item, *measured[number])
        self.tracks = [track for track in self.tracks if track.missed <= MISSED]
        return [of_object[number] for number in range(len(objects))]

    def _predict(self, dt: float) -> None:
        step = np.eye(6) + np.eye(6, k=3) * dt
        noise = Q_discrete_white_noise(2, dt, ACCELERATION**2, block_size=3, order_by_dim=False)
        for track in self.tracks:
            track.filter.predict(F=step, Q=noise)
            track.missed += 1

    def _measurement(self, item: np.void) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is measured of an object: z (k,), covariance R (k, k) and H (k, 6); k is 6, or 3 without velocity."""
        place = item['position_covariance']
        place = place if np.isfinite(place).all() else UNSEEN_PLACE**2 * np.eye(3)
        if not self._with_velocity or not np.isfinite(item['velocity_covariance']).all():
            return item['centre'], place, np.eye(3, 6)
        return (
            np.concatenate([item['centre'], item['velocity']]),
            block_diag(place, item['velocity_covariance']),
            np.eye(6),
        )

    def _associate(self, measured: list) -> dict[int, Track]:
        """Track of each object that has one: the cheapest pairs in squared Mahalanobis distance, within the gate."""
        cost = np.full((len(measured), len(self.tracks)), 1e6)
        for row, (z, spread, seen) in enumerate(measured):
            for column, track in enumerate(self.tracks):
                off = z - seen @ track.filter.x
                squared = off @ np.linalg.solve(seen @ track.filter.P @ seen.T + spread, off)
                if squared < chi2.ppf(GATE, len(z)):
                    cost[row, column] = squared
        pairs = zip(*linear_sum_assignment(cost))
        return {row: self.tracks[column] for row, column in pairs if cost[row, column] < 1e6}

    def _begin(self, item: np.void, z: np.ndarray, spread: np.ndarray, seen: np.ndarray) -> Track:
        kalman = KalmanFilter(dim_x=6, dim_z=6)
        kalman.x = seen.T @ z
        kalman.P = block_diag(spread, UNSEEN_SPEED**2 * np.eye(6 - len(z)))
        track = Track(self._made, kalman, item)
        self._made += 1
        self.tracks.append(track)
        return track
