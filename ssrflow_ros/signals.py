"""Signals, as far as the processes that we start are concerned."""

from __future__ import annotations

import ctypes
import signal
import sys
from contextlib import contextmanager
from functools import partial
from typing import Callable, Iterator

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # loaded before any fork


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


def with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn` of a process that is started: it gets this signal when whoever started it has ended, however.

    None where the system cannot do it.
    """
    return partial(_libc.prctl, _PR_SET_PDEATHSIG, number) if sys.platform == 'linux' else None
