"""Accumulated clouds: what was seen of a followed object in its last sweeps, laid over each other by its own motion.

A newest sweep is laid onto it besides the last one: what was seen earlier, as the end of a long smooth side, pins the
motion, and chance in the last sweep counts for less.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from ..kernels.cubes import thinned
from .alignment import align
from .groups import Clusters
from .planar import PlanarMotion

_CELL = 0.15  # m, in which the newest point stands for all
_MOST = 500  # points of an object that are kept ...
_LONGEST = 1_000_000_000  # ns, for so long
_LAID = 192  # points of a cluster, and of a cloud, that are laid onto each other


class AccumulatedCloud(NamedTuple):
    """Points (m, 3) float32 m of one object in the frame of the newest sweep, where they were at `stamp_ns`, and when
    they were seen, `seen_ns` (m,)."""

    points: np.ndarray
    seen_ns: np.ndarray
    stamp_ns: int


NOTHING = AccumulatedCloud(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 0)


def in_frame(clouds: Sequence[AccumulatedCloud], turn: np.ndarray, shift: np.ndarray) -> list[AccumulatedCloud]:
    """The clouds in the frame that the sensor has after it went by `shift` (3,) m, and whose axes are `turn` (3, 3) of
    the former."""
    points, counts = _points_of(clouds)
    turned = ((points - shift) @ turn.T).astype(np.float32)
    return [AccumulatedCloud(own, cloud.seen_ns, cloud.stamp_ns) for cloud, own in zip(clouds, _split(turned, counts))]


def at_time(clouds: Sequence[AccumulatedCloud], stamp_ns: int, velocities: np.ndarray) -> list[np.ndarray]:
    """(m, 3) float32 m of each of K clouds, where its points are at that time at its velocity, (K, 3) m/s."""
    points, counts = _points_of(clouds)
    elapsed = np.array([(stamp_ns - cloud.stamp_ns) * 1e-9 for cloud in clouds])
    way = (elapsed[:, None] * velocities).astype(np.float32)
    return _split(points + np.repeat(way, counts, axis=0), counts)


class SeenBodies(NamedTuple):
    """K objects as the newest sweep shows them: points (n, 3) float32 m, `counts` (K,) of each, one object after the
    other, their motion until the target, `slope` (2,) of the ground."""

    points: np.ndarray
    counts: np.ndarray
    motion: PlanarMotion
    slope: np.ndarray

    def joined(
        self, known: Sequence[AccumulatedCloud], older: Sequence[np.ndarray], stamp_ns: int
    ) -> list[AccumulatedCloud]:
        """With what is `known` of each, whose points were `older`, (m, 3) m, at the target's time; `stamp_ns` of the
        newest sweep."""
        before, counts = np.concatenate(older), np.array([len(points) for points in older])
        onward = (before + self.motion.inverse.of(before, counts, self.slope)).astype(np.float32)
        seen_ns = np.concatenate([cloud.seen_ns for cloud in known])
        rows, counts = thinned(self.points, self.counts, onward, counts, seen_ns, stamp_ns - _LONGEST, _CELL, _MOST)
        points = np.concatenate([self.points, onward])
        seen_ns = np.concatenate([np.full(len(self.points), stamp_ns), seen_ns])
        return [
            AccumulatedCloud(*parts, stamp_ns)
            for parts in zip(_split(points[rows], counts), _split(seen_ns[rows], counts))
        ]


def _points_of(clouds: Sequence[AccumulatedCloud]) -> tuple[np.ndarray, np.ndarray]:
    """The points (n, 3) m of all, and how many of each, (K,)."""
    return np.concatenate([cloud.points for cloud in clouds]), np.array([len(cloud.points) for cloud in clouds])


def _split(values: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Of values (n, ...) those of each group."""
    ends = np.cumsum(counts).tolist()
    return [values[begin:end] for begin, end in zip([0, *ends], ends)]


def laid_onto(
    clusters: Clusters, centre: np.ndarray, clouds: Sequence[np.ndarray], start: np.ndarray, dt: float
) -> np.ndarray:
    """(K, 2) m, the displacement from `start` (K, 2) m on that lays each of K clusters about its `centre` (K, 2) m onto
    a cloud (m, 3) m; NaN where that is empty or `start` is NaN."""
    out = np.full(centre.shape, np.nan)
    counts = np.array([len(cloud) for cloud in clouds])
    rows = np.flatnonzero((counts > 0) & np.isfinite(start[:, 0]))
    if len(rows):
        here = _padded(clusters.points, clusters.counts, rows, centre[rows])
        there = _padded(np.concatenate(clouds), counts, rows, centre[rows])
        out[rows], _ = align(*here, *there, start[rows], np.zeros(len(rows)), dt)
    return out


def _padded(
    points: np.ndarray, counts: np.ndarray, which: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """At most `_LAID` points of k of K sets of points (n, 3) m, `which` (k,), seen from above, evenly, about their
    `centre` (k, 2) m: (k, 2, P) float32 m, and how many these are, (k,)."""
    first, last = (np.cumsum(counts) - counts)[which], counts[which] - 1
    few, steps = np.minimum(counts[which], _LAID), np.arange(_LAID)
    places = steps * last[:, None] // np.maximum(few - 1, 1)[:, None]
    rows = first[:, None] + np.minimum(places, last[:, None])  # beyond its points the last one again
    x_y = [points[:, axis].take(rows) - centre[:, axis, None] for axis in (0, 1)]
    return np.stack(x_y, axis=1).astype(np.float32), few
