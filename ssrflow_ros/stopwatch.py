"""Milliseconds of each step of one pass, in the order in which the data walked."""

from __future__ import annotations

import time
from contextlib import contextmanager
from types import MappingProxyType
from typing import Iterator, Mapping


class Stopwatch:
    """`with watch('ground'): ...` adds the time of the block to `watch.timings_ms['ground']`.

    before  what was timed of the pass already; it is not changed.
    """

    def __init__(self, before: Mapping[str, float] = MappingProxyType({})):
        self.timings_ms = dict(before)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = 1e3 * (time.perf_counter() - start)
            self.timings_ms[step] = self.timings_ms.get(step, 0.0) + spent
