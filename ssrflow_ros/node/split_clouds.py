"""`~/static` and `~/moving`: every cloud without, and with only, its points that move, in the order of the clouds.

A cloud's flow comes later than the cloud, or never, and what moves in the clouds that get none is told by the answers
before. So each waits until the ones before it are done with.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
from sensor_msgs.msg import PointCloud2

from ..objects.moving_points import MovingPoints
from ..sweep import FlowField, Sweep

_MOST = 30  # clouds that wait at most: when an answer takes longer, it comes too late for its cloud


@dataclass
class _Waiting:
    """A cloud, and its flow once it has got one; `done` when it will get no other."""

    cloud: PointCloud2
    sweep: Sweep
    done: bool = False
    flow: FlowField | None = None


class SplitClouds:
    """Hands on what moves in each of a stream's clouds; may be called from any thread.

    node     gives the settings.
    publish  called with a cloud and what tells (height * width,) bool of its points that move, if it is asked.
    heard    whether somebody listens; a cloud that comes while nobody does is not kept.
    """

    def __init__(
        self, node: Any, publish: Callable[[PointCloud2, Callable[[], np.ndarray]], None], heard: Callable[[], bool]
    ):
        self._node, self._publish, self._heard = node, publish, heard
        self._movers, self._waiting = MovingPoints(), deque[_Waiting]()
        self._lock = threading.Lock()

    def expect(self, cloud: PointCloud2, sweep: Sweep) -> None:
        """`cloud`, of which `sweep` is the sweep, is the next one; it will be `settle`d."""
        if not self._heard():
            return
        with self._lock:
            self._waiting.append(_Waiting(cloud, sweep))
            while len(self._waiting) > _MOST:
                self._hand_on(self._waiting.popleft())

    def settle(self, cloud: PointCloud2, flow: FlowField | None = None) -> None:
        """`cloud` is done with: it got that `flow`, or none."""
        with self._lock:
            own = [item for item in self._waiting if item.cloud is cloud]
            for item in own:
                item.done, item.flow = True, flow
            if flow is not None and not own:  # nobody listened, or it was handed on
                self._movers.note(flow)
            while self._waiting and self._waiting[0].done:
                self._hand_on(self._waiting.popleft())

    def reset(self) -> None:
        """Forget what moves."""
        with self._lock:
            self._movers.reset()

    def _hand_on(self, item: _Waiting) -> None:
        margin, flow, movers = self._node.settings.static_margin, item.flow, self._movers
        if flow is not None:
            movers.note(flow)
            rows = lambda: flow.pair.source.to_rows(movers.answered(flow, margin), missing=False)
        else:
            rows = lambda: item.sweep.to_rows(movers.expected(item.sweep, margin), missing=False)
        self._publish(item.cloud, rows)
