"""A stream that answers every pair in time: by the network where it is free, else from the objects' tracks. No ROS."""

from __future__ import annotations

import time

from ..scene_flow import SceneFlow
from ..steps.prepared import PreparedPair
from ..sweep import EgoMotion, FlowField, SweepPair

_WAIT = 0.25  # times the pair's dt that a pair may wait for the network
_NEWEST = 0.2  # share of the newest duration in what is expected of the next one


class PacedStream:
    """The two halves of a `Stream`, for two threads: one prepares the next pair while the other is at the last one.

    Where the second half is expected to be busy for long, the pair is answered without the network: what has a track is
    laid onto the sweep where it is expected. So a sensor that is quicker than the network gets each sweep answered, and
    what begins to move is found by the next sweep that the network sees. `fill_from_tracks: false` leaves that out.
    """

    def __init__(self, method: SceneFlow):
        self._method = method
        self._stream = method.stream()
        self._takes: dict[bool, float] = {}  # s, the second half, with the network and without
        self._free_at = 0.0  # time.monotonic() at which it is expected to be done

    def prepare(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """The first half, as of `Stream`; without samples where the network has no time."""
        observed = self._stream.observe(pair, ego_motion)
        waits = self._free_at - time.monotonic()
        if self._method.settings.fill_from_tracks and waits > _WAIT * abs(pair.dt):
            return observed
        return self._stream.sample(observed)

    def estimate(self, prepared: PreparedPair) -> FlowField:
        """The second half, as of `Stream`."""
        asked, begun = prepared.samples is not None, time.monotonic()
        self._free_at = begun + self._takes.get(asked, 0.0)
        try:
            return self._stream.estimate(prepared)
        finally:
            self._free_at = time.monotonic()
            took = self._free_at - begun
            self._takes[asked] = took + (1 - _NEWEST) * (self._takes.get(asked, took) - took)

    def reset(self) -> None:
        """Forget every sweep; the next pair is a first one."""
        self._stream.reset()
