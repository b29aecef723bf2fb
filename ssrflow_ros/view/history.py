"""What the view remembers of each sweep: as many points as it draws, the objects, and where the sensor was."""

from __future__ import annotations

import struct
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np

from ..formats.colours import GROUND, STILL, direction_colours
from ..formats.markers import object_colour
from ..objects.moving_points import MovingPoints
from ..settings import Settings
from ..steps.pairing import FIRST
from ..sweep import FlowField, MovingObject

_CODE_GROUND, _CODE_STILL, _CODE_BESIDE, _CODE_MOVING = 0, 1, 2, 3
_DIRECTIONS = 253
_BESIDE = (0.55, 0.5, 0.45)
"""Of points that do not move but are left out of a static cloud, beside what does."""
_PER_METRE = 100.0  # of the whole numbers that the page is given
_FARTHEST = 327.0  # m


def palette() -> list[list[int]]:
    """Red, green, blue in 0..255 of each code that a point may have: ground, still, beside a mover, then the directions
    of motion. A static cloud has the first two."""
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    moving = direction_colours(np.column_stack([np.cos(angles), np.sin(angles)]))
    colours: list[list[int]] = np.round(255 * np.vstack([GROUND, STILL, _BESIDE, moving])).astype(int).tolist()
    return colours


@dataclass(frozen=True, eq=False)
class Frame:
    """One sweep, as it is drawn.

    about   what the page is told in JSON; lengths in m, in the sensor's axes.
    points  what is drawn: see `encode_points`.
    """

    stamp_ns: int
    about: dict[str, Any]
    points: bytes


class History:
    """The last `seconds` of a stream, sweep by sweep; may be filled and read in different threads.

    max_points  drawn of a sweep: all that `/ssrflow/static` leaves out, and of the rest evenly many.
    margin      m around movers, as the setting `static_margin`.
    dropped     frames that were forgotten because newer ones came.
    done        whether no more will come.
    without     sweeps that had no flow, by reason.
    limit       what is said if there is more than is shown.
    """

    def __init__(self, max_points: int, seconds: float, margin: float = Settings().static_margin):
        self._max_points, self._span_ns, self._margin = max_points, seconds * 1e9, margin
        self._movers = MovingPoints()
        self._frames: deque[Frame] = deque()
        self._chain, self._pose, self._last_ns, self._first_ns = 0, np.eye(4), 0, 0
        self._lock = Lock()
        self.dropped = 0
        self.done = False
        self.without: Counter[str] = Counter()
        self.limit = ''

    @property
    def note(self) -> str:
        """What is to be told of all, '' if nothing; that the first sweep has no flow is as it must be."""
        counted = [f'{count} x {reason}' for reason, count in self.without.most_common(3) if reason != FIRST]
        return '. '.join(filter(None, [self.limit, f'Without flow: {", ".join(counted)}' if counted else '']))

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, flow: FlowField) -> None:
        """The next sweep."""
        source, ego = flow.pair.source, flow.ego_motion
        if not self._last_ns:
            self._first_ns = source.stamp_ns
        if ego.method == 'none' or flow.pair.target.stamp_ns != self._last_ns:
            self._chain, self._pose = self._chain + 1, np.eye(4)
        else:
            self._pose = self._pose @ ego.target_from_source
        self._last_ns = source.stamp_ns
        self._movers.note(flow)
        removed = self._movers.answered(flow, self._margin)
        rows = thinned(removed, self._max_points)
        ground = source.points[flow.ground, 2]
        about = {
            't': round((source.stamp_ns - self._first_ns) * 1e-9, 4),
            'points': len(source),
            'drawn': len(rows),
            'removed': int(removed.sum()),
            'ground': round(float(np.median(ground)), 2) if len(ground) else 0.0,
            'speed': None if ego.method == 'none' else round(ego.travelled / abs(flow.pair.dt), 2),
            # Of the sensor in the frame of the first sweep of an unbroken row of motions, the `chain`: rows of [R t].
            'pose': np.round(self._pose[:3], 5).ravel().tolist(),
            'chain': self._chain,
            'objects': [_told(item) for item in flow.objects],
        }
        frame = Frame(source.stamp_ns, about, encode_points(flow, rows, removed))
        with self._lock:
            self._frames.append(frame)
            # A recording that begins anew is as good a reason as the length of what there is.
            while not 0 <= source.stamp_ns - self._frames[0].stamp_ns <= self._span_ns:
                self._frames.popleft()
                self.dropped += 1

    def after(self, number: int) -> tuple[int, list[Frame]]:
        """Frames from that number on, counted from the first that there ever was; the number of the first of them."""
        with self._lock:
            start = max(number, self.dropped)
            return start, list(islice(self._frames, start - self.dropped, None))

    def frame(self, number: int) -> Frame | None:
        """The frame of that number; None if it is forgotten, or not there yet."""
        with self._lock:
            index = number - self.dropped
            return self._frames[index] if 0 <= index < len(self._frames) else None


def encode_points(flow: FlowField, rows: np.ndarray, removed: np.ndarray) -> bytes:
    """The points of `rows`: their number (uint32), then x, y and z (int16, cm) of each, then a byte of `palette` each.

    Little-endian; what is not within 327 m is put there. `removed` (N,) bool: what a static cloud leaves out.
    """
    points = np.clip(flow.pair.source.points[rows], -_FARTHEST, _FARTHEST)
    codes = np.where(flow.ground[rows], _CODE_GROUND, _CODE_STILL).astype(np.uint8)
    codes[removed[rows]] = _CODE_BESIDE
    moving = flow.moving[rows]
    velocity = flow.velocity[rows][moving]
    turn = np.arctan2(velocity[:, 1], velocity[:, 0]) / (2 * np.pi) % 1.0
    codes[moving] = _CODE_MOVING + np.round(_DIRECTIONS * turn).astype(int) % _DIRECTIONS
    return struct.pack('<I', len(rows)) + np.round(_PER_METRE * points).astype('<i2').tobytes() + codes.tobytes()


def thinned(first: np.ndarray, max_points: int) -> np.ndarray:
    """Rows, at most `max_points`: all of the `first` (N,) bool, which come last, and of the others evenly many."""
    rows, rest = np.flatnonzero(first), np.flatnonzero(~first)
    rows = _evenly(rows, max_points)
    return np.concatenate([_evenly(rest, max_points - len(rows)), rows])


def _evenly(rows: np.ndarray, count: int) -> np.ndarray:
    return rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def _told(item: MovingObject) -> dict[str, Any]:
    return {
        'track': item.track_id,
        'centre': np.round(item.centre, 2).tolist(),
        'size': np.round(item.size, 2).tolist(),
        'yaw': round(float(item.yaw), 3),
        'velocity': np.round(item.velocity, 2).tolist(),
        'speed': round(item.speed, 2),
        'colour': [round(255 * value) for value in object_colour(item)],
    }
