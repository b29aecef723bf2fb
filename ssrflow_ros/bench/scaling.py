"""How time and memory grow with the points of a sweep, and with those that the network sees."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from ..errors import SSRFlowError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..sweep import EgoMotion, Sweep, SweepPair
from .machine import forget_peaks, peak_device_bytes, peak_host_bytes
from .timing import Timing

INPUT_POINTS = (10_000, 30_000, 120_000, 300_000, 1_000_000)
NETWORK_POINTS = (1024, 2048, 4096, 8192, 16384, 32768)
_BESIDE = 0.3  # metres beside a return, where a denser sensor would have had another
_OF_A_SWEEP = 4  # input points for each one that the network is to see


def scale(
    settings: Settings,
    pair: SweepPair,
    ego: EgoMotion,
    input_points: tuple[int, ...],
    network_points: tuple[int, ...],
    repeats: int,
) -> list[dict]:
    """A row for each size: one of the two is varied, the other one stays as it is; ego-motion is searched for."""
    rows = []
    for count in network_points:
        enough = max(len(pair.source), _OF_A_SWEEP * count)
        rows.append(
            _row('network_points', count, settings.replace(network_points=count), _resized(pair, enough), ego, repeats)
        )
    for count in input_points:
        rows.append(_row('input_points', count, settings, _resized(pair, count), None, repeats))
    return rows


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
        **whole.as_dict(),
        'POINTS_PER_SECOND': len(pair.source) / (1e-3 * whole.p50),
        'stages': {stage: Timing([one[stage] for one in passes]).p50 for stage in passes[0]},
        'PEAK_HOST_BYTES': peak_host_bytes(),
        'PEAK_DEVICE_BYTES': peak_device_bytes(device),
    }


def _resized(pair: SweepPair, count: int) -> SweepPair:
    return SweepPair(_resize(pair.source, count), _resize(pair.target, count))


def _resize(sweep: Sweep, count: int) -> Sweep:
    """`count` points of `sweep`: a random part of them, or each again and again with a little noise."""
    random = np.random.default_rng(0)
    if count <= len(sweep):
        rows = np.sort(random.choice(len(sweep), count, replace=False))
    else:
        rows = np.resize(np.arange(len(sweep)), count)
    points = sweep.points[rows]
    points[len(sweep) :] += random.normal(0, _BESIDE, (max(0, count - len(sweep)), 3)).astype(np.float32)
    times = None if sweep.times is None else sweep.times[rows]
    return Sweep.from_points(points, sweep.stamp_ns, sweep.frame_id, times=times)
