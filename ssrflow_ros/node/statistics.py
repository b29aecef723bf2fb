"""What the node counts and times about itself, for the diagnostics. No ROS."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque

import numpy as np

from ..errors import CAUSES, kind_of

REPLACED = 'replaced by a newer sweep'
UNHEARD = 'nobody listens'
DISABLED = 'disabled'
STOPPED = 'stopped'
OUT_OF_MEMORY = 'out of device memory'
DOUBTFUL = 'doubtful ego-motion'
"""Why the node drops a cloud, or doubts its answer; the reasons of pairing are in steps/pairing.py."""
BY_NETWORK, FROM_TRACKS = 'by_network', 'from_tracks'
"""What the answers rest on, counted as 'in' and 'out' are."""
WINDOW = 5.0
"""Seconds over which rates are taken."""
SAMPLES = 200
"""Newest timings of which the percentiles are taken."""
WARN_EVERY = 5.0
"""Seconds between two log lines with the same reason and cause."""


class Statistics:
    """Counts and timings; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._events: dict[str, deque[float]] = defaultdict(deque)
        self._timings: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=SAMPLES))
        self._counts: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._told: dict[str, tuple[float, set[str]]] = {}  # of each reason since when which causes
        self._stamps: deque[int] = deque(maxlen=SAMPLES)
        self.last_dt = float('nan')

    def count(self, event: str) -> None:
        """Count one more `event`, of which `rate` tells how many come per second."""
        with self._lock:
            self._counts[event] += 1
            self._events[event].append(time.monotonic())
            self._forget_old(event)

    def rate(self, event: str) -> float:
        """Events per second over the last seconds."""
        with self._lock:
            self._forget_old(event)
            return len(self._events[event]) / min(WINDOW, max(1.0, time.monotonic() - self._begun))

    def counted(self, event: str) -> int:
        """How many events there have been."""
        with self._lock:
            return self._counts[event]

    def stamp(self, stamp_ns: int) -> None:
        """Note the stamp of the next cloud."""
        with self._lock:
            self._stamps.append(stamp_ns)

    def stamps(self) -> list[int]:
        """Those of the newest clouds, ns."""
        with self._lock:
            return list(self._stamps)

    def drop(self, reason: str, cause: object = '') -> bool:
        """Count a cloud that gave no flow; whether it is time to log this reason and cause (again)."""
        with self._lock:
            self._drops[reason] += 1
        return self.is_due(reason, cause)

    def is_due(self, reason: str, cause: object = '') -> bool:
        """Whether it is time to log this reason (again): a further cause, which needs another cure, is told at once."""
        now, kind = time.monotonic(), kind_of(cause)
        with self._lock:
            since, told = self._told.get(reason, (-WARN_EVERY, set()))
            if now - since >= WARN_EVERY:
                self._told[reason] = now, {kind}
                return True
            if kind in told or len(told) >= CAUSES:
                return False
            told.add(kind)
            return True

    def drops(self) -> dict[str, int]:
        """How many clouds gave no flow, by reason."""
        with self._lock:
            return dict(self._drops)

    def time(self, **milliseconds: float) -> None:
        """Note how long each step took."""
        with self._lock:
            for step, value in milliseconds.items():
                self._timings[step].append(value)

    def percentiles(self) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile of each step, milliseconds."""
        with self._lock:
            return {step: tuple(np.percentile(values, (50, 95))) for step, values in self._timings.items()}

    def _forget_old(self, event: str) -> None:
        times = self._events[event]
        while times and times[0] < time.monotonic() - WINDOW:
            times.popleft()
