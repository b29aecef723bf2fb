"""What was sent, what came back, and whether the sums match."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Iterator

import numpy as np

from ssrflow_ros.bench.goals import GOALS, Goal

CALM = Goal('p95_ms', '10 Hz and no disturbance: p95', 250, 'ms')
CALM_PHASE = 'steady_10_hz'
RESIDENT = next(goal for goal in GOALS if goal.key == 'resident_mb')
GROWTH_MB = 100.0
"""By so much the node's memory may grow after its first minute."""
FLAT = 0.05
"""Share by which memory may grow once it is warm, over the phases and over the rounds of the lifecycle."""


@dataclass
class Sent:
    """latency_ms: cloud sent to flow heard."""

    sent: int = 0
    latency_ms: list[float] = field(default_factory=list)

    def row(self) -> str:
        p50, p95, most = np.percentile(self.latency_ms, (50, 95, 100)) if self.latency_ms else [np.nan] * 3
        return f'{self.sent:6} {len(self.latency_ms):6} {p50:8.0f} {p95:8.0f} {most:8.0f}'


@dataclass
class Minute(Sent):
    """memory_mb: resident memory of the node."""

    memory_mb: list[float] = field(default_factory=list)

    def row(self) -> str:
        return f'{super().row()} {np.mean(self.memory_mb or [np.nan]):8.0f}'


class Account:
    """Filled from any thread."""

    def __init__(self):
        self.begun = time.monotonic()
        self.minutes: list[Minute] = []
        self.phase = ''  # the one that runs
        self.phases: defaultdict[str, Sent] = defaultdict(Sent)  # whatever minute they ran in
        self.while_inactive = 0
        self.sent = 0
        self.done: Counter[str] = Counter()
        self.node: dict[str, str] = {}
        self.phases_mb: list[float] = []  # memory, once a second, while the phases ran
        self.rounds_mb: list[float] = []  # and at the end of each round of the lifecycle
        self._sent_at: dict[int, tuple[float, Sent]] = {}
        self._lock = threading.Lock()

    def minute(self) -> Minute:
        """The one that runs."""
        number = int((time.monotonic() - self.begun) / 60)
        while len(self.minutes) <= number:
            self.minutes.append(Minute())
        return self.minutes[number]

    def send(self, stamp_ns: int, active: bool) -> None:
        with self._lock:
            self.minute().sent += 1
            self.phases[self.phase].sent += 1
            self.sent += 1
            self.while_inactive += not active
            self._sent_at[stamp_ns] = time.monotonic(), self.phases[self.phase]

    def hear(self, stamp_ns: int) -> None:
        with self._lock:
            sent = self._sent_at.get(stamp_ns)
            if sent is not None:
                latency_ms = 1e3 * (time.monotonic() - sent[0])
                self.minute().latency_ms.append(latency_ms)
                sent[1].latency_ms.append(latency_ms)

    @property
    def drops(self) -> dict[str, int]:
        """Of the node, by reason."""
        return {key[6:]: int(value) for key, value in self.node.items() if key.startswith('drops/')}

    @property
    def open(self) -> int:
        """Clouds that came into the node and were neither published nor dropped."""
        return int(self.node['clouds_in']) - int(self.node['clouds_out']) - sum(self.drops.values())

    @property
    def lost(self) -> int:
        """Clouds that never came into the node, though it was active."""
        return self.sent - self.while_inactive - int(self.node['clouds_in'])

    def faults(self) -> list[str]:
        """What must not be; empty if all is well."""
        memory = [minute.memory_mb for minute in self.minutes if minute.memory_mb]
        growth = memory[-1][-1] - memory[0][-1]
        medians = [np.median(minute.latency_ms) for minute in self.minutes if len(minute.latency_ms) >= 10]
        return [
            text
            for fault, text in (
                (self.open != 0, f'{self.open} clouds are neither published nor dropped'),
                (self.lost < 0, f'{-self.lost} clouds more came in than were sent'),
                (self.lost > 0, f'{self.lost} of {self.sent} clouds were lost on their way to the node'),
                (growth > GROWTH_MB, f'memory grew by {growth:.0f} MB after the first minute'),
                (rise(self.phases_mb) > FLAT, f'memory rose by {rise(self.phases_mb):.1%} once it was warm'),
                (rise(self.rounds_mb) > FLAT, f'memory rose by {rise(self.rounds_mb):.1%} over the lifecycle rounds'),
                (not medians, 'hardly a cloud was answered'),
                (medians and medians[-1] > 3 * medians[0], 'latency grows with time: there is a backlog'),
            )
            if fault
        ]

    def report(self) -> str:
        """Tables and verdict."""
        lines = ['minute   sent    out  p50 ms   p95 ms   max ms   RSS MB']
        lines += [f'{number:6} {minute.row()}' for number, minute in enumerate(self.minutes, 1)]
        lines += ['', 'phase                        sent    out  p50 ms   p95 ms   max ms']
        lines += [f'{name.replace("_", " "):26} {phase.row()}' for name, phase in self.phases.items()]
        lines += ['', *self._goals()]
        lines += [
            '',
            'done: ' + ', '.join(f'{count} x {what}' for what, count in sorted(self.done.items())),
            '',
            f'sent                     {self.sent:7}',
            f'  while inactive         {self.while_inactive:7}',
            f'  lost before the node   {self.lost:7}',
            f'  came in                {int(self.node["clouds_in"]):7}',
            f'    published            {int(self.node["clouds_out"]):7}',
        ]
        lines += [f'    {reason[:20]:20} {count:7}' for reason, count in sorted(self.drops.items())]
        lines += [f'    not accounted for    {self.open:7}', '']
        steps = sorted(key[:-7] for key in self.node if key.endswith('_ms_p50'))
        lines += ['step, last 200: p50 and p95, ms']
        lines += [f'  {step:18} {self.node[step + "_ms_p50"]:>8} {self.node[step + "_ms_p95"]:>8}' for step in steps]
        memory = [minute.memory_mb[-1] for minute in self.minutes if minute.memory_mb]
        lines += ['', f'RSS at minute 1: {memory[0]:.0f} MB, at the end: {memory[-1]:.0f} MB']
        lines += [
            f'once warm it rose by {rise(self.phases_mb):.1%}, over the rounds by {rise(self.rounds_mb):.1%}: '
            + ' '.join(f'{mb:.0f}' for mb in self.rounds_mb)
        ]
        return '\n'.join(lines)

    def _goals(self) -> Iterator[str]:
        """Each goal and the figure of this soak, and the sum of the books."""
        calm = self.phases[CALM_PHASE].latency_ms
        for goal, figure in (
            (CALM, float(np.percentile(calm, 95)) if calm else np.nan),
            (RESIDENT, max((mb for minute in self.minutes for mb in minute.memory_mb), default=np.nan)),
        ):
            met = 'met' if goal.is_met(figure) else 'missed'
            yield f'{goal.name}: {goal.told(figure)}, goal {goal.told(goal.limit)}: {met}'
        rise_mb, allocator = slope(self.phases_mb), self.node['allocator']
        yield f'memory once warm: {rise_mb:+.1f} MB a minute, goal: flat (allocator: {allocator})'
        dropped = sum(self.drops.values())
        yield (
            f'books: {self.sent} sent = {self.while_inactive} while inactive + {self.lost} lost + '
            f'{self.node["clouds_out"]} answered + {dropped} dropped + {self.open} not accounted for'
        )


def slope(values: list[float]) -> float:
    """How `values`, one a second, rise in a minute: the line through the last three quarters."""
    values = values[len(values) // 4 :]
    return 60 * float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else 0.0


def rise(values: list[float]) -> float:
    """Share by which the median of the last quarter lies above that of the second; in the first all gets warm."""
    if len(values) < 8:
        return 0.0
    _, second, _, last = np.array_split(values, 4)
    return float(np.median(last) / np.median(second)) - 1
