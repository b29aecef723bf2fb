"""Several LiDARs in one cloud: what they see together, each from its own place.

A place is free if one of them saw through it, and hidden if none of them could see it. From one origin that is none of
theirs, a wall behind a corner that only the other one looks behind would seem to have been seen through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..sweep import Sweep
from ..transforms import rigid
from .range_image import RangeImage, RayQuery


def range_image(sweep: Sweep) -> RangeImage:
    """What the sensors of a sweep saw."""
    return RangeImage(sweep.points) if sweep.sensors is None else MergedImage.of(sweep)


class MergedImage(RangeImage):
    """The range images of K sensors, each about its own origin (K, 3) m in the frame of their common cloud."""

    def __init__(self, images: Sequence[RangeImage], origins: np.ndarray):
        self._images, self._origins = list(images), origins
        self._sensor_from_asked = np.eye(4)

    @classmethod
    def of(cls, sweep: Sweep) -> 'MergedImage':
        """Of a sweep whose points know their sensors."""
        assert sweep.sensors is not None
        own = [sweep.points[sweep.sensors.of_point == number] - origin for number, origin in sweep.sensors.numbered()]
        return cls([RangeImage(points) for points in own], sweep.sensors.origins)

    def at(self, points: np.ndarray) -> 'MergedQuery':
        placed = [
            image.in_frame(rigid(np.eye(3), -origin) @ self._sensor_from_asked)
            for image, origin in zip(self._images, self._origins)
        ]
        return MergedQuery([image.at(points) for image in placed])


class MergedQuery(RayQuery):
    """The answers of several sensors about N points."""

    def __init__(self, queries: Sequence[RayQuery]):
        self._queries = list(queries)

    def take(self, rows: np.ndarray) -> 'MergedQuery':
        return MergedQuery([query.take(rows) for query in self._queries])

    def is_free(self, about: bool = False) -> np.ndarray:
        return self._any(lambda query: query.is_free(about))

    def is_at_return(self) -> np.ndarray:
        return self._any(lambda query: query.is_at_return())

    def is_known(self) -> np.ndarray:
        return self._any(lambda query: query.is_known())

    def is_hidden(self, by: float | None = None) -> np.ndarray:
        hidden = [query.is_hidden() if by is None else query.is_hidden(by) for query in self._queries]
        sees = [query.is_known() & ~its for query, its in zip(self._queries, hidden)]
        return np.any(hidden, axis=0) & ~np.any(sees, axis=0)

    def is_beside_occluder(self) -> np.ndarray:
        return self._any(lambda query: query.is_beside_occluder())

    def free_space_margin(self) -> np.ndarray:
        margins = np.stack([query.free_space_margin() for query in self._queries])
        known = np.stack([query.is_known() for query in self._queries])[..., None]
        most = np.where(known, margins, -np.inf).max(axis=0)
        return np.where(np.isfinite(most), most, 0).astype(np.float32)

    def _any(self, ask: Callable[[RayQuery], np.ndarray]) -> np.ndarray:
        return np.any([ask(query) for query in self._queries], axis=0)
