"""Live error: how far off a consumer of `~/objects` is about where movers are now, delays and lost sweeps included."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..formats.object_cloud import moved

CUTOFF = 3.0
"""Metres: a mover that has no object within this distance is not told of."""
_FEWEST = 8  # points that a mover must show
_SLOWEST = 0.5  # m/s


class TrueSweep(NamedTuple):
    """What moves at one moment: `now` s on the clock of the answers, `stamp_ns` and `pose` (4, 4) of the sensor,
    centres (K, 3) m of the movers' whole boxes, in the sensor's frame."""

    now: float
    stamp_ns: int
    pose: np.ndarray
    centres: np.ndarray


class Answer(NamedTuple):
    """Objects of the sweep `stamp_ns`, as `read_objects` gives them, heard at `arrived` s."""

    arrived: float
    stamp_ns: int
    objects: np.ndarray


class LiveError(NamedTuple):
    """Mean distance, m, over the movers and moments that are told of, their share, and how many there are in all."""

    mean: float
    told: float
    movers: int


def looked_for(movers: np.ndarray) -> np.ndarray:
    """Of true `movers`, an array of `read_objects`, those that show enough points and are fast enough to be told of."""
    speed = np.linalg.norm(movers['velocity'], axis=1)
    return movers[(movers['n_points'] >= _FEWEST) & (speed >= _SLOWEST)]


def live_error(truth: Iterable[TrueSweep], answers: Sequence[Answer]) -> LiveError | None:
    """At each true moment: how far each mover is from its object of the last answer that had arrived, carried on by its
    velocity; an object is told of one mover, so that together they are nearest. From the first answer on; None if there
    is no mover then."""
    poses = {}
    off: list[float] = []
    for moment in sorted(truth, key=lambda sweep: sweep.now):
        poses[moment.stamp_ns] = moment.pose
        heard = [answer for answer in answers if answer.arrived <= moment.now and answer.stamp_ns in poses]
        if not heard or not len(moment.centres):
            continue
        last = max(heard, key=lambda answer: answer.stamp_ns)
        objects = moved(last.objects, poses[last.stamp_ns])
        there = objects['centre'] + objects['velocity'] * (moment.stamp_ns - last.stamp_ns) * 1e-9
        here = moment.centres @ moment.pose[:3, :3].T + moment.pose[:3, 3]
        apart = np.linalg.norm(here[:, None, :2] - there[None, :, :2], axis=-1)
        nearest = np.full(len(here), CUTOFF)
        mover, told = linear_sum_assignment(np.minimum(apart, CUTOFF))
        nearest[mover] = apart[mover, told]
        off += nearest.tolist()
    near = [distance for distance in off if distance < CUTOFF]
    return LiveError(float(np.mean(near)) if near else float('nan'), len(near) / len(off), len(off)) if off else None
