"""How a command ends on Ctrl-C and SIGTERM: everything is unwound, no traceback, nothing half-written.

The exception that ends it must not come inside an import: what is being loaded turns it into errors of its own, or
drops it. Elsewhere a C library may drop it, too; so a command that is not done after `GRACE` is left as it is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from ..atomic_write import remove_unfinished

CODES: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
NAMES = {130: 'Ctrl-C', 143: 'SIGTERM'}
GRACE = 10.0
"""Seconds in which a command may stop what it started and remove what it began to write."""
_AGAIN = 0.05  # s, after which an import is looked at again


class Ending:
    """Takes the signals from now on until `over`.

    code  of the exit that was asked for; None as long as none was. Once there is one, further signals change nothing.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._over = False
        self._watchdog = threading.Timer(GRACE, self._leave)
        self._watchdog.daemon = True
        self._hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
        # What a shell has started in the background ignores Ctrl-C.
        self._before = {
            number: signal.signal(number, self._on_signal)
            for number in (*CODES, signal.SIGALRM)
            if signal.getsignal(number) is not signal.SIG_IGN
        }

    @property
    def told(self) -> tuple[int, str]:
        """Exit code, and what is said."""
        code = self.code or CODES[signal.SIGINT]
        return code, f'stopped by {NAMES[code]}'

    def over(self, for_good: bool) -> None:
        """The command has ended, and the process will, if it is `for_good`; otherwise all is as before."""
        self._over = True
        self._watchdog.cancel()
        remove_unfinished()
        if not for_good:
            sys.excepthook, sys.unraisablehook, threading.excepthook = self._hooks
        for number, handler in self._before.items():
            # While Python itself ends, an exception would be a traceback.
            signal.signal(number, _exit if for_good and number in CODES else handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._over or self.code is not None and number != signal.SIGALRM:
            return
        if self.code is None:
            self.code = CODES[number]
            # Of what ends unusually from now on, the signal is the cause.
            sys.excepthook = sys.unraisablehook = threading.excepthook = _silent
            self._watchdog.start()
        if _importing(frame):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        elif self.code == CODES[signal.SIGINT]:
            raise KeyboardInterrupt
        else:
            raise SystemExit(self.code)

    def _leave(self) -> NoReturn:
        remove_unfinished()
        code, reason = self.told
        os.write(2, f'ssrflow: error: {reason}\n'.encode())
        os._exit(code)


def _silent(*_: Any) -> None: ...


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(CODES[number])


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == '<frozen importlib._bootstrap>':
            return True
        frame = frame.f_back
    return False
