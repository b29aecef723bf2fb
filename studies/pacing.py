"""Which pairs the network should be asked about: `python -m studies.pacing [--cores 2] [--rate 10] [--slower 1.0]`.

Plays the node's three threads, and what else a sweep costs the machine, on a few cores that they share, with durations
that vary, and says for the rule of `Pacing` with other constants what share of the sweeps the network gets and how late
answers are, and how many sweeps a second the same threads could do, all by the network. The durations are of the demo
on two virtual cores of an EPYC. It gives back what was measured there but for a share that is too small: 8.1 sweeps/s,
and with the rule as it is .39 by the network, p50 152 ms, p95 234.

`--three`: objects are found by the third thread, which publishes, too, and the network's is free for the next sweep;
`--older-first`: what an older sweep needs goes before what a newer one needs, in place of equal shares; with both the
sweeps a second are those of `prefetch`, which begins to prepare when the objects of a sweep have been found. What share
and latency are worth: `python -m studies.live_error`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from ssrflow_ros.node import paced_stream
from ssrflow_ros.node.paced_stream import Pacing

_PREPARE, _SAMPLE, _NETWORK, _OBJECTS, _PUBLISH, _OTHERS = 0.030, 0.012, 0.095, 0.028, 0.012, 0.035
"""s of one core by itself; the others: player, recorder, and the messages' ways."""
_BESIDE = 0.12  # slower, with each other core that is busy
_HELPED = 1.2  # times as quick are network and sampling where a core is left for a helper
_VARIES = 0.15  # spread of the durations' logarithm
_STEP = 0.001  # s
_SWEEPS = 400


@dataclass
class _Work:
    """A sweep in a thread's hand, and what is left to do about it there, s of one core."""

    sweep: int
    left: float
    asked: bool = False
    shared: bool = False  # with helpers


@dataclass(frozen=True)
class Machine:
    """Cores, and how the threads share them; a crowd of so many other processes never rests."""

    cores: int = 2
    slower: float = 1.0
    three: bool = False
    older_first: bool = False
    crowd: int = 0

    def advance(self, works: list[_Work], others: list[_Work]) -> None:
        """One step: `works` are those of the node, the oldest sweep's first."""
        wanted = len(works) + bool(others) + self.crowd
        left = self.cores * (1 - self.crowd / max(wanted, self.cores))
        for work in [*others[:1], *works]:
            share = min(1.0, left if self.older_first else self.cores / wanted)
            left -= share
            if work.shared and wanted < self.cores:
                share *= _HELPED
            work.left -= _STEP * share / (1 + _BESIDE * (min(wanted, self.cores) - 1))


def play(machine: Machine, period: float) -> tuple[float, float, float, float, float]:
    """Shares of the sweeps that are the network's and that are dropped, p50 and p95 of the latency, s, and sweeps a
    second; period 0: each comes when there is room for it, and all are the network's."""
    rng, pacing = np.random.default_rng(0), Pacing()

    def takes(seconds: float) -> float:
        return machine.slower * seconds * float(np.exp(rng.normal(0, _VARIES)))

    now, came, done, dropped = 0.0, 0, dict[int, tuple[bool, float]](), 0
    newest: int | None = None
    first: _Work | None = None
    second: _Work | None = None
    third: _Work | None = None
    handed: list[_Work | None] = [None, None]  # to the second, to the third
    others = list[_Work]()
    objects_of_second, of_third = (0.0, _OBJECTS + _PUBLISH) if machine.three else (_OBJECTS, _PUBLISH)
    while len(done) + dropped < _SWEEPS:
        if came < _SWEEPS and (came * period <= now if period else newest is None):
            if period:
                others.append(_Work(came, takes(_OTHERS)))
            dropped += newest is not None
            newest, came = came, came + 1
        if first is None and handed[0] is None and newest is not None:
            first, newest = _Work(newest, takes(_PREPARE)), None
        if second is None and handed[1] is None and handed[0] is not None:
            second, handed[0] = handed[0], None
            second.left = takes(objects_of_second + (_NETWORK if second.asked else 0.0))
            second.shared = second.asked
            pacing.begins(second.asked, now)
        if third is None and handed[1] is not None:
            third, handed[1] = handed[1], None
            third.left, third.shared = takes(of_third), False
        machine.advance([work for work in (third, second, first) if work is not None], others)
        now += _STEP
        others = [work for work in others if work.left > 0]
        if third is not None and third.left <= 0:
            done[third.sweep], third = (third.asked, now - third.sweep * period), None
        if second is not None and second.left <= 0:
            pacing.ends(second.asked, now)
            handed[1], second = second, None
        if first is not None and first.left <= 0:
            if not first.shared and (not period or pacing.asks(first.sweep * period, now, period)):
                first = _Work(first.sweep, takes(_SAMPLE), asked=True, shared=True)
            else:
                handed[0], first = first, None
    asked, latency = zip(*done.values())
    middle, high = np.percentile(latency, (50, 95)).tolist()
    return float(np.mean(asked)), dropped / _SWEEPS, middle, high, len(done) / now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cores', type=int, default=2)
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ')
    parser.add_argument(
        '--slower', type=float, default=1.0, metavar='TIMES', help='a machine that takes so much longer'
    )
    parser.add_argument('--three', action='store_true')
    parser.add_argument('--older-first', action='store_true')
    parser.add_argument('--crowd', type=int, default=0, metavar='N', help='so many other processes that never rest')
    args = parser.parse_args()
    machine = Machine(args.cores, args.slower, args.three, args.older_first, args.crowd)
    print(f'as fast as it goes: {play(machine, 0.0)[-1]:.1f} sweeps/s')
    print(f'{"soon":>6}{"patience":>10}{"by network":>12}{"dropped":>9}{"p50, ms":>9}{"p95, ms":>9}')
    for soon in (1.1, 1.2, 1.3, 1.4, 1.5, 1.6):
        for patience in (0.0, 0.15, 0.25, 0.35):
            paced_stream._SOON, paced_stream._PATIENCE = soon, patience
            share, dropped, middle, high, _ = play(machine, 1 / args.rate)
            print(f'{soon:6}{patience:10}{share:12.2f}{dropped:9.2f}{1e3 * middle:9.0f}{1e3 * high:9.0f}')


if __name__ == '__main__':
    main()
