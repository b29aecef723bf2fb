"""A process that runs one managed node and ends cleanly on SIGINT and SIGTERM, whatever it is doing."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import sys
import threading
import traceback
from contextlib import nullcontext, suppress
from typing import Callable, NoReturn

import rclpy
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import LoggingSeverity

from ..errors import InputError, SSRFlowError
from .lifecycle import ManagedNode, activate
from .parameters import files_first, warn_of_silent_files

_ending = threading.Event()  # set by a signal

GRACE = 1.7
"""Seconds after a signal in which the process may tidy up; then it leaves."""


def run_until_signal(make_node: Callable[[], ManagedNode], args: list[str] | None = None) -> NoReturn:
    """Make a node, activate it if its settings say `autostart`, and spin it.

    Ends the process: code 0 after a signal, 1 with one line in the log if it could not start.
    """
    # rclpy's own handlers chain to these; Python's would raise KeyboardInterrupt anywhere.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _leave_in_time)
    logging.getLogger('ssrflow_ros').addHandler(_IntoRos(logging.WARNING))
    arguments = files_first(sys.argv if args is None else args)
    context = rclpy.get_default_context()
    node, code = None, 0
    try:
        _init(arguments, context)
        node = make_node()
        warn_of_silent_files(node, arguments)
        if node.settings.autostart and not activate(node) and rclpy.ok():
            code = 1  # the transition has logged why
        else:
            _spin(node)
    except (SSRFlowError, ParameterException) as error:
        if not _ending.is_set():
            rclpy.logging.get_logger('ssrflow').fatal(str(error))
            code = 1
    except ExternalShutdownException:
        pass
    except Exception:
        # rclpy raises various errors where a signal ends its context in the middle of something.
        if not _ending.is_set():
            raise
    finally:
        with suppress(Exception) if _ending.is_set() else nullcontext():  # for the same reason
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


def _init(arguments: list[str], context: Context) -> None:
    """rclpy's own, which fails only for what stands in the arguments; then InputError."""
    rclpy.logging.set_logger_level('rcl', LoggingSeverity.FATAL)  # it would say half of it in a line of its own
    try:
        rclpy.init(args=arguments, context=context)
        rclpy.logging.set_logger_level('rcl', LoggingSeverity.UNSET)
    except Exception as error:
        # The places in rcl's source that it names at its end help nobody here.
        reason = re.sub(r', at /[^ ]*:\d+', '', ' '.join(str(error).split()))
        raise InputError(
            f"{reason}: check what stands behind --ros-args; a params file holds lines of 'name: value' "
            "under '/**:' and 'ros__parameters:', as config/ssrflow.yaml shows"
        ) from None


def _spin(node: ManagedNode) -> None:
    """Until a signal; a callback that fails is logged, and the node goes on."""
    while True:
        try:
            rclpy.spin(node)
            return
        except ExternalShutdownException:
            raise
        except Exception:
            if _ending.is_set() or not rclpy.ok():
                raise
            node.get_logger().error(f'a callback failed:\n{traceback.format_exc()}')


class _IntoRos(logging.Handler):
    """What the parts that know nothing of ROS log."""

    def emit(self, record: logging.LogRecord) -> None:
        rclpy.logging.get_logger('ssrflow').warning(record.getMessage())


def _leave_in_time(*_: object) -> None:
    _ending.set()
    # A thread, since this one may be in a call that takes seconds, such as loading torch.
    timer = threading.Timer(GRACE, _leave, (0,))
    timer.daemon = True
    timer.start()


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
