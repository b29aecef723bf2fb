"""What passes between the rooms: small frozen objects, arrays inside, no ROS.

Axes follow REP 103 (x forward, y left, z up); points and displacements are metres in the frame of
the sensor at the sweep's own stamp; stamps are integer nanoseconds, velocities m/s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, NamedTuple, Sequence

import numpy as np

from .arrays import as_points
from .errors import InputError, PairError
from .transforms import transformed32

FIRST_STAMP_NS = 1_000_000_000
"""Stamp of the first sweep of a made recording; ROS reads a stamp of 0 as 'none'."""


@dataclass(frozen=True, eq=False)
class Sensors:
    """The LiDARs whose returns share a cloud: origins (K, 3) m in its frame, of_point (N,) number of each point's."""

    origins: np.ndarray
    of_point: np.ndarray

    def numbered(self) -> list[tuple[int, np.ndarray]]:
        """Number and origin (3,) float32 m of each."""
        return list(enumerate(self.origins.astype(np.float32)))

    def turned(self, turn: np.ndarray, rows: np.ndarray) -> 'Sensors':
        """Of the points `rows` of the cloud, in axes to which `turn` (3, 3) leads."""
        return Sensors(self.origins @ turn.T, self.of_point[rows])

    def without(self, dropped: np.ndarray) -> 'Sensors':
        """Of a cloud without the points of some numbers."""
        return Sensors(self.origins, np.delete(self.of_point, dropped))


@dataclass(frozen=True, eq=False)
class Sweep:
    """One LiDAR sweep: the usable returns of one input cloud.

    points    (N, 3) float32, metres, finite.
    stamp_ns  time of the sweep, nanoseconds.
    frame_id  name of the sensor frame, '' if unknown.
    rows      (N,) int64, row of each point in the input cloud.
    n_rows    rows of the input cloud, dropped ones included.
    times     (N,) float32, seconds from `stamp_ns` to the moment at which each point was measured, if that
              is known and the points still have to be deskewed; else None: all at one instant.
    sensors   whose returns they are, if they are of several; None: of one, at the origin.
    taken     (N,) float32, what `times` were before the points were deskewed; else None.
    """

    points: np.ndarray
    stamp_ns: int
    frame_id: str
    rows: np.ndarray
    n_rows: int
    times: np.ndarray | None = None
    sensors: Sensors | None = None
    taken: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def from_points(
        cls,
        points: Any,
        stamp_ns: int = 0,
        frame_id: str = '',
        min_range: float = 0.0,
        own_body: Sequence[float] = (),
        times: np.ndarray | None = None,
    ) -> 'Sweep':
        """Keep the returns of an (N, 3+) array: finite, not at the origin, not nearer than `min_range` m, not in the
        box `own_body` of the robot itself: least x, y, z and greatest x, y, z, m, in the points' frame; () for none.

        LiDAR drivers report a missing return as NaN, inf or (0, 0, 0). `times` (N,) as above, of all rows.
        Raises InputError for an array that is no cloud of points.
        """
        with np.errstate(over='ignore', invalid='ignore'):
            xyz = _contiguous(as_points('the cloud', points))
            kept, rows = _usable(xyz, min_range, own_body)
        if times is not None:
            times = np.asarray(times)
            if times.shape != (len(xyz),) or times.dtype.kind not in 'fiu':
                raise InputError(
                    f'times: {times.dtype} of shape {times.shape} for {len(xyz)} points: give the seconds '
                    'from the stamp to each point, (N,)'
                )
            times = times[rows].astype(np.float32)
        return cls(kept, int(stamp_ns), frame_id, rows, len(xyz), times)

    def outside(self, min_range: float, own_body: Sequence[float] = ()) -> 'Sweep':
        """Without the returns of the robot itself, as in `from_points`; this very sweep where it has none."""
        kept, usable = _usable(self.points, min_range, own_body)
        if len(kept) == len(self):
            return self
        return self.without(np.delete(np.arange(len(self)), usable))

    def of_nearest(self, origins: Sequence[Sequence[float]]) -> 'Sweep':
        """Each return taken to be of the nearest of several LiDARs, which sit at `origins` (K, 3) m."""
        places = np.array(origins)
        away = [np.linalg.norm(self.points - place, axis=1) for place in places.astype(np.float32)]
        return replace(self, sensors=Sensors(places, np.argmin(away, axis=0).astype(np.int32)))

    def without(self, dropped: np.ndarray) -> 'Sweep':
        """Without the points of the ascending numbers `dropped` (d,)."""
        from .kernels.near_field import without_rows  # numba: no help of a command waits for it

        points, rows = without_rows(self.points, self.rows, dropped)
        times = self.times if self.times is None else np.delete(self.times, dropped)
        taken = self.taken if self.taken is None else np.delete(self.taken, dropped)
        sensors = self.sensors if self.sensors is None else self.sensors.without(dropped)
        return Sweep(points, self.stamp_ns, self.frame_id, rows, self.n_rows, times, sensors, taken)

    def to_rows(self, values: np.ndarray, missing: float = np.nan) -> np.ndarray:
        """Lay per-point `values` (N, ...) out over the input's rows; dropped rows hold `missing`."""
        out = np.full((self.n_rows, *values.shape[1:]), missing, dtype=values.dtype)
        if values.shape[1:] == (3,):
            from .kernels.returns import put_rows  # numba: no help of a command waits for it

            put_rows(out, self.rows, values)
        else:
            out[self.rows] = values
        return out


def _contiguous(points: np.ndarray) -> np.ndarray:
    """(N, 3) float32; by columns, for of points (N, 3) in wider rows NumPy by itself takes four times as long."""
    if points.flags.c_contiguous and points.dtype == np.float32:
        return points
    out = np.empty(points.shape, np.float32)
    for axis in range(3):
        out[:, axis] = points[:, axis]
    return out


def _usable(xyz: np.ndarray, min_range: float, own_body: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The usable points (n, 3) of xyz (N, 3) float32 m, and their rows (n,)."""
    from .kernels.returns import usable_returns

    low, high = np.array(own_body or [np.inf] * 3 + [-np.inf] * 3, float).reshape(2, 3)
    return usable_returns(np.ascontiguousarray(xyz), float(min_range), low, high)


@dataclass(frozen=True, eq=False)
class SweepPair:
    """Two sweeps of one sensor. Flow is estimated for the source's points until the target's stamp.

    The live node annotates the newest sweep, so there the target is the OLDER one and `dt` is
    negative; velocity = displacement / dt holds in both directions.
    """

    source: Sweep
    target: Sweep

    def __post_init__(self) -> None:
        if self.source.stamp_ns == self.target.stamp_ns:
            raise PairError(
                'both sweeps bear the same time stamp, so no velocity can be found: '
                'give the true time between them (--dt, or header.stamp)'
            )
        if self.source.frame_id != self.target.frame_id:
            raise PairError(
                f"the sweeps are in different frames ('{self.source.frame_id}' and "
                f"'{self.target.frame_id}'): feed sweeps of one sensor only"
            )

    @property
    def dt(self) -> float:
        """Seconds from source to target, signed."""
        return (self.target.stamp_ns - self.source.stamp_ns) * 1e-9


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """The sensor's own motion over a pair.

    target_from_source  (4, 4) float64, maps points of the static world from the source's frame into
                        the target's: p_target = R p_source + t.
    method              how it was found: 'given', 'odometry', 'tf', 'scan_matching', 'none'.
    inliers             share of matched points in [0, 1]; nan where nothing was matched.
    overlap             that of the points on upright surfaces, of which `min_overlap` is asked; nan likewise.
    rmse                root mean square distance of the matched points, metres; nan likewise.
    support             overlap of the surfaces that face one way, least of all level directions; nan likewise.
    doubt               why the motion may be wrong, with its cure; '' where nothing says so.
    """

    target_from_source: np.ndarray
    method: str
    inliers: float = float('nan')
    rmse: float = float('nan')
    overlap: float = float('nan')
    support: float = float('nan')
    doubt: str = ''

    @property
    def travelled(self) -> float:
        """Metres that the sensor went."""
        return float(np.linalg.norm(self.target_from_source[:3, 3]))

    def displacement(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) float32 displacement in the source frame that the sensor's motion gives static `points` (N, 3)."""
        return transformed32(points, self.displacing[:, :3], self.displacing[:, 3])

    @property
    def displacing(self) -> np.ndarray:
        """(3, 4) by which it displaces a static point p of the source: it times (p, 1)."""
        return self.target_from_source[:3] - np.eye(3, 4)

    def into_source(self, points: np.ndarray) -> np.ndarray:
        """Target-frame `points` (N, 3) seen from the source's pose, float32: static world falls onto itself."""
        back = self.target_from_source[:3, :3].T
        return transformed32(points, back, -back @ self.target_from_source[:3, 3])

    def into_target(self, points: np.ndarray) -> np.ndarray:
        """Static source-frame `points` (N, 3) as the target's pose sees them, float32."""
        return transformed32(points, self.target_from_source[:3, :3], self.target_from_source[:3, 3])


_UNKNOWN = np.full((3, 3), np.nan)
_NOTHING = np.zeros((2, 2))


class Basis(IntEnum):
    """What an object of one sweep rests on."""

    UNKNOWN = -1  # of a recording that does not tell
    PREDICTION = 0  # its track alone: it was not found in this sweep
    REGISTRATION = 1  # the sweeps, laid onto each other from where its track lets expect it, without the network
    NETWORK = 2  # the network, and the sweeps


@dataclass(frozen=True, eq=False)
class MovingObject:
    """A cluster of points that move together, in the source frame at the source's stamp, ego-motion removed.

    id        label of its points in `FlowField.object_ids`, of this sweep only.
    centre    (3,) m, of the box of the whole thing, seen or not; size (3,) m, length, width, height; yaw rad, of the
              length.
    velocity  (3,) m/s, of what is seen; in a stream it rests on the last sweeps' velocities, too.
    n_points  number of points.
    track_id  number that stays with the object from sweep to sweep, -1 where nobody follows it.
    age       sweeps in which it was seen, this one included.
    yaw_rate  rad/s, about the frame's z.
    probability  that it is one thing and moves, calibrated.
    position_covariance (3, 3) m², velocity_covariance (3, 3) m²/s², yaw_rate_variance (rad/s)²; nan if unknown.
    basis     what it rests on in this sweep.
    hidden    (2, 2) m, by which the box reaches beyond the points that are seen: rows of its length and its width, each
              against that direction and along it. Less than 0 where they were measured before or after the stamp.
    taken     s from the stamp until its points were measured, in the mean, as far as that is known.
    tilted_axes  the `axes` in a frame whose z is not up, where yaw is that of the length, seen along z; else None.
    """

    id: int
    centre: np.ndarray
    size: np.ndarray
    yaw: float
    velocity: np.ndarray
    n_points: int
    track_id: int = -1
    age: int = 1
    yaw_rate: float = 0.0
    position_covariance: np.ndarray = field(default_factory=_UNKNOWN.copy)
    velocity_covariance: np.ndarray = field(default_factory=_UNKNOWN.copy)
    yaw_rate_variance: float = float('nan')
    probability: float = 1.0
    basis: int = Basis.UNKNOWN
    hidden: np.ndarray = field(default_factory=_NOTHING.copy)
    taken: float = 0.0
    tilted_axes: np.ndarray | None = None

    @property
    def axes(self) -> np.ndarray:
        """(3, 3), columns: directions of length, width and height."""
        if self.tilted_axes is not None:
            return self.tilted_axes
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])

    @property
    def seen(self) -> MovingObject:
        """The same with the box of the points that are seen."""
        before, after = self.hidden.T
        centre = self.centre + self.axes[:, :2] @ (before - after) / 2
        return replace(self, centre=centre, size=self.size - [*(before + after), 0.0], hidden=_NOTHING.copy())

    @property
    def speed(self) -> float:
        """m/s."""
        return float(np.linalg.norm(self.velocity))

    def but(self, **fields: Any) -> MovingObject:
        """The same with other values of some fields; `dataclasses.replace` takes ten times as long."""
        item = object.__new__(MovingObject)
        vars(item).update(vars(self), **fields)
        return item


class FlowRows(NamedTuple):
    """An answer in the N rows of the cloud that was given; what is said of a return that was not used is in brackets.

    flow (N, 3) float32 m, velocity (N, 3) float32 m/s [NaN], moving, ground (N,) bool [False], object_ids (N,) int32
    [-1], probability (N,) float32 [0]: as in `FlowField`.
    """

    flow: np.ndarray
    velocity: np.ndarray
    moving: np.ndarray
    ground: np.ndarray
    object_ids: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True, eq=False)
class FlowField:
    """The answer for every point of `pair.source`, aligned with `pair.source.points`: the returns that were used.

    `in_rows` lays it out over the cloud that was given, of which some returns may not be usable.

    flow        (N, 3) float32 m, whole displacement until the target, sensor's motion included:
                source.points + flow lies on the target's points.
    velocity    (N, 3) float32 m/s, ego-motion removed (0 in a static world), source axes.
    moving      (N,) bool, also some points without object.  ground (N,) bool.
    object_ids  (N,) int32, index into `objects`' ids, -1 for none.
    timings_ms  milliseconds of each step, in the order of the data's walk.
    network_velocity  (N, 3) float32 m/s, as the network gave it, before objects were found; None where it was not
                      asked.
    probability (N,) float32, that the point moves, calibrated; None where it is not known, which stands for `moving`.
    predicted   objects that were followed and are not found in this sweep, where they are expected: `id` -1, no points.
    """

    pair: SweepPair
    ego_motion: EgoMotion
    flow: np.ndarray
    velocity: np.ndarray
    moving: np.ndarray
    ground: np.ndarray
    object_ids: np.ndarray
    objects: tuple[MovingObject, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    network_velocity: np.ndarray | None = None
    probability: np.ndarray | None = None
    predicted: tuple[MovingObject, ...] = ()

    @property
    def by_network(self) -> bool:
        """Whether it rests on the network; else on the objects' tracks and what the sweeps say by themselves."""
        return self.network_velocity is not None

    def in_rows(self) -> FlowRows:
        """In the rows of the cloud that was given, missing returns and those of the robot itself included."""
        lay = self.pair.source.to_rows
        return FlowRows(
            lay(self.flow),
            lay(self.velocity),
            lay(self.moving, missing=False),
            lay(self.ground, missing=False),
            lay(self.object_ids, missing=-1),
            lay(self.moving_probability, missing=0.0),
        )

    @property
    def moving_probability(self) -> np.ndarray:
        """(N,) float32, `probability`, or 1 and 0 for what moves and what does not."""
        return self.moving.astype(np.float32) if self.probability is None else self.probability
