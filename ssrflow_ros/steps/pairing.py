"""From a stream of sweeps to pairs: the newest sweep is the source, the one before it the target.

| what comes                                | what happens                                         |
|-------------------------------------------|------------------------------------------------------|
| first sweep                               | kept; there is nothing to pair it with               |
| empty sweep                               | dropped; the kept sweep stays                        |
| same stamp as the kept sweep              | dropped (a duplicate)                                |
| stamp up to `RESTART_AFTER` s back        | dropped (out of order)                               |
| stamp further back (bag loop, clock jump) | everything forgotten, a new start with this sweep    |
| stamp more than `max_gap` s ahead         | a new start with this sweep                          |
| the points of the kept sweep again        | dropped: the cloud was sent twice; but see below     |
| another frame_id                          | everything forgotten, a new start with this sweep    |
| anything else                             | SweepPair(source=this sweep, target=the kept sweep)  |

Two sweeps of a sensor are never the same to the last bit. Those of a simulated one may be, where nothing moves: until
the points have changed, or when they did not for `max_gap` s, the same points again are a pair like any other.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..settings import Settings
from ..sweep import Sweep, SweepPair

RESTART_AFTER = 1.0
"""Seconds: a stamp that lies further back than this means that time itself was set back."""

FIRST = 'first sweep'
EMPTY = 'empty cloud'
DUPLICATE = 'same stamp twice'
OUT_OF_ORDER = 'stamp older than the last'
TIME_RESTARTED = 'time restarted'
GAP = 'gap too long'
OTHER_FRAME = 'frame_id changed'
SAME_POINTS = 'same points again'

CURES = {
    FIRST: 'two are needed to see motion',
    EMPTY: 'see whether the sensor spins and is not covered',
    DUPLICATE: 'see that one driver publishes on the topic, and that it fills in header.stamp for each sweep',
    OUT_OF_ORDER: 'see that one driver publishes on the topic, and in order',
    TIME_RESTARTED: 'at the end of a loop that is right; else let one clock stamp the clouds',
    GAP: 'raise max_gap, or let the LiDAR send more often',
    OTHER_FRAME: 'pairs are made within one frame only: give each sensor a topic and a node of its own',
    SAME_POINTS: 'let each sweep be sent once: stop the republisher, or give the simulated sensor its own rate',
}
"""What to do where a reason comes often."""


class Pairing:
    """Keeps the last sweep and pairs the next one with it, as the table above says.

    drops   how often a sweep gave no pair, by reason; callers may add reasons of their own.
    reason  why the last `push` gave no pair, '' if it gave one.
    changing  whether the points are known to change from sweep to sweep; may be set by who knows.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self.drops: Counter[str] = Counter()
        self.reason = ''
        self.changing = False
        self._last: Sweep | None = None
        self._first_alike: Sweep | None = None  # of those up to the last one that have the same points

    def push(self, sweep: Sweep) -> SweepPair | None:
        """The pair that `sweep` completes: source = `sweep`, target = the one before it, so dt < 0."""
        last = self._last
        alike = last is not None and np.array_equal(sweep.points, last.points)
        self.reason = self._why_no_pair(sweep, alike)
        if self.reason:
            self.drops[self.reason] += 1
        if self.reason in (EMPTY, DUPLICATE, OUT_OF_ORDER, SAME_POINTS):
            return None
        self._last = sweep
        if self.reason:
            self.changing &= not (self.reason == GAP and alike)
            self._first_alike = sweep
            return None
        first = self._first_alike
        assert last is not None and first is not None  # the first sweep has a reason
        if not alike:
            # Only now is it known that the kept one may have been sent again.
            if not self.changing and (sweep.stamp_ns - first.stamp_ns) * 1e-9 <= self.settings.max_gap:
                last = first
            self.changing, self._first_alike = True, sweep
        return SweepPair(source=sweep, target=last)

    def reset(self) -> None:
        """Forget the kept sweep; the next one is a first one again. The counts stay."""
        self._last = None

    def _why_no_pair(self, sweep: Sweep, alike: bool) -> str:
        if len(sweep) == 0:
            return EMPTY
        if self._last is None:
            return FIRST
        if sweep.frame_id != self._last.frame_id:
            return OTHER_FRAME
        step = (sweep.stamp_ns - self._last.stamp_ns) * 1e-9
        if step == 0:
            return DUPLICATE
        if step < -RESTART_AFTER:
            return TIME_RESTARTED
        if step < 0:
            return OUT_OF_ORDER
        if step > self.settings.max_gap:
            return GAP
        if alike and self.changing:
            return SAME_POINTS
        return ''
