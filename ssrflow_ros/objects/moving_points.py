"""Moving points: which points of a cloud belong to what moves, also where a pair of sweeps gave no answer."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Sequence

import numpy as np

from ..kernels.boxes import box_of_each
from ..steps.conditioning import turned_object
from ..steps.deskew import deskew, twist
from ..steps.levelling import level_axes
from ..sweep import EgoMotion, FlowField, MovingObject, Sweep
from ..transforms import transformed32

_LONGEST = 1.0  # s, over which a mover is expected to go on as it did
_MISSED, _SEEN = 2, 2  # answers in a row without an object that was in so many, in which it is expected


class _Answer(NamedTuple):
    """What is remembered of the last flow: that of the sweep of a frame and stamp over `dt` s, without its arrays."""

    objects: tuple[MovingObject, ...]
    ego_motion: EgoMotion
    dt: float
    frame_id: str
    stamp_ns: int


class MovingPoints:
    """The movers of one stream, whose sweeps come in their order: as they are found, and where not, as expected.

    A mover is expected to go on at its velocity for up to a second, and the sensor at its own.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what moves."""
        self._last: _Answer | None = None
        self._missed: tuple[tuple[MovingObject, int], ...] = ()  # not in the last answer, nor in so many in all

    def note(self, flow: FlowField) -> None:
        """What moves by the answer for the next sweep."""
        found = {item.track_id for item in flow.objects}
        before = [*((item, 0) for item in self._found() if item.age >= _SEEN), *self._missed]
        gone = [(item, missed + 1) for item, missed in before if item.track_id not in found and missed < _MISSED]
        elapsed = self._elapsed(flow.pair.source)
        self._missed = (
            ()
            if elapsed is None
            else tuple(zip(self._later([item for item, _ in gone], elapsed), (missed for _, missed in gone)))
        )
        sweep = flow.pair.source
        self._last = _Answer(flow.objects, flow.ego_motion, flow.pair.dt, sweep.frame_id, sweep.stamp_ns)

    def answered(self, flow: FlowField, margin: float) -> np.ndarray:
        """(N,) bool of the points of the source of the `flow` noted last: what moves by itself; and
        what lies in the box of an object, found or expected, or within `margin` m of it, and is not ground."""
        objects = [*flow.objects, *(item for item, _ in self._missed)]
        inside = _inside(flow.pair.source.points, objects, margin, margin)
        return flow.moving | inside & ~flow.ground

    def expected(self, sweep: Sweep, margin: float) -> np.ndarray:
        """(N,) bool of the points of a sweep that got no answer: where the movers known so far should be, if they are.

        What is ground is not known, so nothing below an object is taken.
        """
        last, elapsed = self._last, self._elapsed(sweep)
        if last is None or elapsed is None:
            return np.zeros(len(sweep), bool)
        objects = self._later([*last.objects, *(item for item, _ in self._missed)], elapsed)
        points = sweep.points if sweep.times is None else deskew(sweep, *twist(last.ego_motion, last.dt)).points
        return _inside(points, objects, margin, 0.0)

    def _found(self) -> tuple[MovingObject, ...]:
        return self._last.objects if self._last is not None else ()

    def _elapsed(self, sweep: Sweep) -> float | None:
        """Seconds since the last answer; None where it tells nothing of this sweep."""
        if self._last is None or self._last.frame_id != sweep.frame_id:
            return None
        elapsed = (sweep.stamp_ns - self._last.stamp_ns) * 1e-9
        return elapsed if 0 <= elapsed <= _LONGEST else None

    def _later(self, objects: Sequence[MovingObject], elapsed: float) -> tuple[MovingObject, ...]:
        """`objects` of the last answer `elapsed` s after it, in the frame that the sensor has then."""
        if not objects or not elapsed or self._last is None:
            return tuple(objects)
        # Seen `elapsed` s before its stamp, a sweep is deskewed to that: so this frame is the sensor's then.
        frame = np.concatenate([np.zeros((1, 3)), np.eye(3)]).astype(np.float32)
        seen = Sweep(frame, 0, '', np.arange(4), 4, np.full(4, -elapsed, np.float32))
        origin, *axes = deskew(seen, *twist(self._last.ego_motion, self._last.dt)).points.astype(float)
        turn = np.column_stack(axes) - origin[:, None]
        moved = (turned_object(_onward(item, elapsed), turn) for item in objects)
        return tuple(dataclasses.replace(item, centre=item.centre + origin) for item in moved)


def _onward(item: MovingObject, elapsed: float) -> MovingObject:
    """The object `elapsed` s later, in the same frame."""
    angle = item.yaw_rate * elapsed
    turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    return dataclasses.replace(item, centre=item.centre + item.velocity * elapsed, tilted_axes=item.axes @ turn)


def _inside(points: np.ndarray, objects: Sequence[MovingObject], margin: float, below: float) -> np.ndarray:
    """(N,) bool of points (N, 3) float32 m: in the box of an object, or `margin` m about and `below` m below it."""
    if not objects:
        return np.zeros(len(points), bool)
    centre, size, axes, hidden = (
        np.array([getattr(item, name) for item in objects]) for name in ('centre', 'size', 'axes', 'hidden')
    )
    before, after = hidden[:, :, 0], hidden[:, :, 1]  # what is hidden holds no point of theirs
    centre = centre + np.einsum('kij,kj->ki', axes[:, :, :2], before - after) / 2
    size[:, :2] -= before + after
    level = level_axes(axes[0, :, 2])  # of all: the same ground bears them, and their boxes are upright on it
    if not np.array_equal(level, np.eye(3)):
        points, centre, axes = transformed32(points, level, np.zeros(3)), centre @ level.T, level @ axes
    ahead = axes[:, :2, 0]
    cosine, sine = (ahead / np.linalg.norm(ahead, axis=1, keepdims=True)).T
    centre = centre + (0, 0, (margin - below) / 2)
    half = size / 2 + (margin, margin, (margin + below) / 2)
    centres, cosines, sines, halves = map(np.float32, (centre, cosine, sine, half))
    box = np.empty(len(points), np.int32)
    box_of_each(points, centres, cosines, sines, halves, box)
    return box >= 0
