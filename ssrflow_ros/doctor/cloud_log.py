"""Notes on a stream of clouds, taken one by one, so that a long recording needs no memory."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..errors import InputError, kind_of
from ..formats.bags import BagMessage
from ..formats.stamped import stamp_of
from ..pair_stream import PairStream
from ..settings import Settings
from ..sweep import Sweep

KEPT = 6
"""Sweeps that are kept for trying the method on them."""


class CloudLog:
    """What is known of the clouds so far.

    times_ns, stamps_ns  when each came (or was recorded), and what its header says.
    sizes                bytes of each, serialized.
    errors               how many could not be read, by reason, of which the first one's numbers stand for all.
    frames               how many bear each frame_id.
    fields               names of the first one's fields.
    usable               share of usable returns of each that was read;  ranges: their median range, m.
    nearest              how far from the vertical through the frame's origin the nearest ones are, m, of each.
    repeats              how many hold the very points of the one before.
    sweeps               the first few, neighbours in time;  recorded_ns: when each of them came.
    """

    def __init__(self, settings: Settings, read: int | None = None):
        """Reads the points of the first `read` clouds only; None: of all."""
        self._pairs, self._read = PairStream(settings), read
        self.times_ns: list[int] = []
        self.stamps_ns: list[int] = []
        self.sizes: list[int] = []
        self.errors: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.fields: list[str] = []
        self.usable: list[float] = []
        self.ranges: list[float] = []
        self.nearest: list[float] = []
        self.repeats = 0
        self.sweeps: list[Sweep] = []
        self.recorded_ns: dict[Sweep, int] = {}
        self._last: Sweep | None = None
        self._kinds: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.times_ns)

    def add(self, message: BagMessage) -> None:
        """Note one more PointCloud2."""
        self.times_ns.append(message.time_ns)
        self.sizes.append(len(message.raw))
        try:
            self.stamps_ns.append(stamp_of(message.raw))
            if self._read is None or len(self) <= self._read:
                self._look(message)
        except InputError as error:
            self.errors[self._kinds.setdefault(kind_of(error), str(error))] += 1

    def _look(self, message: BagMessage) -> None:
        cloud = message.read()
        self.fields = self.fields or [field.name for field in cloud.fields]
        sweep = self._pairs.sweep(cloud)
        self.frames[sweep.frame_id] += 1
        if sweep.n_rows:
            self.usable.append(len(sweep) / sweep.n_rows)
        if len(sweep):
            self.ranges.append(median_range(sweep))
            self.nearest.append(nearest(sweep))
        if self._last is not None and len(sweep) and np.array_equal(sweep.points, self._last.points):
            self.repeats += 1
        self._last = sweep
        if len(self.sweeps) < KEPT:
            self.sweeps.append(sweep)
            self.recorded_ns[sweep] = message.time_ns


def median_range(sweep: Sweep) -> float:
    """m from the frame's origin, within which half of the points lie."""
    return float(np.median(np.linalg.norm(sweep.points, axis=1)))


def nearest(sweep: Sweep) -> float:
    """m from the vertical through the frame's origin, within which one of a hundred points lies."""
    return float(np.percentile(np.hypot(sweep.points[:, 0], sweep.points[:, 1]), 1))
