"""How often a thing is done until its time is known, and what is told of the times."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np
import torch

from ..inference.device import synchronise

LONGEST = 3.0
"""Seconds after which a slow thing is repeated no more."""
_FEWEST = 2
_CPU = torch.device('cpu')


@dataclass(frozen=True)
class Timing:
    """Times of the same work, milliseconds, in the order in which they were taken."""

    ms: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, 'ms', tuple(map(float, self.ms)))

    @property
    def p50(self) -> float:
        return float(np.percentile(self.ms, 50))

    @property
    def p95(self) -> float:
        return float(np.percentile(self.ms, 95))

    @property
    def max(self) -> float:
        return max(self.ms)

    def as_dict(self) -> dict[str, float]:
        """For JSON, names as in ros2_benchmark."""
        return {
            'P50_LATENCY': self.p50,
            'P95_LATENCY': self.p95,
            'MAX_LATENCY': self.max,
            'MIN_LATENCY': min(self.ms),
            'MEAN_LATENCY': float(np.mean(self.ms)),
            'NUM_FRAMES': len(self.ms),
        }


def timed(work: Callable[[], Any], device: torch.device = _CPU, repeats: int = 15, warm_up: int = 2) -> Timing:
    """Times of `work()`, first uses apart; fewer `repeats` of what takes seconds."""
    begun, times = time.perf_counter(), list[float]()
    for turn in range(warm_up + repeats):
        slow = time.perf_counter() - begun > LONGEST
        if slow and len(times) >= _FEWEST:
            break
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        if turn >= warm_up or slow:
            times.append(1e3 * (time.perf_counter() - start))
    return Timing(times)
