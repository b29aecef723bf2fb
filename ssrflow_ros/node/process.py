"""A process that runs one managed node and ends cleanly on SIGINT and SIGTERM, whatever it is doing."""
from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from typing import Callable, NoReturn

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode

from ..errors import SSRFlowError
from .lifecycle import activate
from .parameters import files_first

GRACE = 1.7
"""Seconds after a signal in which the process may tidy up; then it leaves."""


def run_until_signal(make_node: Callable[[], LifecycleNode], args: list[str] | None = None) -> NoReturn:
    """Make a node, activate it if its settings say `autostart`, and spin it.

    Ends the process: code 0 after a signal, 1 with one line in the log if it could not start.
    """
    # rclpy's own handlers chain to these; Python's would raise KeyboardInterrupt anywhere.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _leave_in_time)
    context = rclpy.get_default_context()
    rclpy.init(args=files_first(sys.argv if args is None else args), context=context)
    node, code = None, 0
    try:
        node = make_node()
        if node.settings.autostart and not activate(node) and rclpy.ok():
            code = 1  # the transition has logged why
        else:
            rclpy.spin(node)
    except SSRFlowError as error:
        rclpy.logging.get_logger('ssrflow').fatal(str(error))
        code = 1
    except ExternalShutdownException:
        pass
    except Exception:
        # rclpy raises various errors where a signal ends its context in the middle of something.
        if rclpy.ok():
            raise
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    # The middleware gives its shared memory back, tens of MB in /dev/shm, when nothing holds the context any more.
    node = None
    context.destroy()
    gc.collect()
    # Everything is tidied up. Python's own end would take seconds more on a busy machine, and would wait for
    # an inference that nobody can interrupt.
    _leave(code)


def _leave_in_time(*_) -> None:
    # A thread, since this one may be in a call that takes seconds, such as loading torch.
    timer = threading.Timer(GRACE, _leave, (0,))
    timer.daemon = True
    timer.start()


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
