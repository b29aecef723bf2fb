"""How time and memory grow with the points of a sweep, with those that the network sees, and with the cores."""

from __future__ import annotations

import dataclasses
import os
from contextlib import contextmanager
from typing import Iterator, Sequence

import numpy as np
import torch

from ..errors import SSRFlowError
from ..formats.message_types import PointCloud2
from ..kernels.kd_tree import KdTree
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..sweep import EgoMotion, Sweep, SweepPair
from .machine import forget_peaks, peak_device_bytes, peak_host_bytes
from .stages import walk
from .throughput import run_through
from .timing import Timing

INPUT_POINTS, NETWORK_POINTS, CORES = 'input_points', 'network_points', 'cores'
"""What is varied, one at a time."""
INPUT_SIZES = (10_000, 30_000, 120_000, 300_000, 1_000_000)
NETWORK_SIZES = (1024, 2048, 4096, 8192, 16384, 32768)
CORES_AND_THREADS = ((1, 1), (2, 1), (2, 2))
"""Cores of the process, and threads of the network; the next sweep is always prepared in a thread of its own."""
# Returns nearest in direction, which reach the next ring: towards one of them a denser sensor has another.
_BESIDE = 24
_ONE_SURFACE = 0.05  # share of the range, by which two of these differ at most that lie on one surface
_NOISE = 0.02  # m, of the range
_OF_A_SWEEP = 4  # input points for each one that the network is to see
_LAST = 3  # sizes from which on it is told how time grows at the end


@dataclasses.dataclass(frozen=True)
class Growth:
    """Time grows as the number of points to the power `overall`; from `late` points on, the largest, `at_last`."""

    overall: float
    at_last: float
    late: int

    @property
    def told(self) -> str:
        return f'time grows as n^{self.overall:.2f}, from {self.late:,} on as n^{self.at_last:.2f}'


def growth(rows: Sequence[dict], varied: str) -> Growth | None:
    """Least squares on the logarithms of rows of `scale`, p50 of the whole sweep; None of fewer than two."""
    rows = sorted((row for row in rows if row['varied'] == varied and 'stages' in row), key=lambda row: row[varied])
    if len(rows) < 2:
        return None
    counts, times = (np.array([row[key] for row in rows]) for key in (varied, 'P50_LATENCY'))

    def power(which: slice) -> float:
        return float(np.polyfit(np.log(counts[which]), np.log(times[which]), 1)[0])

    last = slice(-min(_LAST, len(rows)), None)
    return Growth(power(slice(None)), power(last), int(counts[last][0]))


def scale(
    settings: Settings,
    pair: SweepPair,
    ego: EgoMotion,
    input_points: tuple[int, ...],
    network_points: tuple[int, ...],
    repeats: int,
) -> list[dict]:
    """A row for each size: one of the two is varied, the other one stays as it is; ego-motion is searched for."""
    # In this order, since libraries keep room for the largest products that they have seen.
    by_input = [_row(INPUT_POINTS, count, settings, _resized(pair, count), None, repeats) for count in input_points]
    by_network = []
    for count in network_points:
        enough = max(len(pair.source), _OF_A_SWEEP * count)
        by_network.append(
            _row(NETWORK_POINTS, count, settings.replace(network_points=count), _resized(pair, enough), ego, repeats)
        )
    return by_network + by_input


def scale_cores(
    settings: Settings, clouds: Sequence[PointCloud2], warm_up: int, ways: Sequence[tuple[int, int]] = CORES_AND_THREADS
) -> list[dict]:
    """A row for each number of cores, of those that there are, and of threads; where Linux keeps us to a few."""
    rows = []
    for cores, threads in ways:
        if hasattr(os, 'sched_setaffinity') and cores <= len(os.sched_getaffinity(0)):
            with _only(cores):
                method = SceneFlow(settings.replace(threads=threads))
                forget_peaks(method.inference.device)
                alone = walk(method, clouds, warm_up)
                overlapped = run_through(method, clouds, warm_up)
            rows.append(
                {
                    'varied': CORES,
                    CORES: cores,
                    'threads': threads,
                    'MEAN_FRAME_RATE': overlapped.rate,
                    **_figures(alone.whole, alone.points, method.inference.device),
                    'stages': {stage: timing.p50 for stage, timing in alone.stages.items()},
                }
            )
    return rows


@contextmanager
def _only(cores: int) -> Iterator[None]:
    """This thread, and those that it starts meanwhile, on so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _row(varied: str, count: int, settings: Settings, pair: SweepPair, ego: EgoMotion | None, repeats: int) -> dict:
    method = SceneFlow(settings)
    stream, device = method.stream(), method.inference.device
    forget_peaks(device)
    row = {'varied': varied, varied: count}
    passes: list[dict[str, float]] = []
    try:
        for _ in range(1 + repeats):
            # New objects, so that nothing is known of a sweep from the turn before.
            prepared = stream.prepare(SweepPair(*map(dataclasses.replace, (pair.source, pair.target))), ego)
            passes.append(stream.estimate(prepared).timings_ms)
    except (SSRFlowError, torch.OutOfMemoryError) as error:
        return {**row, 'error': str(error)}
    passes = passes[1:]
    assert prepared.samples is not None
    whole = Timing([sum(one.values()) for one in passes])
    return {
        **row,
        'NETWORK_POINTS_SEEN': len(prepared.samples[0].rows),
        **_figures(whole, len(pair.source), device),
        'stages': {stage: Timing([one[stage] for one in passes]).p50 for stage in passes[0]},
    }


def _figures(whole: Timing, points: float, device: torch.device) -> dict[str, float]:
    return {
        **whole.as_dict(),
        'POINTS_PER_SECOND': points / (1e-3 * whole.p50),
        'PEAK_HOST_BYTES': peak_host_bytes(),
        'PEAK_DEVICE_BYTES': peak_device_bytes(device),
    }


def _resized(pair: SweepPair, count: int) -> SweepPair:
    return SweepPair(_resize(pair.source, count), _resize(pair.target, count))


def _resize(sweep: Sweep, count: int) -> Sweep:
    """`count` points of `sweep`: a random part of them, or all, and others as a denser sensor sees between them."""
    random, size = np.random.default_rng(0), len(sweep)
    if count <= size:
        rows = np.sort(random.choice(size, count, replace=False))
        points = sweep.points[rows]
    else:
        rows = np.sort(np.resize(np.arange(size), count))  # each beside those made of it, as a sensor sends them
        points = _between(sweep.points, rows, random)
    times = None if sweep.times is None else sweep.times[rows]
    return Sweep.from_points(points, sweep.stamp_ns, sweep.frame_id, times=times)


def _between(points: np.ndarray, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n, 3) m, those at the ascending `rows` (n,) of points (N, 3) m, each once; where a row comes again, what is seen
    from the origin in a direction between that point and one beside it: their surface, or where they lie apart the
    point's own."""
    reach = np.linalg.norm(points, axis=1)
    unit = points / reach[:, None]
    again = np.flatnonzero(np.diff(rows, prepend=-1) == 0)
    own = rows[again]
    others = KdTree(unit).search(unit, min(_BESIDE, len(unit)))[0]
    other = others[own, random.integers(0, others.shape[1], len(own))]
    share = random.random(len(own))
    step = reach[other] - reach[own]
    step *= np.abs(step) < _ONE_SURFACE * reach[own]
    away = reach[own] + share * step + random.normal(0, _NOISE, len(own))
    beam = unit[own] + share[:, None] * (unit[other] - unit[own])
    denser = points[rows]
    denser[again] = beam * (away / np.linalg.norm(beam, axis=1))[:, None]
    return denser
