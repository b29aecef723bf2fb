"""Several LiDARs in one cloud: what they see together, each from its own place.

A place is free if one of them saw through it, and hidden if none of them could see it. From one origin that is none of
theirs, a wall behind a corner that only the other one looks behind would seem to have been seen through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from ..sweep import Sweep
from ..transforms import rigid
from .beams import LEVEL, Beams
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


def beams_of(sweep: Sweep, level: np.ndarray = LEVEL) -> Beams:
    """The beams of the sensors of a sweep; `level` as of `Beams`."""
    return Beams(sweep.points, level) if sweep.sensors is None else MergedBeams.of(sweep, level)


class MergedBeams(Beams):
    """The beams of K sensors, each about its own origin, (K, 3) m in their axes; of_point (N,) as of `Sensors`.

    A return is judged by the beams of its own sensor, a group by those of the sensor that most of its points are of.
    """

    def __init__(self, beams: Sequence[Beams], origins: np.ndarray, of_point: np.ndarray, level: np.ndarray):
        self._beams, self._origins, self._of_point, self._level = list(beams), origins, of_point, level

    @classmethod
    def of(cls, sweep: Sweep, level: np.ndarray) -> 'MergedBeams':
        """Of a sweep whose points know their sensors."""
        assert sweep.sensors is not None
        of_point, numbered = sweep.sensors.of_point, sweep.sensors.numbered()
        beams = [Beams(sweep.points[of_point == number] - origin, level) for number, origin in numbered]
        return cls(beams, sweep.sensors.origins @ level, of_point, level)

    def only(self, rows: np.ndarray, level: np.ndarray | None = None) -> 'MergedBeams':
        of_point, places = self._of_point[rows], self._places[rows]
        beams = [one.only(places[of_point == number], level) for number, one in enumerate(self._beams)]
        return MergedBeams(beams, self._origins, of_point, self._level if level is None else level)

    def have_company(self, fewest: int, share: float) -> np.ndarray:
        return self._of_each(lambda beams: beams.have_company(fewest, share))

    def are_past_another(self) -> np.ndarray:
        return self._of_each(lambda beams: beams.are_past_another())

    def are_alone(self) -> np.ndarray:
        return self._of_each(lambda beams: beams.are_alone())

    def are_filled(self, rows: np.ndarray, counts: np.ndarray, least: float) -> np.ndarray:
        group, of_point, places = np.repeat(np.arange(len(counts)), counts), self._of_point[rows], self._places[rows]
        own = np.zeros((len(counts), len(self._beams)), np.int64)  # points of each group, by sensor
        np.add.at(own, (group, of_point), 1)
        judge, told = own.argmax(axis=1), np.zeros(len(counts), bool)
        for number, beams in enumerate(self._beams):
            its = judge == number
            told[its] = beams.are_filled(places[its[group] & (of_point == number)], own[its, number], least)
        return told

    def passing(self, points: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        places = (points - (self._level @ origin).astype(np.float32) for origin in self._origins)
        return [found for beams, own in zip(self._beams, places) for found in beams.passing(own)]

    def _of_each(self, ask: Callable[[Beams], np.ndarray]) -> np.ndarray:
        """(N,) bool, of each point by its own sensor."""
        told = np.zeros(len(self._of_point), bool)
        for number, beams in enumerate(self._beams):
            told[self._of_point == number] = ask(beams)
        return told

    @cached_property
    def _places(self) -> np.ndarray:
        """(N,) of each point among those of its sensor."""
        places = np.empty(len(self._of_point), np.int64)
        for number in range(len(self._beams)):
            own = np.flatnonzero(self._of_point == number)
            places[own] = np.arange(len(own))
        return places


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
