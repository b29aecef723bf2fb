"""Which pairs the network should be asked about: `python -m studies.pacing [--cores 2] [--rate 10] [--slower 1.0]`.

Plays the node's three threads, and what else a sweep costs the machine, on a few cores that they share, with durations
that vary, and says for the rule of `Pacing` with other constants what share of the sweeps the network gets and how late
answers are. The durations are of the demo on two virtual cores of a Xeon, and give back what was measured there, within
10 ms: with a rule that asked whenever nothing had to be waited for 46 % by the network, p50 170 ms, p95 243 ms
(measured: 38 of 98, 170, 245). What share and latency are worth: `python -m studies.live_error`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from ssrflow_ros.node import paced_stream
from ssrflow_ros.node.paced_stream import Pacing

_PREPARE, _SAMPLE, _NETWORK, _FROM_TRACKS, _PUBLISH, _OTHERS = 0.038, 0.018, 0.095, 0.020, 0.012, 0.022
"""s of one core by itself; the others: player, recorder, and the messages' ways."""
_LOCK = 0.25  # slower, with each thread beside it that needs Python now and then
_VARIES = 0.12  # spread of the durations' logarithm
_STEP = 0.001  # s
_SWEEPS = 400


@dataclass
class _Work:
    sweep: int
    left: float  # s of one core
    asked: bool = False
    sampled: bool = False


def play(cores: int, period: float, slower: float) -> tuple[float, float, float, float]:
    """Shares of the sweeps that are the network's and that are dropped, p50 and p95 of the latency, s."""
    rng, pacing = np.random.default_rng(0), Pacing()

    def takes(seconds: float) -> float:
        return slower * seconds * float(np.exp(rng.normal(0, _VARIES)))

    now, came, done, dropped = 0.0, 0, dict[int, tuple[bool, float]](), 0
    newest: int | None = None
    first: _Work | None = None
    second: _Work | None = None
    handed: tuple[int, bool] | None = None
    third, others = list[_Work](), list[_Work]()
    while len(done) + dropped < _SWEEPS:
        if came < _SWEEPS and came * period <= now:
            others.append(_Work(came, takes(_OTHERS)))
            dropped += newest is not None
            newest, came = came, came + 1
        if first is None and handed is None and newest is not None:
            first, newest = _Work(newest, takes(_PREPARE)), None
        if second is None and handed is not None:
            second = _Work(handed[0], takes(_NETWORK if handed[1] else _FROM_TRACKS), handed[1])
            pacing.begins(second.asked, now)
            handed = None
        ours = [work for work in (first, second, *third[:1]) if work is not None]
        share = min(1.0, cores / max(len(ours) + bool(others), 1))
        for work in ours:
            work.left -= _STEP * share / (1 + _LOCK * (len(ours) - 1))
        for work in others[:1]:
            work.left -= _STEP * share
        now += _STEP
        others = [work for work in others if work.left > 0]
        if third and third[0].left <= 0:
            work = third.pop(0)
            done[work.sweep] = work.asked, now - work.sweep * period
        if first is not None and first.left <= 0:
            if not first.sampled and pacing.asks(first.sweep * period, now, period):
                first = _Work(first.sweep, takes(_SAMPLE), sampled=True)
            else:
                handed, first = (first.sweep, first.sampled), None
        if second is not None and second.left <= 0:
            pacing.ends(second.asked, now)
            third.append(_Work(second.sweep, takes(_PUBLISH), second.asked))
            second = None
    asked, latency = zip(*done.values())
    return float(np.mean(asked)), dropped / _SWEEPS, *np.percentile(latency, (50, 95)).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cores', type=int, default=2)
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ')
    parser.add_argument(
        '--slower', type=float, default=1.0, metavar='TIMES', help='a machine that takes so much longer'
    )
    args = parser.parse_args()
    print(f'{"soon":>6}{"patience":>10}{"by network":>12}{"dropped":>9}{"p50, ms":>9}{"p95, ms":>9}')
    for soon in (1.2, 1.3, 1.4, 1.5, 1.6, 1.8):
        for patience in (0.0, 0.2, 0.3, 0.4):
            paced_stream._SOON, paced_stream._PATIENCE = soon, patience
            share, dropped, middle, high = play(args.cores, 1 / args.rate, args.slower)
            print(f'{soon:6}{patience:10}{share:12.2f}{dropped:9.2f}{1e3 * middle:9.0f}{1e3 * high:9.0f}')


if __name__ == '__main__':
    main()
