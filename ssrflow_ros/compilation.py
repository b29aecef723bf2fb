"""Compiling the kernels side by side where this machine has yet to: in processes, since numba compiles under a lock.

Each process takes file after file, as `python -m ssrflow_ros.compilation FILE...`, where numbers come in by stdin, one
byte each: those of the files that it is the next to do. It writes each number to stdout when that is done. Two pipes
are shared by all, so whoever is free takes the next, and the end of one is the end of all.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Iterator, Sequence

from .kernels.compiled import can_be_kept, cold_files, compile_file
from .signals import kept_from, with_parent

_MOST = 8  # processes: the longest file takes an eighth of the whole
COMPILING = 'compiling the loops for this machine, once: up to a minute'
COMPILING_ALWAYS = (
    'compiling the loops at each start, one to two minutes, since there is no folder to keep them: '
    'let NUMBA_CACHE_DIR name one that can be written'
)


class ColdKernels:
    """What is yet to be compiled.

    message  what to tell about it, '' where there is nothing.
    """

    def __init__(self) -> None:
        files = cold_files()
        self.message = '' if not files else COMPILING if can_be_kept() else COMPILING_ALWAYS
        self._files = files if self.message == COMPILING else []

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[str]:
        """Compile: the name of each file that is done. What no process does is compiled where it is called."""
        return compiled_side_by_side(self._files)


def compiled_side_by_side(files: Sequence[str]) -> Iterator[str]:
    """The name of each of those files when its kernels have been compiled and kept."""
    jobs, put = os.pipe()
    done, tell = os.pipe()
    os.write(put, bytes(range(len(files))))
    os.close(put)
    workers = []
    try:
        # Whoever wants to end this, ends this process, and it the others.
        with kept_from(signal.SIGINT, signal.SIGTERM):
            for _ in range(min(_cores(), _MOST, len(files))):
                with suppress(OSError):  # what no process does is compiled where it is called
                    workers.append(subprocess.Popen([sys.executable, '-m', __name__, *files], stdin=jobs, stdout=tell))
        os.close(tell)
        tell = -1
        while number := os.read(done, 1):
            yield files[number[0]]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        for end in (jobs, done, tell):
            if end >= 0:
                os.close(end)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _work(files: Sequence[str]) -> None:
    """A process of its own: it ends with the one that has started it."""
    end_with_parent = with_parent(signal.SIGKILL)
    if end_with_parent:
        end_with_parent()
    gc.freeze()
    gc.set_threshold(10_000)  # a fifteenth of the time is the collector's otherwise, a thirtieth so
    while number := os.read(0, 1):
        compile_file(files[number[0]])
        os.write(1, number)


if __name__ == '__main__':
    _work(sys.argv[1:])
