"""Threads that share the loops of the method on a CPU: all call the same kernel, and each takes what is to be done.

Helpers are called for the cores that no other part of the method is busy on. One that is late finds nothing left, and
nobody waits for one that has taken nothing: so they cost little where others need the cores, and a process that was
forked, which has none, does all by itself.
"""

from __future__ import annotations

import os
from contextlib import ContextDecorator
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Callable, Sequence, TypeVar

T = TypeVar('T')
R = TypeVar('R')

_LEAST_ROWS, _LEAST_SEARCHED = 128, 512  # with fewer a helper would be woken for nothing
_TOGETHER = 16  # rows that a search asks about together


class _Helpers:
    def __init__(self, number: int):
        self._newest: Callable[[], Any] | None = None
        self._calls: list[SimpleQueue[bool]] = [SimpleQueue() for _ in range(number)]
        for call in self._calls:
            Thread(target=self._work, args=(call,), daemon=True, name='network').start()

    def __len__(self) -> int:
        return len(self._calls)

    def share(self, number: int, work: Callable[[], Any]) -> None:
        """Do it here, and so many of them, too."""
        self._newest = work
        for call in self._calls[:number]:
            if call.empty():  # else that one has yet to look at what is newest
                call.put(True)
        work()
        self._newest = None  # lest it hold arrays

    def dismiss(self) -> None:
        for call in self._calls:
            call.put(False)

    def _work(self, call: 'SimpleQueue[bool]') -> None:
        import torch  # the node counts who is busy before it loads torch

        torch.set_num_threads(1)  # for the products of this thread
        while call.get():
            newest = self._newest
            if newest is not None:
                newest()
            newest = None  # lest it hold arrays


class _Busy(ContextDecorator):
    """While its thread is busy with a part of the method; decorates what is one."""

    def __init__(self) -> None:
        self.threads = 0
        self._lock = Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.threads += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self.threads -= 1


busy = _Busy()
_helpers = _Helpers(0)
os.register_at_fork(after_in_child=lambda: set_size(1))


def size() -> int:
    """How many threads share the loops."""
    return 1 + len(_helpers)


def set_size(threads: int) -> None:
    """Let the loops be shared by so many threads of this whole process."""
    global _helpers
    if threads != size():
        _helpers.dismiss()
        _helpers = _Helpers(threads - 1)


def do(rows: int, kernel: Callable[..., Any], *arguments: Any) -> None:
    """Call a kernel whose loops, over so many rows, are shared by turns (`kernels/turns.py`)."""
    free = _free() if rows >= _LEAST_ROWS else 0
    if free:
        _helpers.share(free, lambda: kernel(*arguments))
    else:
        kernel(*arguments)


def each(rows: int, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What `work` makes of each item, of about so many rows; most of it must not hold Python's lock. Raises what one of
    them raised."""
    free = _free() if rows >= _LEAST_SEARCHED and len(items) > 1 else 0
    if not free:
        return [work(item) for item in items]
    made: list[Any] = [None] * len(items)
    left, ready = iter(range(len(items))), SimpleQueue['BaseException | None']()

    def some() -> None:
        for number in left:
            failed = None
            try:
                made[number] = work(items[number])
            except BaseException as error:
                failed = error
            ready.put(failed)

    _helpers.share(free, some)
    for failed in [ready.get() for _ in items]:
        if failed is not None:
            raise failed
    return made


def _free() -> int:
    """Helpers for whose cores there is no other use."""
    return max(0, len(_helpers) - max(0, busy.threads - 1))


def parts(clouds: int, rows: int) -> list[tuple[int, slice]]:
    """Number of the cloud and rows: enough for all threads, of clouds of so many rows each."""
    pieces = max(1, min(-(-size() // clouds), rows // _LEAST_SEARCHED))
    length = -(-rows // (pieces * _TOGETHER)) * _TOGETHER
    return [(cloud, slice(begin, begin + length)) for cloud in range(clouds) for begin in range(0, rows, length)]
