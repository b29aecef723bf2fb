"""Many runs of a command: a process for each, on this machine or where dask's workers are; no one's end is another's.

A run that fails, or is killed, is named, and the others go on. What is done already is not done again: each run says
so itself, by its output.
"""

from __future__ import annotations

import argparse
import glob
import os
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from ..errors import InputError
from ..signals import with_parent

_RECORDINGS = ('.mcap', '.db3', '.bag')


class Run(NamedTuple):
    """`ssrflow` with the `arguments`, under a name by which it is told of."""

    name: str
    arguments: tuple[str, ...]


class Ended(NamedTuple):
    """How a run ended: its exit code, negative if a signal ended it, and what it said."""

    name: str
    code: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """One line, why it failed."""
        if self.code < 0:
            return f'killed by {signal.Signals(-self.code).name}'
        lines = [line for line in self.errors.splitlines() if line.strip()]
        return lines[-1].removeprefix('ssrflow: error: ') if lines else f'exit code {self.code}'


def add_fleet(parser: argparse.ArgumentParser, of: str) -> None:
    """Options args.workers and args.scheduler."""
    group = parser.add_argument_group(f'several {of}')
    group.add_argument('--workers', type=int, default=1, metavar='N', help='so many at a time (default: 1)')
    group.add_argument(
        '--scheduler',
        metavar='ADDRESS',
        help='let the workers of this dask scheduler do them, such as tcp://host:8786; they must see the same files '
        'and have this package (pip install distributed)',
    )


def check_workers(workers: int) -> None:
    """Raise InputError unless that many can work at a time."""
    if workers < 1:
        raise InputError(f'--workers {workers}: give how many at a time, 1 or more')


def in_fleet(
    runs: Iterable[Run], workers: int, scheduler: str | None, do: Callable[[Run], Ended] | None = None
) -> Iterator[Ended]:
    """Do all, and tell of each as it ends; what still runs is ended when the caller leaves. do: what does one."""
    do = do or ssrflow
    check_workers(workers)
    with _on_dask(scheduler) if scheduler else _here(workers) as (submit, completed):
        futures = {submit(do, run): run.name for run in runs}
        for future in completed(list(futures)):
            try:
                yield future.result()
            except (CancelledError, Exception) as error:  # of dask: a worker that is killed again and again
                yield Ended(futures[future], 1, '', f'{type(error).__name__}: {error}')


def ssrflow(run: Run) -> Ended:
    """Do one, in a process of its own that ends with this one."""
    child = subprocess.Popen(
        [sys.executable, '-m', 'ssrflow_ros', *run.arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=with_parent(signal.SIGTERM),
    )
    _children.add(child)
    try:
        output, errors = child.communicate()
    finally:
        _children.discard(child)
    return Ended(run.name, child.returncode, output, errors)


_children: set[subprocess.Popen] = set()


@contextmanager
def _here(workers: int) -> Iterator[tuple[Callable[[Any, Run], Any], Callable[[list], Iterable]]]:
    with ThreadPoolExecutor(workers, 'ssrflow_fleet') as pool:
        try:
            yield pool.submit, as_completed
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in tuple(_children):
                child.terminate()


@contextmanager
def _on_dask(address: str) -> Iterator[tuple[Callable[[Any, Run], Any], Callable[[list], Iterable]]]:
    try:
        from distributed import Client
        from distributed import as_completed as of_dask
    except ImportError:
        raise InputError('--scheduler needs distributed: pip install distributed') from None
    try:
        client = Client(address, timeout='10s', set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f'--scheduler {address}: {error or "no answer"}: start one with "dask scheduler"') from None
    with client:
        yield (
            lambda do, run: client.submit(do, run, pure=False, key=f'ssrflow-{run.name}-{os.getpid()}'),
            lambda futures: of_dask(futures, loop=client.loop),
        )


def recordings(given: Iterable[str]) -> list[Path]:
    """The recordings that are meant: each as it is given, those that fit a pattern, those in a folder of recordings.

    InputError where there is none.
    """
    found: list[Path] = []
    for name in given:
        if os.path.lexists(name):
            path = Path(name)
            inside = [] if _is_recording(path) or not path.is_dir() else sorted(filter(_is_recording, path.iterdir()))
            found += inside or [path]
        elif glob.has_magic(name):
            fitting = [path for path in map(Path, sorted(glob.glob(name))) if _is_recording(path)]
            if not fitting:
                raise InputError(f'no recording fits {name}: give the pattern of rosbag2 folders, .mcap, .db3 or .bag')
            found += fitting
        else:
            found.append(Path(name))
    return list(dict.fromkeys(found))


def _is_recording(path: Path) -> bool:
    if not path.is_dir():
        return path.suffix in _RECORDINGS
    return (path / 'metadata.yaml').is_file() or any(
        entry.suffix in ('.mcap', '.db3') and entry.is_file() for entry in path.iterdir()
    )
