"""Tracks of the objects of flow fields, by the tracker of tracker.py in a frame that stands. No ROS.

A track keeps its number, and goes on by its velocity over sweeps in which its object is missed.
"""

from __future__ import annotations

from ..errors import InputError
from ..formats.object_cloud import moved, objects_of, rows_of
from ..steps.dead_reckoning import DeadReckoning
from ..sweep import FlowField, MovingObject
from ..transforms import invert


class FlowTracks:
    """Tracks over one stream's flows, newest sweep as source.

    InputError without filterpy.
    """

    def __init__(self) -> None:
        try:
            from .tracker import Tracker
        except ModuleNotFoundError as error:  # it comes neither with the package nor with ROS
            raise InputError(f'tracks need {error.name}: pip install {error.name}') from None
        self._tracker, self._reckoning, self._begins = Tracker(), DeadReckoning(), False

    def update(self, flow: FlowField) -> list[MovingObject]:
        """The tracks at the stamp and in the frame of the flow's source: of one without an object in it, where it is
        expected, with no points and `id` -1."""
        pose = self._reckoning(flow.pair, flow.ego_motion)
        if self._reckoning.begun or self._begins:
            self._tracker.tracks, self._begins = [], False
        self._tracker.update(flow.pair.source.stamp_ns, moved(rows_of(flow.objects), pose))
        tracks = rows_of([track.as_object() for track in self._tracker.tracks])
        return objects_of(moved(tracks, invert(pose)))

    def reset(self) -> None:
        """Forget every track with the next flow; numbers are not used again. May be called from any thread."""
        self._begins = True
