"""What RViz and Foxglove draw of a flow field, without ROS: the contents of visualization_msgs/Marker.

An object's markers bear the number of its track, so they are replaced in place and nothing flickers; only
what was shown before and is gone is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable

import numpy as np

from ..sweep import FlowField, MovingObject
from ..transforms import quaternion
from .colours import colour_wheel

POINTS = 'ssrflow/points'
OBJECTS = 'ssrflow/objects'

# visualization_msgs/Marker
ARROW, CUBE, LINE_LIST, TEXT_VIEW_FACING = 0, 1, 5, 9
ADD, DELETE = 0, 2

ARROW_SECONDS = 1.0
"""An arrow is as long as the way in this time."""

MAX_OBJECTS = 50
"""Objects drawn, the nearest ones: each costs 0.2 ms to publish."""

MarkerId = tuple[str, int]

_BRIDGED = 2  # fields that a track may miss before its markers go


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
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    scale: tuple[float, ...] = (0.0, 0.0, 0.0)
    colour: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3), np.float32))
    colours: np.ndarray = field(default_factory=lambda: np.empty((0, 4), np.float32))
    text: str = ''
    lifetime: float = 0.0

    @property
    def orientation(self) -> tuple[float, float, float, float]:
        """Quaternion x, y, z, w of the axes."""
        return quaternion(self.axes)


class Drawing:
    """What is on the screen, and how to bring it up to the next flow field."""

    def __init__(self):
        self._missed: dict[MarkerId, int] = {}  # of what is shown: fields in a row that had it not

    def update(self, flow: FlowField, max_arrows: int, period: float = 0.0) -> list[Marker]:
        """Velocity lines of at most `max_arrows` moving points; box, arrow and speed of the nearest objects.

        `period` is the time between two updates where that is longer than the pair's dt, seconds.
        """
        # Outlasts two lost messages, then the picture is rather empty than old.
        lifetime = (1 + _BRIDGED) * max(period, abs(flow.pair.dt))
        markers = [*_point_lines(flow, max_arrows, lifetime)]
        nearest = sorted(flow.objects, key=lambda item: float(np.linalg.norm(item.centre)))[:MAX_OBJECTS]
        for rank, item in enumerate(nearest):
            # Without a track the number is negative, and says no more than how near it is.
            markers += _object(item, 3 * (item.track_id if item.track_id >= 0 else -1 - rank), lifetime)
        return markers + self._surplus({(marker.ns, marker.id) for marker in markers})

    def _surplus(self, drawn: set[MarkerId]) -> list[Marker]:
        """Deletions of what is shown and not `drawn`; a track may miss some fields, as trackers let it."""
        missed = {key: count + 1 for key, count in self._missed.items() if key not in drawn}
        gone = [(ns, id) for (ns, id), count in missed.items() if ns != OBJECTS or id < 0 or count > _BRIDGED]
        self._missed = {**dict.fromkeys(drawn, 0), **{key: missed[key] for key in missed.keys() - set(gone)}}
        return [Marker(ns, id, CUBE, DELETE) for ns, id in sorted(gone)]


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
    yield Marker(POINTS, 0, LINE_LIST, scale=(0.03, 0.0, 0.0), points=lines, colours=colours, lifetime=lifetime)


def _object(item: MovingObject, first_id: int, lifetime: float) -> Iterable[Marker]:
    centre, size = np.asarray(item.centre, float), np.maximum(item.size, 0.05)
    red, green, blue = map(float, colour_wheel(item.velocity[None])[0])
    up = item.axes[:, 2]
    top = centre + size[2] / 2 * up
    arrow = np.stack([top, top + ARROW_SECONDS * item.velocity]).astype(np.float32)
    # Ids of neighbouring tracks are three apart.
    yield Marker(
        OBJECTS,
        first_id,
        CUBE,
        position=tuple(map(float, centre)),
        axes=item.axes,
        scale=tuple(map(float, size)),
        colour=(red, green, blue, 0.35),
        lifetime=lifetime,
    )
    yield Marker(
        OBJECTS,
        first_id + 1,
        ARROW,
        scale=(0.15, 0.4, 0.5),
        colour=(red, green, blue, 1.0),
        points=arrow,
        lifetime=lifetime,
    )
    yield Marker(
        OBJECTS,
        first_id + 2,
        TEXT_VIEW_FACING,
        position=tuple(map(float, top + 0.8 * up)),
        scale=(0.0, 0.0, 0.8),
        text=f'{item.speed:.1f} m/s',
        lifetime=lifetime,
    )
