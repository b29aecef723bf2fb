"""Tracks: which object of this sweep is which one of the last sweeps. A full tracker stays downstream.

All that outlives a sweep is in one `Tracks`. It goes on where a pair goes on, newest sweeps against
older ones or forwards, with sweeps missing between them where the machine does not keep up, and begins anew by
itself where time was set back, stood still, or jumped, and where the frame changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..kernels.boxes import box_of_each
from ..sweep import EgoMotion, MovingObject, SweepPair
from ..transforms import shared
from .accumulated import NOTHING, AccumulatedCloud, SeenBodies, at_time, in_frame

_MISSED = 2  # pairs in a row in which a thing may not be found, and is not forgotten
_GAP, _GAP_SHARE = 1.0, 3.5  # s, or times the pair's dt, between pairs, beyond which all is forgotten
_GATE = 1.0  # m, between the place that is expected and the one that is found, at least ...
_GATE_SIZE = 0.5  # ... or this share of the object's longer side
_SLACK = 0.4  # m about a box, in which its points are looked for
_ALIKE = (2.0, 0.5)  # m/s, or share of the speed, by which velocities may differ
_LONG = 3.0  # m, from which what lies within and moves alike is a piece ...
_PIECE = (1.0, 0.3)  # ... if velocities differ by so many m/s at most, or by this share of the speed
_KNOWN = 2  # sweeps in which a thing was found, from which it is expected where it is not
_SURE = 3  # times that a length is seen until it counts: now and then a thing is laid together with its neighbour


@dataclass
class _Track:
    number: int
    centre: np.ndarray
    velocity: np.ndarray
    gate: float
    size: np.ndarray = field(default_factory=lambda: np.zeros(3))
    yaw: float = 0.0
    age: int = 0
    missed: int = 0  # pairs in a row in which it was not found
    lengths: tuple[float, ...] = ()  # m, the greatest that were seen of it, rising
    seen: MovingObject | None = None  # as it was found last, whole once that is known
    unseen: float = 0.0  # s since then
    cloud: AccumulatedCloud = NOTHING
    cloud_before: np.ndarray = field(
        default_factory=lambda: NOTHING.points
    )  # its points at the time of the pair's target


class Lost(NamedTuple):
    """An object that is not found any more: `item` as it was found last, whole, where it is expected now, `seconds` and
    pairs after that."""

    item: MovingObject
    seconds: float
    missed: int


class Tracks:
    """The objects of one stream's last sweeps, where they are expected now.

    goes_on  whether the pair of the last `advance` continues the stream, so that what moves should be expected.
    """

    def __init__(self) -> None:
        self._next = 0
        self.reset()

    def reset(self) -> None:
        """Forget all objects; numbers are not used again."""
        self._tracks: list[_Track] = []
        self.goes_on = False
        self._last: tuple[str, int] | None = None

    def advance(self, pair: SweepPair, ego: EgoMotion) -> None:
        """Move all that is known to the stamp and into the frame of the pair's source."""
        stamp, period = pair.source.stamp_ns, abs(pair.dt)
        elapsed = (stamp - self._last[1]) * 1e-9 if self._last else 0.0
        goes_on = (
            self._last is not None
            and self._last[0] == pair.source.frame_id
            and 0 < elapsed <= max(_GAP, _GAP_SHARE * period)
        )
        if not goes_on:
            self.reset()
        self._last, self.goes_on = (pair.source.frame_id, stamp), goes_on
        # What the sensor did since the last pair is known if that is this pair's target, else it went on likewise.
        share = -elapsed / pair.dt
        last_from_here = shared(ego.target_from_source, share)
        turn, shift = last_from_here[:3, :3].T, last_from_here[:3, 3]
        yaw, known = float(np.arctan2(turn[1, 0], turn[0, 0])), self._tracks
        if not known:
            return
        centres = (_array(known, 'centre') + elapsed * _array(known, 'velocity') - shift) @ turn.T
        for track, centre, velocity in zip(known, centres, _array(known, 'velocity') @ turn.T):
            track.centre, track.velocity = centre, velocity
            track.unseen += elapsed
            track.yaw += yaw
        clouds = in_frame([track.cloud for track in known], turn, shift)
        before = at_time(clouds, pair.target.stamp_ns, _array(known, 'velocity'))
        for track, cloud, cloud_before in zip(known, clouds, before):
            track.cloud, track.cloud_before = cloud, cloud_before

    @property
    def followed(self) -> int:
        """How many objects are known."""
        return len(self._tracks)

    def unlike(self, centres: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        """(K,) by how much of what is allowed the velocities (K, 2) m/s differ from that of an object expected at the
        centres (K, 2) m, of several the most alike, 0 to 1; infinite where none is, or none that goes like this."""
        if not self._tracks:
            return np.full(len(centres), np.inf)
        off, unlike = _distances(centres, self._tracks, 'centre'), _distances(velocities, self._tracks, 'velocity')
        unlike /= np.maximum(_ALIKE[0], _ALIKE[1] * np.linalg.norm(velocities, axis=1))[:, None]
        return np.where((off <= _array(self._tracks, 'gate')) & (unlike <= 1), unlike, np.inf).min(axis=1)

    def expected(self, centres: np.ndarray) -> np.ndarray:
        """(K, 2) m/s: how the object goes that is expected nearest each of the centres (K, 2) m, NaN where none is."""
        nearest = self._nearest(centres)
        out = np.full(centres.shape, np.nan)
        if (there := nearest >= 0).any():
            out[there] = _array(self._tracks, 'velocity')[nearest[there], :2]
        return out

    def accumulated(self, centres: np.ndarray) -> list[np.ndarray]:
        """K clouds (m, 3) m of the objects that are expected nearest the centres (K, 2) m, in the source's frame, where
        they were at the target's time; without points where none is."""
        return [
            self._tracks[number].cloud_before if number >= 0 else NOTHING.points
            for number in self._nearest(centres).tolist()
        ]

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(N,) int32 for points (N, 3) m: which object's box holds each, where it is expected, -1 for none. Pieces of a
        long object have no box of their own."""
        box = np.full(len(points), -1, np.int32)
        if self._tracks:
            yaw = _array(self._tracks, 'yaw')
            centres, cosines, sines, halves = (
                np.ascontiguousarray(values, np.float32)
                for values in (
                    _array(self._tracks, 'centre'),
                    np.cos(yaw),
                    np.sin(yaw),
                    np.where(self._pieces()[:, None], 0.0, _array(self._tracks, 'size') / 2 + _SLACK),
                )
            )
            box_of_each(points, centres, cosines, sines, halves, box)
        return box

    def displacement(self, box: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of points that lie in one of the boxes, (N,) as of `inside`, and their displacement (n, 3) float32
        m in `dt` s: they go with the object."""
        rows = np.flatnonzero(box >= 0)
        ways = (_array(self._tracks, 'velocity').reshape(-1, 3) * dt).astype(np.float32)
        return rows, ways.take(box.take(rows), axis=0)

    def follow(self, objects: list[MovingObject], bodies: SeenBodies | None = None) -> tuple[MovingObject, ...]:
        """The objects of this sweep with `track_id` and `age`.

        bodies  of the objects: what is accumulated of them; without, nothing is.
        """
        gates = np.array([_gate(max(item.size[0], item.size[1])) for item in objects])
        pairs: dict[int, _Track] = {}
        if self._tracks and objects:
            off = _distances(np.array([item.centre[:2] for item in objects]), self._tracks, 'centre')
            reach = np.maximum(gates[:, None], _array(self._tracks, 'gate'))
            for k, j in zip(*linear_sum_assignment(np.minimum(off / reach, 1.0))):
                if off[k, j] <= reach[k, j]:
                    pairs[k] = self._tracks[j]
        for track in self._tracks:
            track.missed += 1
        followed, tracks = [], [pairs.get(k) or self._new() for k in range(len(objects))]
        if bodies is not None and self._last is not None:
            clouds = bodies.joined(
                [track.cloud for track in tracks], [track.cloud_before for track in tracks], self._last[1]
            )
            for track, cloud in zip(tracks, clouds):
                track.cloud = cloud
        for k, (item, track) in enumerate(zip(objects, tracks)):
            track.age, track.centre, track.velocity = track.age + 1, item.centre, item.velocity
            track.gate, track.missed = float(gates[k]), 0
            track.size, track.yaw = item.size, item.yaw
            track.seen, track.unseen = item, 0.0
            track.lengths = tuple(sorted([*track.lengths, float(item.size[0])])[-_SURE:])
            followed.append(item.but(track_id=track.number, age=track.age))
        self._tracks = [track for track in self._tracks if track.missed <= _MISSED]
        return tuple(followed)

    def keep(self, whole: list[MovingObject]) -> None:
        """The whole boxes of what was found in this sweep, for when it is lost."""
        by_number = {item.track_id: item for item in whole}
        for track in self._tracks:
            track.seen = by_number.get(track.number, track.seen)

    def lost(self) -> list[Lost]:
        """What was followed for some sweeps and is not found in this one, nor has another one its place."""
        here = np.array([track.centre[:2] for track in self._tracks if not track.missed]).reshape(-1, 2)
        out = []
        for track in self._tracks:
            if track.seen is None or not track.missed or track.age < _KNOWN:
                continue
            if not (np.linalg.norm(here - track.centre[:2], axis=1) < track.gate).any():
                item = track.seen.but(velocity=track.velocity, yaw=track.yaw, track_id=track.number, age=track.age)
                before, after = item.hidden.T
                item = item.but(centre=track.centre + item.axes[:, :2] @ (after - before) / 2)
                out.append(Lost(item, track.unseen, track.missed))
        return out

    def length(self, number: int) -> float:
        """m, along which the object of that `track_id` was surely seen so far, 0 where that is not known."""
        lengths = next((track.lengths for track in self._tracks if track.number == number), ())
        return lengths[0] if len(lengths) == _SURE else 0.0

    def _new(self) -> _Track:
        self._tracks.append(_Track(self._next, np.zeros(3), np.zeros(3), _GATE))
        self._next += 1
        return self._tracks[-1]

    def _pieces(self) -> np.ndarray:
        """(T,) bool of the objects that lie within the box of one more than twice as long, and move like it."""
        centre, velocity, size, yaw = (_array(self._tracks, name) for name in ('centre', 'velocity', 'size', 'yaw'))
        (dx, dy), cosine, sine = (centre[:, None, :2] - centre[:, :2]).transpose(2, 0, 1), np.cos(yaw), np.sin(yaw)
        along, across = np.abs(cosine * dx + sine * dy), np.abs(cosine * dy - sine * dx)
        within = (along <= size[:, 0] / 2 + _SLACK) & (across <= size[:, 1] / 2 + _SLACK)
        unlike = _distances(velocity[:, :2], self._tracks, 'velocity')
        alike = unlike <= np.maximum(_PIECE[0], _PIECE[1] * np.linalg.norm(velocity, axis=1))
        longer = size[:, 0] > np.maximum(_LONG, 2 * size[:, :1])
        return (within & alike & longer).any(axis=1)

    def _nearest(self, centres: np.ndarray) -> np.ndarray:
        """(K,) place of the object that is expected nearest each of the centres (K, 2) m, -1 where none is."""
        if not self._tracks:
            return np.full(len(centres), -1)
        off = _distances(centres, self._tracks, 'centre') / _array(self._tracks, 'gate')
        return np.where(off.min(axis=1) <= 1, off.argmin(axis=1), -1)


def _array(tracks: list[_Track], name: str) -> np.ndarray:
    return np.array([getattr(track, name) for track in tracks])


def _distances(places: np.ndarray, tracks: list[_Track], name: str) -> np.ndarray:
    """(K, T) from each of K places (K, 2) to what each track has by that name, in x and y."""
    off = places[:, None] - _array(tracks, name)[:, :2]
    return np.sqrt(off[..., 0] ** 2 + off[..., 1] ** 2)


def _gate(size: float) -> float:
    return max(_GATE, _GATE_SIZE * float(size))
