"""What the stamps of a stream tell: the sensor's period, how many sweeps are missing, how uneven they are. No ROS."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

PAUSE = 5.0
"""Seconds: a longer step is a pause or a clock that was set, and tells nothing of the rhythm."""
UNEVEN = 0.1
"""Share of the period by which the steps may be off, half of them."""
_ALIKE = 0.1  # steps that differ by less than this share are taken as equal
_MOST_MULTIPLE = 20  # of the shortest step, that half of the steps may be: beyond, it was a hiccup


class Rhythm(NamedTuple):
    """period s; missing: sweeps; unevenness: of half of the steps, the share of the period by which they are off."""

    period: float
    missing: int
    unevenness: float

    @property
    def complaint(self) -> str:
        """Cause and cure if the stamps are uneven, else ''."""
        if self.unevenness < UNEVEN:
            return ''
        return (
            f'stamps are uneven: half of the steps are {1e3 * self.unevenness * self.period:.0f} ms or more off '
            f"the sensor's {1e3 * self.period:.0f} ms, and velocities err by that share: let the driver stamp "
            'with the clock of the sensor (PTP), not at arrival'
        )


def forward_steps(stamps_ns: Sequence[int]) -> np.ndarray:
    """(n,) s, from stamp to stamp where time goes on without a pause; a stamp of 0 is none."""
    stamps = np.array([stamp for stamp in stamps_ns if stamp], np.int64)
    steps = np.diff(stamps) * 1e-9
    return steps[(steps > 0) & (steps <= PAUSE)]


def rhythm(steps: np.ndarray) -> Rhythm | None:
    """Of `forward_steps`; None if there is none.

    Missing sweeps leave steps that are multiples of the shortest ones. Steps that are no such multiples, or take turns,
    are of stamps that come too late and too early: a long one is made up for by a short one beside it.
    """
    if not len(steps):
        return None
    doubles = steps[1:] + steps[:-1]
    take_turns = len(doubles) and np.mean(np.abs(doubles - np.median(doubles)) < _ALIKE * np.median(doubles)) > 0.9
    shortest = _shortest(steps)
    multiples = np.maximum(np.round(steps / shortest), 1)
    if not (take_turns and np.median(np.abs(steps - np.median(doubles) / 2)) > UNEVEN * np.median(doubles) / 2):
        off = np.abs(steps / shortest - multiples)
        if np.median(off) < UNEVEN and np.median(multiples) < _MOST_MULTIPLE:
            return Rhythm(shortest, int(np.sum(multiples - 1)), float(np.median(off)))
    period = float(np.median(doubles) / 2 if len(doubles) else steps[0])
    excess = np.pad(steps / period - 1, 1)
    made_up = np.minimum(excess[:-2], 0) + np.minimum(excess[2:], 0)
    missing = np.sum(np.maximum(np.round(excess[1:-1] + made_up), 0))
    return Rhythm(period, int(missing), float(np.median(np.abs(excess[1:-1]))))


def _shortest(steps: np.ndarray) -> float:
    """s, what the shortest steps have in common."""
    low = np.percentile(steps, 10) if len(steps) >= 20 else np.min(steps)
    return float(np.median(steps[steps <= (1 + 3 * _ALIKE) * low]))
