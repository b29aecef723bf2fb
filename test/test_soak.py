"""The soak's own sums, and a short soak of the node around a stand-in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from soak.account import Account  # noqa: E402

TEST = Path(__file__).resolve().parent


def books(came_in=10, out=4, replaced=5, malformed=1):
    """An account of ten clouds and one minute."""
    account = Account()
    for stamp_ns in range(10):
        account.send(stamp_ns, active=True)
        for _ in range(3):
            account.hear(stamp_ns)
    account.minutes[0].memory_mb = [100.0, 110.0]
    account.node = {
        'allocator': 'jemalloc',
        'clouds_in': str(came_in),
        'clouds_out': str(out),
        'drops/replaced': str(replaced),
        'drops/malformed': str(malformed),
        'total_ms_p50': '1',
        'total_ms_p95': '2',
    }
    return account


def test_sums_that_match():
    account = books()
    assert account.open == account.lost == 0 and not account.faults()
    assert 'not accounted for          0' in account.report() and 'minute 1: 110 MB' in account.report()


@pytest.mark.parametrize(
    'changes, fault',
    [
        ({'malformed': 0}, '1 clouds are neither published nor dropped'),
        ({'out': 5}, '-1 clouds are neither'),
        ({'came_in': 9, 'out': 3}, '1 of 10 clouds were lost'),
        ({'came_in': 11, 'out': 5}, '1 clouds more came in'),
    ],
)
def test_sums_that_do_not_match_are_a_fault(changes, fault):
    assert fault in ' '.join(books(**changes).faults())


def test_latencies_stand_by_phase_beside_the_goals():
    account = books()
    account.phases_mb = [500.0] * 60 + [500 + second / 60 for second in range(180)]
    for phase, count in (('steady_10_hz', 20), ('steady_20_hz', 30)):
        account.phase = phase
        for stamp_ns in range(count):
            account.send(1000 * count + stamp_ns, active=True)
            account.hear(1000 * count + stamp_ns)
    account.phase = 'bag_loops'
    account.hear(20_000)  # late, but of the phase in which it was sent
    assert [(phase.sent, len(phase.latency_ms)) for phase in account.phases.values()][1:] == [(20, 21), (30, 30)]
    account.phases['steady_10_hz'].latency_ms[:] = [100.0] * 18 + [300.0] * 2
    report = account.report()
    assert '10 Hz and no disturbance: p95: 300 ms, goal 250 ms: missed' in report
    assert 'most: 110 MB, goal 600 MB: met' in report and '+1.0 MB a minute' in report
    assert 'books: 60 sent = 0 while inactive + 50 lost + 4 answered + 6 dropped + 0 not accounted for' in report


def test_growth_and_backlog_are_faults():
    account = books()
    account.minutes[0].memory_mb.append(300.0)
    account.minutes.append(type(account.minutes[0])(20, [1e6] * 20, [500.0]))
    assert len(account.faults()) == 2


def test_memory_must_be_flat_once_it_is_warm():
    account = books()
    warm = [60.0] * 10 + [100.0] * 20
    account.phases_mb, account.rounds_mb = warm + [104.0] * 10, warm + [104.0] * 10
    assert not account.faults() and 'once warm it rose by 4.0%, over the rounds by 4.0%' in account.report()
    account.phases_mb = warm + [106.0] * 10
    assert account.faults() == ['memory rose by 6.0% once it was warm']
    account.rounds_mb = warm + [107.0] * 10
    assert account.faults()[1] == 'memory rose by 7.0% over the lifecycle rounds'


@pytest.mark.slow
def test_short_soak_of_a_stand_in(tmp_path):
    command = [
        sys.executable,
        '-m',
        'soak',
        '--minutes',
        '0.5',
        '--points',
        '2000',
        '--rounds',
        '2',
        '--log',
        str(tmp_path / 'log'),
        sys.executable,
        str(TEST / 'stand_in_node.py'),
    ]
    path = os.pathsep.join([str(TEST.parent), str(TEST)])
    done = subprocess.run(command, env={**os.environ, 'PYTHONPATH': path}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'passed' in done.stdout
