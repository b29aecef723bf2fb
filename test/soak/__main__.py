"""Run the soak; exit code 0 only if every cloud is accounted for and nothing grows.

PYTHONPATH=test python -m soak --minutes 10
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ssrflow_ros.node.domain import private_network
from ssrflow_ros.node.memory import host_mb

NODE = [sys.executable, '-m', 'ssrflow_ros.node.flow_node']
CALM = 4.0
"""Seconds without a change in the node's books after which they are closed."""


def main() -> int:
    """Start the node, disturb it for the time given, stop it, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=10.0)
    parser.add_argument('--points', type=int, default=120_000, help='of each cloud')
    parser.add_argument('--rounds', type=int, default=20, help='deactivate and activate so often at the end')
    parser.add_argument('--log', default=str(Path(tempfile.gettempdir()) / 'ssrflow_soak.log'), help='of the node')
    parser.add_argument('node', nargs='*', default=NODE, help='command of the node (default: the real one)')
    args = parser.parse_args()
    with private_network() as network:
        os.environ.update(network)
        return _soak(args)


def _soak(args: argparse.Namespace) -> int:
    from .account import Account
    from .clouds import sweeps
    from .driver import EXACT

    print(f'making clouds of {args.points} points ...', flush=True)
    clouds = sweeps(points=args.points)
    account = Account()
    with open(args.log, 'w') as log:
        process = subprocess.Popen([*args.node, *EXACT], stdout=log, stderr=subprocess.STDOUT)
    try:
        _run(process, account, clouds, args)
        process.terminate()
        ended = process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
    print(account.report())
    faults = account.faults()
    if ended or 'Traceback' in Path(args.log).read_text():
        faults.append(f'the node ended with code {ended} or a traceback: see {args.log}')
    print('\n'.join(f'FAILED: {fault}' for fault in faults) or 'passed: every cloud is accounted for')
    return 1 if faults else 0


def _run(process: subprocess.Popen, account, clouds: list[bytes], args: argparse.Namespace) -> None:
    from .driver import Driver
    from .phases import PHASES, Play, rounds, run_phase

    def check() -> None:
        if process.poll() is not None:
            raise SystemExit(f'the node ended with code {process.returncode}: see {args.log}')

    with Driver(account) as driver:
        while not driver.connected():
            check()
            time.sleep(0.1)
        driver.listen('flow')
        time.sleep(2.0)
        account.begun = time.monotonic()
        threading.Thread(target=_watch, args=(process, account), daemon=True).start()
        play = Play(driver, clouds, check)
        # Every phase comes in every run, and for long enough to matter.
        seconds = min(20.0, 60.0 * args.minutes / len(PHASES))
        for phase in itertools.cycle(PHASES):
            left = 60.0 * args.minutes - (time.monotonic() - account.begun)
            if left < 1.0:
                break
            print(f'{(time.monotonic() - account.begun) / 60:5.1f} min  {phase.__name__.replace("_", " ")}', flush=True)
            account.phase = phase.__name__
            run_phase(phase, play, min(seconds, left))
        account.phases_mb = [mb for minute in account.minutes for mb in minute.memory_mb]
        print(f'{(time.monotonic() - account.begun) / 60:5.1f} min  {args.rounds} rounds of the lifecycle', flush=True)
        account.phase = 'rounds of the lifecycle'
        for _ in rounds(play, args.rounds):
            account.rounds_mb.append(host_mb(process.pid))
        _wait_until_calm(account, check)


def _watch(process: subprocess.Popen, account) -> None:
    """Note the node's memory once a second."""
    while process.poll() is None:
        account.minute().memory_mb.append(host_mb(process.pid))
        time.sleep(1.0)


def _wait_until_calm(account, check) -> None:
    before, since = None, time.monotonic()
    while time.monotonic() - since < CALM:
        check()
        books = [value for key, value in sorted(account.node.items()) if key.startswith(('clouds_', 'drops/'))]
        if books != before:
            before, since = books, time.monotonic()
        time.sleep(0.2)


if __name__ == '__main__':
    sys.exit(main())
