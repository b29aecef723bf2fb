"""Signals, as far as the processes that we start are concerned."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def kept_from(*signals: signal.Signals) -> Iterator[None]:
    """A process that is started within the block never gets these, from its very first moment on.

    A whole group of processes gets Ctrl-C, and most of what ends services; whoever started the others ends them.
    What is blocked is inherited, while a handler of the process's own would come too late.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
