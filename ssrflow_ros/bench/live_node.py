"""The flow node itself: how long until it is ready, and what memory it holds while clouds come."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from ..errors import SSRFlowError
from ..formats.bags import POINTCLOUD2
from ..formats.message_types import PointCloud2
from ..formats.stamped import stamp_ns
from ..formats.typestore import typestore
from ..node.domain import private_network
from ..node.memory import host_mb
from ..signals import kept_from, with_parent

NODE = (sys.executable, '-m', 'ssrflow_ros.node.flow_node')
READY = 'ready: '
"""What the node logs when it is."""
_PATIENCE = 120.0  # seconds for what must come
_END = 5.0  # seconds that the node may take to end
_LOOK = 0.02  # seconds between two looks at it


@dataclass(frozen=True)
class NodeFigures:
    """ready_s: from starting the process; resident_mb: the most that it held while clouds came, 2**20 bytes."""

    ready_s: float
    resident_mb: float


def measure_node(clouds: Sequence[PointCloud2], command: Sequence[str] = NODE) -> NodeFigures | None:
    """The node, default settings, with `clouds` played at their rate; None where there is no ROS.

    command  that starts it, if it is to be another one.
    SSRFlowError, with its last words, if it ends early or is not ready in time.
    """
    if importlib.util.find_spec('rclpy') is None:
        return None
    raws = [bytes(typestore().serialize_cdr(cloud, POINTCLOUD2)) for cloud in clouds]
    messages = zip(map(stamp_ns, clouds), raws)
    with private_network() as network, tempfile.TemporaryDirectory() as folder:
        os.environ.update(network)  # read when DDS is first used
        from ..node.bag_replay import POINTS, BagReplay

        with _Node(Path(folder) / 'log', command) as node, BagReplay() as replay:
            node.wait_for(lambda: READY in node.words)
            ready = time.monotonic() - node.begun
            node.wait_for(replay.connected)
            with node.watched() as seen:
                replay.play(((POINTS, time_ns, raw) for time_ns, raw in messages), node.check)
            return NodeFigures(ready, max(seen))


class _Node:
    """The process; use as a context manager."""

    def __init__(self, log: Path, command: Sequence[str]):
        self._log, self._command = log, command

    def __enter__(self) -> '_Node':
        with self._log.open('w') as log, kept_from(signal.SIGINT):
            self.begun = time.monotonic()
            ends = with_parent(signal.SIGKILL)
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, preexec_fn=ends)
        return self

    @property
    def words(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors='replace')

    def check(self) -> None:
        """SSRFlowError if it has ended."""
        if self._process.poll() is not None:
            last = self.words.strip().splitlines()[-1:]
            raise SSRFlowError(f'the node ended with code {self._process.returncode}: {" ".join(last)}')

    def wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.check()
            if time.monotonic() > self.begun + _PATIENCE:
                raise SSRFlowError(
                    f'the node is not ready after {_PATIENCE:.0f} s: "ssrflow doctor" looks for the cause'
                )
            time.sleep(_LOOK)

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Its memory, MB, again and again until the block ends."""
        seen, ended = [host_mb(self._process.pid)], threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK):
                seen.append(host_mb(self._process.pid))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
