"""Milliseconds of each step of one pass, in the order in which the data walked."""
from __future__ import annotations

import time
from contextlib import contextmanager


class Stopwatch:
    """`with watch('ground'): ...` adds the time of the block to `watch.timings_ms['ground']`."""

    def __init__(self):
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str):
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = 1e3 * (time.perf_counter() - start)
            self.timings_ms[step] = self.timings_ms.get(step, 0.0) + spent
