"""Ctrl-C and SIGTERM between two steps, not within one."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import Iterator

_ENDINGS = (signal.SIGINT, signal.SIGTERM)
_ECHO = 2.0  # s, within which a second one is the first once more: torchrun hands on what the terminal sent already


@contextmanager
def after_this_step() -> Iterator[list[int]]:
    """Gives a list that is filled once an ending was asked for; the ending itself comes after the block.

    Asked for a second time it comes at once.
    """
    asked: list[int] = []
    since = 0.0
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, _frame: object) -> None:
        nonlocal since
        if not asked:
            asked.append(number)
            since = time.monotonic()
        elif time.monotonic() - since > _ECHO:
            restore()
            signal.raise_signal(number)

    def restore() -> None:
        for ending, handler in before.items():
            signal.signal(ending, handler)

    before = {ending: signal.signal(ending, note) for ending in _ENDINGS}
    try:
        yield asked
    finally:
        restore()
    if asked:
        signal.raise_signal(asked[0])


def worker_of_data(_worker: int) -> None:
    """How a data worker begins: it leaves the endings, which a whole group may get, to its parent, and has one thread.

    It ends with its parent, or when that has no more use for it.
    """
    import torch

    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    torch.set_num_threads(1)
