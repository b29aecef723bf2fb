"""Ends commands at random moments: python test/signal_moments.py COUNT SEED [KIND ...].

A command that was ended prints no traceback, has the documented exit code, and leaves neither a process nor anything
half-written behind.
"""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from live import own_network

SSRFLOW = [sys.executable, '-m', 'ssrflow_ros']
NODE = [sys.executable, '-m', 'ssrflow_ros.node.flow_node']
KINDS = ('node', 'bag', 'demo', 'bench', 'adapt', 'train')
WAYS = tuple(itertools.product((signal.SIGINT, signal.SIGTERM), (False, True)))
"""Signal, and whether the whole group gets it, as from a terminal or a service manager."""
ENDED = {'node': {signal.SIGINT: 0, signal.SIGTERM: 0}}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BY_ITSELF = {'adapt': (0, 2)}  # 2: no better than before, which a few steps seldom are
PATIENCE = 60.0  # s, on a busy machine


class Moments:
    """What the commands need, made once in `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell starts in the background
            signal.signal(signal.SIGINT, signal.default_int_handler)  # and what we start would inherit it
        self._network = own_network(folder)  # ours until this process ends
        self.environment = {**self._network.__enter__(), 'PYTHONFAULTHANDLER': ''}
        self.recording, self.pairs = self.folder / 'recording', self.folder / 'pairs'
        self._call('simulate', '-o', self.recording, '--sweeps', 12, '--sensor', 'vlp16', '--seed', 4000000004)
        self.number = 0

    def command(self, kind):
        """The command, and its output."""
        self.number += 1
        out = self.folder / f'{kind}_{self.number}' / 'out'
        out.parent.mkdir()
        if kind == 'node':
            return [*NODE, '--ros-args', '-r', '__ns:=/a'], out
        if kind == 'train':
            if not self.pairs.exists():
                self._call('train', 'pairs', self.pairs, '--count', 4, '--sensor', 'vlp16')
                (self.folder / 'settings.json').write_text(json.dumps({'steps': 12, 'batch': 2, 'n_points': 256}))
            options = (
                'run',
                out,
                '--pairs',
                self.pairs,
                '--settings',
                self.folder / 'settings.json',
                '--validate-every',
                2,
            )
        else:
            options = {
                'bag': (self.recording, '-o', out, '--network-points', 256),
                'demo': ('-o', out, '--bag', self.recording, '--topic', '/points', '--network-points', 256),
                'bench': (
                    self.recording,
                    '--topic',
                    '/points',
                    '-o',
                    out,
                    '--sweeps',
                    6,
                    '--warm-up',
                    1,
                    '--points',
                    256,
                    '--parts',
                    'stages,throughput,dds',
                ),
                'adapt': (self.recording, '--topic', '/points', '-o', out, '--steps', 6),
            }[kind]
        if kind == 'bag':
            options += '--topic', '/points'
        return [*SSRFLOW, kind, *map(str, options)], out

    def length(self, kind):
        """Seconds that it takes when nobody ends it; of the node, until it is ready and a little more."""
        if kind == 'node':
            return 12.0
        command, out = self.command(kind)
        begun = time.monotonic()
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode in BY_ITSELF.get(kind, (0,)), done.stdout
        return time.monotonic() - begun

    def fault(self, kind, delay, number, group):
        """What is wrong after the signal that comes `delay` s after the command has begun; '' if nothing."""
        command, out = self.command(kind)
        log = out.parent / 'log'
        with log.open('w') as file:
            process = subprocess.Popen(
                command, env=self.environment, stdout=file, stderr=file, cwd=out.parent, start_new_session=True
            )
        try:
            _wait(lambda: process.poll() is not None or _catches(process.pid, number))
            _wait(lambda: process.poll() is not None, delay)
            ended_before = process.poll() is not None
            if not ended_before:
                (os.killpg if group else os.kill)(process.pid, number)
            gone = _wait(lambda: process.poll() is not None)
            left = [] if _wait(lambda: not _session(process.pid)) else _session(process.pid)
        finally:
            for pid in _session(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.wait()
        said, asked = log.read_text(), ENDED.get(kind, CODES)[number]
        # In its last moment it is Python that ends, and takes the signal as it is by itself.
        allowed = {*BY_ITSELF.get(kind, (0,))} | (set() if ended_before else {asked, -number})
        unfinished = [str(path) for path in out.parent.rglob('*.unfinished-*')]
        faults = [
            text
            for wrong, text in (
                (not gone, 'it did not end'),
                (left, f'orphans: {left}'),
                (process.returncode not in allowed, f'code {process.returncode}, not {allowed}'),
                ('Traceback' in said or 'Exception ignored' in said, 'a traceback'),
                (unfinished, f'half-written: {unfinished}'),
            )
            if wrong
        ]
        if faults:
            return (
                f'{kind}, {number.name} to the {"group" if group else "process"} after {delay:.2f} s: '
                f'{"; ".join(faults)}\n{said[-6000:]}'
            )
        shutil.rmtree(out.parent)
        return ''

    def _call(self, *arguments):
        subprocess.run([*SSRFLOW, *map(str, arguments)], env=self.environment, check=True, capture_output=True)


def _wait(condition, seconds=PATIENCE):
    """Whether it holds within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _catches(pid, number):
    """Whether the process has a handler of ours: before, it is Python that starts, and SIGTERM tells that it does."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return False
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith('SigCgt')), 16)
    return bool(caught >> signal.SIGTERM - 1 & caught >> number - 1 & 1)


def _session(leader):
    """Living processes of a session."""
    found = []
    for folder in Path('/proc').iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / 'stat').read_text().rpartition(')')[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != 'Z':
                found.append(int(folder.name))
    return found


def main(count, seed, kinds):
    rng, n_faults = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        moments = Moments(folder)
        for kind in kinds:
            length = moments.length(kind)
            print(f'{kind}: {length:.1f} s', flush=True)
            for number in range(count):
                fault = moments.fault(kind, rng.uniform(0, length), *WAYS[number % len(WAYS)])
                n_faults += bool(fault)
                if fault:
                    print(f'--- {fault}', flush=True)
            print(f'{kind}: {count} moments done, {n_faults} faults so far', flush=True)
    return n_faults


if __name__ == '__main__':
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or KINDS) > 0)
