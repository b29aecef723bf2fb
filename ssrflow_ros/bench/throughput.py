"""How many sweeps a second, the network at the next one, and the one after that prepared, while this one is worked
on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Sequence

from ..formats.bag_messages import to_pointcloud2
from ..formats.message_types import PointCloud2
from ..formats.pointcloud2 import encode
from ..pair_stream import PairStream
from ..prefetch import prefetch
from ..scene_flow import SceneFlow
from ..steps.prepared import PreparedPair
from ..sweep import EgoMotion
from .machine import CpuUse
from .timing import Timing


@dataclass(frozen=True)
class Throughput:
    """One pass as fast as it goes.

    done_ms  when each answer was ready, milliseconds since the pass began.
    latency  from the beginning of a cloud's decoding to its encoded answer.
    cpu_ms   processor time that the whole machine spent a sweep, all cores, milliseconds; None if unknown.
    """

    done_ms: tuple[float, ...]
    latency: Timing
    cpu_ms: float | None = None

    @property
    def rate(self) -> float:
        """Sweeps a second."""
        return 1e3 * (len(self.done_ms) - 1) / (self.done_ms[-1] - self.done_ms[0])

    @property
    def most(self) -> float | None:
        """Sweeps a second if every core worked all the time."""
        return 1e3 * (os.cpu_count() or 1) / self.cpu_ms if self.cpu_ms else None


def run_through(
    method: SceneFlow, clouds: Sequence[PointCloud2], warm_up: int, ego_motions: Sequence[EgoMotion] | None = None
) -> Throughput:
    """All of `clouds` (PointCloud2), at least `warm_up` + 3 of them; `ego_motions` as in `walk`."""
    pairs = PairStream(method.settings)
    given = iter(ego_motions or ())

    def prepare(cloud: PointCloud2) -> tuple[float, PreparedPair | None]:
        begun = time.perf_counter()
        pair = pairs.push(cloud)[1]
        return begun, stream.prepare(pair, next(given, None)) if pair else None

    def infer(prepared: tuple[float, PreparedPair | None]) -> tuple[float, PreparedPair | None]:
        begun, pair = prepared
        return begun, stream.infer(pair) if pair else None

    warm_up = min(warm_up, len(clouds) - 3)
    done, latencies, use = [], [], None
    stream = method.stream()
    start = time.perf_counter()
    for cloud, future in prefetch(prepare, infer, clouds):
        begun, inferred = future.result()
        if inferred is None:
            continue
        to_pointcloud2(encode(stream.detect(inferred), cloud), cloud.header)
        now = time.perf_counter()
        done.append(1e3 * (now - start))
        latencies.append(1e3 * (now - begun))
        if len(done) == warm_up + 1:
            use = CpuUse()
    busy = use.percent() if use else None
    warm_up = min(warm_up, len(done) - 2)
    apart = (done[-1] - done[warm_up]) / (len(done) - 1 - warm_up)
    return Throughput(
        tuple(done[warm_up:]),
        Timing(latencies[warm_up:]),
        None if busy is None else busy / 100 * (os.cpu_count() or 1) * apart,
    )
