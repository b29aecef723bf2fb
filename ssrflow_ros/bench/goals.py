"""The goals of performance, and the figures of older code to be told beside those of now."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping

_BEFORE = Path(__file__).with_name('before.json')


@dataclass(frozen=True)
class Goal:
    """A figure that is to be reached.

    key    its name in bench.json and in before.json.
    limit  at most so much is asked for; at least, where `at_least`.
    """

    key: str
    name: str
    limit: float
    unit: str
    digits: int = 0
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def told(self, figure: float) -> str:
        return f'{figure:.{self.digits}f} {self.unit}'


GOALS = (
    Goal('sweep_ms', 'a sweep, scan matching, default settings, p50', 120, 'ms'),
    Goal('sweeps_per_second', 'sweeps a second, overlapped', 12, '/s', digits=1, at_least=True),
    Goal('processor_ms', 'processor time a sweep without the network, one thread, p50', 50, 'ms'),
    Goal('resident_mb', 'resident memory of the node, most', 600, 'MB'),
    Goal('ready_s', 'start of the node to "ready"', 3, 's', digits=1),
)
"""On two cores, nothing else running. Those of the live node, and of minutes: `make demo`, `make soak`."""


@dataclass(frozen=True)
class Before:
    """What older code took: `python -m studies.before` writes it.

    figures  by `Goal.key`, those that are known.
    stages   p50 of each stage of a sweep, ms, with scan matching.
    points   network points that were its default.
    input    what was measured on; machine: and where.
    """

    commit: str
    machine: str
    input: str
    points: int
    figures: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)


def before(recorded: bool) -> Before:
    """Of a recording, or of the simulated street."""
    return Before(**json.loads(_BEFORE.read_text())['recording' if recorded else 'simulated'])
