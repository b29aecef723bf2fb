"""Conditioning: what the method works on. Sweeps without outliers, with z up; and the way back to the given ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..kernels.returns import rows_of
from ..settings import Settings
from ..sweep import EgoMotion, MovingObject, Sweep, SweepPair
from ..transforms import transformed32
from .beams import Beams
from .levelling import level_axes, level_from_sensor
from .merged import beams_of
from .newest_sweeps import NewestSweeps
from .outliers import outliers
from .poses import parse_pose

_NOWHERE = np.zeros(3)
_TRIES = 10  # sweeps of a stream in which the ground is sought; one that shows none so long never does

MountingOf = Callable[[str], 'np.ndarray | None']
"""Says how a frame lies on the robot, whose z is up: the pose (4, 4), None as long as it is not known."""


def unknown(frame: str) -> None:
    """The `MountingOf` where nobody says."""


@dataclass(frozen=True, eq=False)
class ConditionedPair:
    """A pair made ready for the method, and the pair that was given.

    rows   (n,) int64, of the given source's points, those of `pair.source`.
    level  (3, 3) rotation from the given frame to that of `pair`, whose z is up.
    """

    pair: SweepPair
    given: SweepPair
    rows: np.ndarray
    level: np.ndarray

    @property
    def is_as_given(self) -> bool:
        return self.pair.source is self.given.source and self.pair.target is self.given.target

    def levelled(self, ego: EgoMotion) -> EgoMotion:
        """The motion `ego` of the given frame in level axes."""
        return _turned(ego, self.level)

    def as_given(self, ego: EgoMotion) -> EgoMotion:
        """The motion `ego` in level axes, in those of the given pair."""
        return _turned(ego, self.level.T)

    def changed(self, change: Callable[[SweepPair, EgoMotion], SweepPair], ego: EgoMotion) -> ConditionedPair:
        """Both pairs changed alike by their motion, which is `ego` in level axes."""
        pair = change(self.pair, ego)
        given = pair if self.is_as_given else change(self.given, _turned(ego, self.level.T))
        return dataclasses.replace(self, pair=pair, given=given)

    def objects_as_given(self, items: tuple[MovingObject, ...]) -> tuple[MovingObject, ...]:
        """Objects in level axes, in those of the given pair."""
        if np.array_equal(self.level, np.eye(3)):
            return items
        return tuple(turned_object(item, self.level.T) for item in items)


class Conditioning:
    """Of one stream, whose sensor is mounted one way: the way up is found once, and each sweep conditioned once.

    level  (3, 3) level_from_sensor as it is known so far: by the setting `mounting`, else by `mounting_of`, and until
           that knows it by the ground.
    """

    def __init__(self, settings: Settings, mounting_of: MountingOf = unknown):
        self._settings, self._mounting_of = settings, mounting_of
        mounting = parse_pose('mounting', settings.mounting)
        self._is_known = mounting is not None
        # The last row is the robot's z in the sensor's axes.
        self.level = np.eye(3) if mounting is None else level_axes(mounting[2, :3])
        self._tries = 0 if settings.ground == 'none' else _TRIES
        # Rows of each sweep and what they have become, None where that is the sweep itself.
        self._known: NewestSweeps[tuple[np.ndarray, Sweep | None]] = NewestSweeps()
        self._beams: NewestSweeps[Beams] = NewestSweeps()

    def __call__(self, pair: SweepPair) -> ConditionedPair:
        """The pair without outliers, in level axes."""
        for sweep in (pair.target, pair.source):
            self._seek(sweep)
        rows, source = self._of(pair.source)
        _, target = self._of(pair.target)
        unchanged = source is pair.source and target is pair.target
        return ConditionedPair(pair if unchanged else SweepPair(source, target), pair, rows, self.level)

    def beams(self, sweep: Sweep) -> Beams:
        """Of a conditioned sweep, or of one that was made of it since."""
        if sweep not in self._beams:
            self._beams[sweep] = beams_of(sweep, self.level)
        return self._beams[sweep]

    def _seek(self, sweep: Sweep) -> None:
        """Find the way up in a sweep that is new, until it is known."""
        if self._is_known or sweep in self._known:
            return
        mounting, found = self._mounting_of(sweep.frame_id), None
        if mounting is not None:
            self._is_known, found = True, level_axes(mounting[2, :3])
        elif self._tries:
            self._tries -= 1
            found = level_from_sensor(sweep.points)
            self._tries *= found is None
        if found is not None and not np.array_equal(found, self.level):
            self.level = found
            self._known.clear()

    def _of(self, sweep: Sweep) -> tuple[np.ndarray, Sweep]:
        """Rows (n,) of the sweep that are left, and the sweep of them."""
        if sweep not in self._known:
            self._known[sweep] = self._conditioned(sweep)
        rows, conditioned = self._known[sweep]
        return rows, sweep if conditioned is None else conditioned

    def _conditioned(self, sweep: Sweep) -> tuple[np.ndarray, Sweep | None]:
        beams, level = beams_of(sweep), np.array_equal(self.level, np.eye(3))
        remove = self._settings.remove_outliers
        rows = np.flatnonzero(~outliers(beams)) if remove else np.arange(len(sweep))
        if level and len(rows) == len(sweep):
            self._beams[sweep] = beams
            return rows, None
        left = beams.only(rows, self.level) if remove else None  # they are sorted already
        points = rows_of(sweep.points, rows) if left is None or sweep.sensors is not None else left.points
        conditioned = dataclasses.replace(
            sweep,
            points=points if level else transformed32(points, self.level, _NOWHERE),
            rows=sweep.rows.take(rows),
            times=None if sweep.times is None else sweep.times.take(rows),
            sensors=None if sweep.sensors is None else sweep.sensors.turned(self.level, rows),
        )
        if left is not None:
            self._beams[conditioned] = left
        return rows, conditioned


def turned_object(item: MovingObject, turn: np.ndarray) -> MovingObject:
    """The object in other axes, to which `turn` (3, 3) leads."""
    axes = turn @ item.axes
    return dataclasses.replace(
        item,
        centre=turn @ item.centre,
        velocity=turn @ item.velocity,
        tilted_axes=axes,
        yaw=float(np.arctan2(axes[1, 0], axes[0, 0])),
        yaw_rate=float(axes[2, 2] * item.yaw_rate),
        position_covariance=turn @ item.position_covariance @ turn.T,
        velocity_covariance=turn @ item.velocity_covariance @ turn.T,
        yaw_rate_variance=float(axes[2, 2] ** 2 * item.yaw_rate_variance),
    )


def _turned(ego: EgoMotion, turn: np.ndarray) -> EgoMotion:
    """The same motion in axes to which `turn` (3, 3) leads."""
    if np.array_equal(turn, np.eye(3)):
        return ego
    motion = ego.target_from_source.copy()
    motion[:3, :3], motion[:3, 3] = turn @ motion[:3, :3] @ turn.T, turn @ motion[:3, 3]
    return dataclasses.replace(ego, target_from_source=motion)
