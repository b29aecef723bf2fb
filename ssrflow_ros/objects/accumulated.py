"""Accumulated clouds: what was seen of a followed object in its last sweeps, laid over each other by its own motion.

A newest sweep is laid onto it besides the last one: what was seen earlier, as the end of a long smooth side, pins the
motion, and chance in the last sweep counts for less.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from ..steps.cells import thin
from .alignment import align
from .groups import Clusters, evenly_chosen
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

    def in_frame(self, turn: np.ndarray, shift: np.ndarray) -> AccumulatedCloud:
        """In the frame that the sensor has after it went by `shift` (3,) m, and whose axes are `turn` (3, 3) of the
        former."""
        return self._replace(points=((self.points - shift) @ turn.T).astype(np.float32))

    def at(self, stamp_ns: int, velocity: np.ndarray) -> np.ndarray:
        """(m, 3) float32 m, where they are at that time at the `velocity` (3,) m/s."""
        return self.points + ((stamp_ns - self.stamp_ns) * 1e-9 * velocity).astype(np.float32)


NOTHING = AccumulatedCloud(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 0)


class SeenBody(NamedTuple):
    """An object as the newest sweep shows it: points (n, 3) m, their motion until the target, `slope` (2,) of the
    ground."""

    points: np.ndarray
    motion: PlanarMotion
    slope: np.ndarray

    def joined(self, known: AccumulatedCloud, older: np.ndarray, stamp_ns: int) -> AccumulatedCloud:
        """With what is `known` of it, whose points were `older` (m, 3) m at the target's time; `stamp_ns` of the newest
        sweep."""
        onward = older + self.motion.inverse.of(older, self.slope)
        points = np.concatenate([self.points, onward]).astype(np.float32)
        seen_ns = np.concatenate([np.full(len(self.points), stamp_ns), known.seen_ns])
        recent = np.flatnonzero(stamp_ns - seen_ns <= _LONGEST)
        rows = recent[thin(points[recent], _CELL)]
        rows = rows[evenly_chosen(np.array([len(rows)]), _MOST)[0]]
        return AccumulatedCloud(points[rows], seen_ns[rows], stamp_ns)


def laid_onto(
    clusters: Clusters, centre: np.ndarray, clouds: Sequence[np.ndarray], start: np.ndarray, dt: float
) -> np.ndarray:
    """(K, 2) m, the displacement from `start` (K, 2) m on that lays each of K clusters about its `centre` (K, 2) m onto
    a cloud (m, 3) m; NaN where that is empty or `start` is NaN."""
    out = np.full(centre.shape, np.nan)
    counts = np.array([len(cloud) for cloud in clouds])
    rows = np.flatnonzero((counts > 0) & np.isfinite(start[:, 0]))
    if len(rows):
        first = np.cumsum(clusters.counts) - clusters.counts
        own = np.concatenate([np.arange(first[k], first[k] + clusters.counts[k]) for k in rows])
        here = _padded(clusters.points[own, :2], clusters.counts[rows], centre[rows])
        there = _padded(np.concatenate([clouds[k][:, :2] for k in rows.tolist()]), counts[rows], centre[rows])
        out[rows], _ = align(*here, *there, start[rows], dt)
    return out


def _padded(points: np.ndarray, counts: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `_LAID` of the points (n, 2) m of each of K sets, about its `centre` (K, 2) m: (K, P, 2) m, and (K, P)
    bool, as far as they are points."""
    rows, few = evenly_chosen(counts, _LAID)
    there = np.arange(_LAID) < few[:, None]
    out = np.zeros((*there.shape, 2))
    out[there] = points[rows] - np.repeat(centre, few, axis=0)
    return out, there
