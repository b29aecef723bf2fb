"""Deskewing: every point of a sweep as the sensor would have seen it at the sweep's own stamp.

A spinning sensor takes a tenth of a second for a sweep and moves on meanwhile. The motion within a
sweep is taken as that over the pair, at constant velocity and turn rate in the sensor's own axes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from ..sweep import EgoMotion, Sweep, SweepPair
from .newest_sweeps import NewestSweeps

_STRAIGHT = 1e-9  # rad/s, below it nothing turns


class Deskewing:
    """Deskews the sweeps of one stream, each once: by the motion of the first pair in which it comes."""

    def __init__(self) -> None:
        self._deskewed: NewestSweeps[Sweep] = NewestSweeps()

    def __call__(self, pair: SweepPair, ego: EgoMotion) -> SweepPair:
        """`pair` with both sweeps as if taken at one instant each; `ego` is its motion."""
        motion = twist(ego, pair.dt)
        for sweep in (pair.source, pair.target):
            if sweep not in self._deskewed:
                self._deskewed[sweep] = deskew(sweep, *motion)
        return SweepPair(self._deskewed[pair.source], self._deskewed[pair.target])


def twist(ego: EgoMotion, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (3,) m/s and turn rate (3,) rad/s of the sensor in its own axes, constant over the `dt` s of a pair.

    The sensor's pose after t seconds, seen from where it began, is the exponential of (velocity, turn_rate) t.
    """
    # Points go the other way than the sensor.
    turn_rate = Rotation.from_matrix(ego.target_from_source[:3, :3]).as_rotvec() / -dt
    # Who turns on the way goes along an arc, of which the pair's translation is the chord.
    chord = np.column_stack([_way(axis, turn_rate, -dt) for axis in np.eye(3)])
    return np.linalg.solve(chord, ego.target_from_source[:3, 3]), turn_rate


def deskew(sweep: Sweep, velocity: np.ndarray, turn_rate: np.ndarray) -> Sweep:
    """`sweep` with each point moved from its own time to that of the sweep, by the sensor's `twist`.

    A sweep without `times` is returned as it is.
    """
    if sweep.times is None:
        return sweep
    times = sweep.times[:, None]
    points = sweep.points + _way(velocity, turn_rate, times).astype(np.float32)
    speed = np.linalg.norm(turn_rate)
    if speed > _STRAIGHT:
        # Rodrigues' formula; float32 is good to 0.03 mm here.
        angle, cross = speed * times, _cross(turn_rate / speed).astype(np.float32)
        aside = sweep.points @ cross.T
        points += np.sin(angle) * aside + (1 - np.cos(angle)) * (aside @ cross.T)
    return dataclasses.replace(sweep, points=points, times=None, taken=sweep.times)


def _way(velocity: np.ndarray, turn_rate: np.ndarray, times: np.ndarray | float) -> np.ndarray:
    """(..., 3) m, where a body of that twist is after `times` (..., 1) s."""
    speed = np.linalg.norm(turn_rate)
    straight = times * velocity
    if speed <= _STRAIGHT:
        return straight
    cross = _cross(turn_rate / speed)
    aside = cross @ velocity
    return (
        straight
        + (1 - np.cos(speed * times)) / speed * aside
        + (times - np.sin(speed * times) / speed) * (cross @ aside)
    )


def _cross(axis: np.ndarray) -> np.ndarray:
    """(3, 3) matrix that gives the cross product with `axis` (3,)."""
    x, y, z = axis
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
