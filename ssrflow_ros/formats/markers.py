"""What RViz and Foxglove draw of a flow field, without ROS: the contents of visualization_msgs/Marker.

An object's markers bear the number of its track, so they are replaced in place and nothing flickers; what was shown
before and is not in this flow field is deleted with it: a marker that stayed would stand where its points were a sweep
ago, metres behind them at speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Iterable, Sequence

import numpy as np

from ..sweep import FlowField, MovingObject
from ..transforms import quaternion
from .colours import direction_colours, track_colours

POINTS = 'ssrflow/points'
BOXES = 'ssrflow/boxes'
OBJECTS = 'ssrflow/objects'

# visualization_msgs/Marker
ARROW, CUBE, LINE_LIST, TEXT_VIEW_FACING = 0, 1, 5, 9
ADD, DELETE = 0, 2

ARROW_SECONDS = 1.0
"""An arrow is as long as the way in this time."""

MAX_OBJECTS = 50
"""Objects drawn, the nearest ones: more than can be told apart."""

TEXT_ID = 2
"""What the id of an object's text is above that of its box."""

MarkerId = tuple[str, int]

TEXT_HEIGHT = 1.4
"""m, up to TEXT_RANGE m from the sensor; beyond that it grows with the range."""
TEXT_RANGE = 25.0

_PERIODS = 3
"""Lifetime: two messages may be lost, then the picture is rather empty than old."""
_CORNERS = np.array([[x, y, z] for z in (-0.5, 0.5) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))])
_EDGES = np.array(
    [[start, 4 * (start // 4) + (start + 1) % 4] for start in range(8)] + [[start, start + 4] for start in range(4)]
)
_THINNEST = 0.05
_LEVEL = np.eye(3)
_NO_POINTS, _NO_COLOURS = np.empty((0, 3), np.float32), np.empty((0, 4), np.float32)
_UNTRACKED = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Marker:
    """The fields of a visualization_msgs/Marker that differ from zero; the header is the cloud's.

    position (3,) m, axes (3, 3): columns, where its x, y, z point; scale (3,) m, colour (4,) red, green, blue, alpha in
    [0, 1].
    points   (N, 3) m of a LINE_LIST (two a line) or an ARROW (tail, tip); colours (N, 4) likewise.
    lifetime seconds.
    """

    ns: str
    id: int
    type: int
    action: int = ADD
    position: tuple[float, ...] = (0.0, 0.0, 0.0)
    axes: np.ndarray = field(default_factory=lambda: _LEVEL)
    scale: tuple[float, ...] = (0.0, 0.0, 0.0)
    colour: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    points: np.ndarray = field(default_factory=lambda: _NO_POINTS)
    colours: np.ndarray = field(default_factory=lambda: _NO_COLOURS)
    text: str = ''
    lifetime: float = 0.0

    @property
    def orientation(self) -> tuple[float, float, float, float]:
        """Quaternion x, y, z, w of the axes."""
        return (0.0, 0.0, 0.0, 1.0) if self.axes is _LEVEL else quaternion(self.axes)


class Drawing:
    """What is on the screen, and how to bring it up to the next flow field."""

    def __init__(self) -> None:
        self._shown: set[MarkerId] = set()

    def update(self, flow: FlowField, max_arrows: int, period: float = 0.0) -> list[Marker]:
        """Velocity lines of at most `max_arrows` moving points; box, arrow and speed of the nearest objects.

        `period` is the time between two updates where that is longer than the pair's dt, seconds.
        """
        lifetime = _PERIODS * max(period, abs(flow.pair.dt))
        nearest = sorted(flow.objects, key=lambda item: math.hypot(*item.centre))[:MAX_OBJECTS]
        markers = [*_point_lines(flow, max_arrows, lifetime), *_of_objects(nearest, lifetime)]
        drawn = {(marker.ns, marker.id) for marker in markers}
        gone, self._shown = self._shown - drawn, drawn
        return markers + [Marker(ns, id, CUBE, DELETE) for ns, id in sorted(gone)]


def object_colour(item: MovingObject) -> tuple[float, float, float]:
    """Red, green, blue in [0, 1]: one colour a track, white without one."""
    return _UNTRACKED if item.track_id < 0 else _track_colour(item.track_id)


@lru_cache(maxsize=256)
def _track_colour(track_id: int) -> tuple[float, float, float]:
    red, green, blue = map(float, track_colours(np.array([track_id]))[0])
    return red, green, blue


def box_edges(centre: np.ndarray, size: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """(K, 12, 2, 3) float32 m, both ends of each edge of boxes: centre, size (K, 3) m, axes (K, 3, 3), columns."""
    corners = (_CORNERS * size[:, None]) @ axes.transpose(0, 2, 1) + centre[:, None]
    return corners[:, _EDGES].astype(np.float32)


def _point_lines(flow: FlowField, max_arrows: int, lifetime: float) -> Iterable[Marker]:
    moving = np.flatnonzero(flow.moving)
    if len(moving) > max_arrows:
        moving = moving[np.linspace(0, len(moving) - 1, max_arrows).astype(int)]
    if not len(moving):  # RViz complains about a LINE_LIST without points.
        return
    tails, velocity = flow.pair.source.points[moving], flow.velocity[moving]
    lines = np.stack([tails, tails + ARROW_SECONDS * velocity], axis=1).reshape(-1, 3)
    # Thin and half transparent, so that the boxes stand out of them.
    colours = np.full((len(lines), 4), 0.5, np.float32)
    colours[:, :3] = np.repeat(direction_colours(velocity), 2, axis=0)
    yield Marker(POINTS, 0, LINE_LIST, scale=(0.02, 0.0, 0.0), points=lines, colours=colours, lifetime=lifetime)


def _of_objects(objects: Sequence[MovingObject], lifetime: float) -> Iterable[Marker]:
    """The edges of all boxes, then of each object its box, the way that it goes, and its speed."""
    if not objects:
        return
    centre, velocity, axes = (
        np.array([getattr(item, name) for item in objects]) for name in ('centre', 'velocity', 'axes')
    )
    size = np.maximum([item.size for item in objects], _THINNEST)
    colours = [object_colour(item) for item in objects]
    edges = box_edges(centre, size, axes).reshape(-1, 3)
    of_edges = np.ones((len(edges), 4), np.float32)
    of_edges[:, :3] = np.repeat(colours, len(edges) // len(objects), axis=0)
    yield Marker(BOXES, 0, LINE_LIST, scale=(0.12, 0.0, 0.0), points=edges, colours=of_edges, lifetime=lifetime)

    up, distance, speed = axes[:, :, 2], np.linalg.norm(centre, axis=1), np.linalg.norm(velocity, axis=1)
    top = centre + size[:, 2:] / 2 * up
    arrows = np.stack([top, top + ARROW_SECONDS * velocity], axis=1).astype(np.float32)
    height = TEXT_HEIGHT * np.maximum(1.0, distance / TEXT_RANGE)
    text = top + (0.3 + height[:, None] / 2) * up
    numbers = zip(*(column.tolist() for column in (centre, size, text, height, speed)))
    for rank, (item, colour, (place, scale, text_place, text_height, its_speed)) in enumerate(
        zip(objects, colours, numbers)
    ):
        # Ids of neighbouring tracks are three apart; without a track it is negative, and says no more than how near.
        first = 3 * (item.track_id if item.track_id >= 0 else -1 - rank)
        yield Marker(
            OBJECTS,
            first,
            CUBE,
            position=tuple(place),
            axes=axes[rank],
            scale=tuple(scale),
            colour=(*colour, 0.25),
            lifetime=lifetime,
        )
        yield Marker(
            OBJECTS,
            first + 1,
            ARROW,
            scale=(0.2, 0.5, 0.6),
            colour=(*colour, 1.0),
            points=arrows[rank],
            lifetime=lifetime,
        )
        yield Marker(
            OBJECTS,
            first + TEXT_ID,
            TEXT_VIEW_FACING,
            position=tuple(text_place),
            scale=(0.0, 0.0, text_height),
            text=f'{its_speed:.1f} m/s',
            lifetime=lifetime,
        )
