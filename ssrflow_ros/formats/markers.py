"""What RViz and Foxglove draw of a flow field, without ROS: the contents of visualization_msgs/Marker.

Ids are stable, so a marker is replaced in place and nothing flickers; only ids that were shown before
and are not needed any more are deleted.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Collection, Iterable

import numpy as np

from ..sweep import FlowField, MovingObject
from .colours import colour_wheel

POINTS = 'ssrflow/points'
OBJECTS = 'ssrflow/objects'

# visualization_msgs/Marker
ARROW, CUBE, LINE_LIST, TEXT_VIEW_FACING = 0, 1, 5, 9
ADD, DELETE = 0, 2

ARROW_SECONDS = 1.0
"""An arrow is as long as the way in this time."""

MarkerId = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Marker:
    """The fields of a visualization_msgs/Marker that differ from zero; the header is the cloud's.

    position (3,) m, yaw rad, scale (3,) m, colour (4,) red, green, blue, alpha in [0, 1].
    points   (N, 3) m of a LINE_LIST (two a line) or an ARROW (tail, tip); colours (N, 4) likewise.
    lifetime seconds.
    """

    ns: str
    id: int
    type: int
    action: int = ADD
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    scale: tuple[float, float, float] = (0.0, 0.0, 0.0)
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3), np.float32))
    colours: np.ndarray = field(default_factory=lambda: np.empty((0, 4), np.float32))
    text: str = ''
    lifetime: float = 0.0

    @property
    def orientation(self) -> tuple[float, float, float, float]:
        """Quaternion x, y, z, w of the yaw."""
        return 0.0, 0.0, float(np.sin(self.yaw / 2)), float(np.cos(self.yaw / 2))


def make_markers(flow: FlowField, max_arrows: int, shown: Collection[MarkerId] = (),
                 period: float = 0.0) -> list[Marker]:
    """Velocity lines of at most `max_arrows` moving points; box, arrow and speed of each object.

    `shown` are the ids (see `shown_ids`) that the markers before left on the screen. `period` is the
    time between two such lists where that is longer than the pair's dt, seconds.
    """
    # Outlasts two lost messages, then the picture is rather empty than old.
    lifetime = 3 * max(period, abs(flow.pair.dt))
    markers = [*_point_lines(flow, max_arrows, lifetime)]
    for rank, item in enumerate(sorted(flow.objects, key=lambda item: item.id)):
        markers += _object(item, 3 * rank, lifetime)
    surplus = set(shown) - shown_ids(markers)
    return markers + [Marker(ns, id, CUBE, DELETE) for ns, id in sorted(surplus)]


def shown_ids(markers: Iterable[Marker]) -> set[MarkerId]:
    """What is on the screen after `markers`: hand it to the next `make_markers`."""
    return {(marker.ns, marker.id) for marker in markers if marker.action == ADD}


def _point_lines(flow: FlowField, max_arrows: int, lifetime: float) -> Iterable[Marker]:
    moving = np.flatnonzero(flow.moving)
    if len(moving) > max_arrows:
        moving = moving[np.linspace(0, len(moving) - 1, max_arrows).astype(int)]
    if not len(moving):  # RViz complains about a LINE_LIST without points.
        return
    tails, velocity = flow.pair.source.points[moving], flow.velocity[moving]
    lines = np.stack([tails, tails + ARROW_SECONDS * velocity], axis=1).reshape(-1, 3)
    colours = np.ones((len(lines), 4), np.float32)
    colours[:, :3] = np.repeat(colour_wheel(velocity), 2, axis=0)
    yield Marker(POINTS, 0, LINE_LIST, scale=(0.03, 0.0, 0.0), points=lines, colours=colours,
                 lifetime=lifetime)


def _object(item: MovingObject, first_id: int, lifetime: float) -> Iterable[Marker]:
    centre, size = np.asarray(item.centre, float), np.maximum(item.size, 0.05)
    red, green, blue = map(float, colour_wheel(item.velocity[None])[0])
    top = centre + [0, 0, size[2] / 2]
    arrow = np.stack([top, top + ARROW_SECONDS * item.velocity]).astype(np.float32)
    yield Marker(OBJECTS, first_id, CUBE, position=tuple(map(float, centre)), yaw=float(item.yaw),
                 scale=tuple(map(float, size)), colour=(red, green, blue, 0.35), lifetime=lifetime)
    yield Marker(OBJECTS, first_id + 1, ARROW, scale=(0.15, 0.4, 0.5), colour=(red, green, blue, 1.0),
                 points=arrow, lifetime=lifetime)
    yield Marker(OBJECTS, first_id + 2, TEXT_VIEW_FACING, position=tuple(map(float, top + [0, 0, 0.8])),
                 scale=(0.0, 0.0, 0.8), text=f'{item.speed:.1f} m/s', lifetime=lifetime)
