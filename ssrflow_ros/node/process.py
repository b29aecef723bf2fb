"""A process that runs one node and ends cleanly on SIGINT and SIGTERM, whatever it is doing."""
from __future__ import annotations

import signal
from typing import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from ..errors import SSRFlowError


def run_until_signal(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Make a node and spin it; 0 after a signal, 1 with one line in the log if it could not start."""
    # rclpy's own handler chains to this one; Python's would raise KeyboardInterrupt anywhere.
    signal.signal(signal.SIGINT, lambda *_: None)
    rclpy.init(args=args)
    node = None
    try:
        node = make_node()
        rclpy.spin(node)
    except SSRFlowError as error:
        rclpy.logging.get_logger('ssrflow').fatal(str(error))
        return 1
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
    return 0
