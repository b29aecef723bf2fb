"""A stream that answers every pair in time: by the network where it is free, else from the objects' tracks. No ROS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..steps.conditioning import MountingOf, unknown
from ..sweep import EgoMotion, FlowField, SweepPair

if TYPE_CHECKING:
    from ..scene_flow import SceneFlow
    from ..steps.own_body import OwnBody
    from ..steps.prepared import PreparedPair

_SOON = 1.3  # times the pair's dt after a sweep came, by which the network's answer is to be expected ...
_PATIENCE = 0.25  # ... and so many more for each pair that was answered from tracks meanwhile
_MOST = 4  # pairs in a row that are answered from tracks, however late they are
_NEWEST = 0.2  # share of the newest duration in what is expected of the next one


class Pacing:
    """Which pairs the network is asked about: those that it can answer soon. Times are s of one clock, any."""

    def __init__(self) -> None:
        self._takes: dict[bool, float] = {}  # s, the second half, with the network and without
        self._free_at = 0.0  # when it is expected to be done
        self.reset()

    def reset(self) -> None:
        """The next pair is a first one, which has no track to rest on."""
        self._from_tracks = _MOST  # pairs since the network was asked

    def asks(self, arrived: float, now: float, dt: float) -> bool:
        """Whether the network is asked about the pair whose newer sweep came at `arrived`, `dt` s after the older one,
        and of which all but the samples is prepared now."""
        answered = max(now, self._free_at) + self._takes.get(True, 0.0)
        late = answered - arrived > (_SOON + _PATIENCE * self._from_tracks) * abs(dt)
        asked = not late or self._from_tracks >= _MOST
        self._from_tracks = 0 if asked else self._from_tracks + 1
        return asked

    def begins(self, asked: bool, now: float) -> None:
        """The second half of a pair, with the network or without, begins."""
        self._begun, self._free_at = now, now + self._takes.get(asked, 0.0)

    def ends(self, asked: bool, now: float) -> None:
        """It is done."""
        self._free_at, took = now, now - self._begun
        self._takes[asked] = took + (1 - _NEWEST) * (self._takes.get(asked, took) - took)


class PacedStream:
    """The two halves of a `Stream`, for two threads: one prepares the next pair while the other is at the last one.

    Where the network would answer too late a pair is answered without: what has a track is laid onto the sweep where it
    is expected. So a sensor that is quicker than the network gets each sweep answered, soon, and what begins to move is
    found by the next sweep that the network sees. `fill_from_tracks: false` leaves that out.
    """

    def __init__(self, method: SceneFlow, mounting_of: MountingOf = unknown):
        self._method = method
        self._stream = method.stream(mounting_of)
        self._pacing = Pacing()

    def prepare(self, pair: SweepPair, ego_motion: EgoMotion | None, arrived: float) -> PreparedPair:
        """The first half, as of `Stream`, of a pair whose newer sweep came at `arrived`, s of time.monotonic(); without
        samples where the network has no time."""
        observed = self._stream.observe(pair, ego_motion)
        if self._method.settings.fill_from_tracks and not self._pacing.asks(arrived, time.monotonic(), pair.dt):
            return observed
        return self._stream.sample(observed)

    def estimate(self, prepared: PreparedPair) -> FlowField:
        """The second half, as of `Stream`."""
        asked = prepared.samples is not None
        self._pacing.begins(asked, time.monotonic())
        try:
            return self._stream.estimate(prepared)
        finally:
            self._pacing.ends(asked, time.monotonic())

    @property
    def own_body(self) -> OwnBody:
        """What is known of the robot itself."""
        return self._stream.own_body

    def reset(self) -> None:
        """Forget every sweep; the next pair is a first one."""
        self._stream.reset()
        self._pacing.reset()
