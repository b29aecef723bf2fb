"""A child process that reads mutated inputs within limits, and tells its parent what came of each."""

from __future__ import annotations

import os
import pickle
import random
import resource
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from ssrflow_ros.errors import SSRFlowError

from .mutate import Input, mutate
from .readers import READERS

SECONDS = 10.0
"""Of processor time, for one input."""
STALLED = 120.0
"""Seconds without a word after which a child sleeps for ever."""
GO_ON = b'!'
ROOM, TIMES = 200 << 20, 4
"""Bytes that an input may take: ROOM and TIMES its size."""


@dataclass(frozen=True)
class Outcome:
    """kind: 'read', 'refused' (an error of ours) or 'finding'; signature: the same for findings of one cause."""

    kind: str
    signature: str = ''
    detail: str = ''

    @property
    def is_finding(self) -> bool:
        return self.kind == 'finding'


def run_batch(
    name: str, seeds: list[Input], number: tuple[int, int], count: int, folder: Path
) -> Iterator[tuple[Outcome, Path]]:
    """Outcome of each of `count` inputs for the reader `name`, and the folder where the input lies until the next."""
    place = folder / 'input'
    while count > 0:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if not child:
            ours.close()
            _read_all(name, seeds, number, count, place, theirs)
        theirs.close()
        with ours, ours.makefile('rb') as told:
            ours.settimeout(STALLED)
            while True:
                try:
                    outcome = pickle.load(told)
                except EOFError:
                    break
                except TimeoutError:
                    os.kill(child, signal.SIGKILL)
                    break
                count -= 1
                yield outcome, place
                ours.send(GO_ON)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if not ended:
            return
        count -= 1
        why = 'takes more than 10 s' if ended in (-signal.SIGPROF, -signal.SIGKILL) else f'ends with {ended}'
        yield Outcome('finding', f'{name}: {why}', 'the process ended'), place
        number = (*number, count)


def _read_all(
    name: str, seeds: list[Input], number: tuple[int, ...], count: int, place: Path, parent: socket.socket
) -> None:
    """In the child; never returns."""
    code = 1
    try:
        tempfile.tempdir = str(place.parent)
        rng, guard = random.Random(repr((name, number))), _Guard(place.parent)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for _ in range(count):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            outcome = _read(name, *mutate(name, rng, seeds).write(place), guard)
            parent.send(pickle.dumps(outcome))
            parent.recv(len(GO_ON))
        code = 0
    except BaseException:
        os.write(1, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _read(name: str, path: Path, size: int, guard: '_Guard') -> Outcome:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # kills
        resource.setrlimit(resource.RLIMIT_AS, (held + ROOM + TIMES * size, hard))
        guard.on = True
        try:
            READERS[name](path)
        finally:
            guard.on = False
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            signal.setitimer(signal.ITIMER_PROF, 0)
    except SSRFlowError as error:
        outcome = Outcome('refused')
        if not str(error).isprintable() or not 0 < len(str(error)) < 3000:
            outcome = _finding(name, 'a message that is no line', error)
        elif _out_of_memory(error):
            outcome = _finding(name, 'allocates too much', error)
    except BaseException as error:
        outcome = _finding(name, 'allocates too much' if _out_of_memory(error) else type(error).__name__, error)
    else:
        outcome = Outcome('read')
    if guard.crossed:
        outcome = Outcome('finding', f'{name}: {guard.crossed[0][0]}', repr(guard.crossed))
        guard.crossed.clear()
    return outcome


def _out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or 'allocate' in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _finding(name: str, what: str, error: BaseException) -> Outcome:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if 'ssrflow_ros' in frame.filename]
    where = f'{Path(frames[-1].filename).name}:{frames[-1].name}' if frames else '?'
    return Outcome('finding', f'{name}: {what} in {where}', ''.join(traceback.format_exception(error))[-4000:])


class _Guard:
    """Notes what a reader must never do, while it is `on`: Python tells of it beforehand."""

    FORBIDDEN = (
        'pickle.find_class',
        'subprocess.Popen',
        'os.system',
        'os.exec',
        'os.fork',
        'os.posix_spawn',
        'socket.connect',
        'os.remove',
        'os.rename',
        'os.symlink',
        'os.link',
        'shutil.move',
    )

    def __init__(self, folder: Path):
        self.on = False
        self.crossed: list[tuple[str, str]] = []
        code = {sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)}
        self._own = os.path.realpath(folder)
        self._readable = (
            self._own,
            *code,
            *map(os.path.realpath, code),
            '/proc/self',
            '/dev/urandom',
            '/usr/lib',
            '/usr/share',
            '/lib',
            '/sys',
        )
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        if event in self.FORBIDDEN:
            # What is named without its folder lies in an open one: a temporary folder that is cleared.
            if event != 'os.remove' or not str(arguments[0]).startswith(self._own) and os.path.isabs(arguments[0]):
                self.crossed.append((event, repr(arguments)[:300]))
        elif event == 'open' and isinstance(arguments[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if path != os.devnull and not path.startswith(self._own if writes else self._readable):
                self.crossed.append(('open', path))
