"""What was measured, as JSON in the words of ros2_benchmark; `tables.py` has it for the eye.

Times are milliseconds, rates frames a second, as there. What ros2_benchmark has no word for (stages,
blocks, alternatives, scaling) has a key of its own beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .blocks import Block
from .peers import Peer
from .stages import Walk
from .throughput import Throughput
from .timing import Timing

_BASIC, _RESOURCE = 'BasicPerformanceMetrics.', 'ResourceMetrics.'


def walk_json(one: Walk) -> dict[str, Any]:
    """A sequential pass: latency of each sweep from decode to encode, and of each stage."""
    whole = one.whole.as_dict()
    return {
        **{
            _BASIC + name: whole[name]
            for name in ('MEAN_LATENCY', 'MAX_LATENCY', 'MIN_LATENCY', 'P50_LATENCY', 'P95_LATENCY')
        },
        _BASIC + 'NUM_FRAMES_SENT': len(one.whole.ms),
        _BASIC + 'MEAN_FRAME_RATE': 1e3 / float(np.mean(one.whole.ms)),
        'POINTS_PER_SECOND': one.points / (1e-3 * one.whole.p50),
        'PROCESSOR_TIME_WITHOUT_NETWORK': one.processor.p50,
        'stages': {stage: timing.as_dict() for stage, timing in one.stages.items()},
    }


def throughput_json(one: Throughput) -> dict[str, Any]:
    """A pass with the stages of successive sweeps overlapped, as fast as it goes."""
    apart = np.diff(one.done_ms)
    jitter = np.abs(np.diff(apart))
    told = {
        'RECEIVED_DURATION': one.done_ms[-1] - one.done_ms[0],
        'NUM_FRAMES_SENT': len(one.done_ms),
        'MEAN_FRAME_RATE': one.rate,
        'MEAN_LATENCY': float(np.mean(one.latency.ms)),
        'MAX_LATENCY': one.latency.max,
        'P50_LATENCY': one.latency.p50,
    }
    if len(jitter):
        told |= {
            'MAX_JITTER': float(jitter.max()),
            'MIN_JITTER': float(jitter.min()),
            'MEAN_JITTER': float(jitter.mean()),
            'STD_DEV_JITTER': float(jitter.std()),
        }
    return {
        **{_BASIC + name: value for name, value in told.items()},
        'PROCESSOR_TIME': one.cpu_ms,
        'HIGHEST_FRAME_RATE': one.most,
    }


def resources_json(baseline: float | None, mean: float | None, host: int, device: int) -> dict[str, Any]:
    """Use of the processor by everybody, percent of all cores, and most memory held, bytes."""
    return {
        _RESOURCE + 'BASELINE_OVERALL_CPU_UTILIZATION': baseline,
        _RESOURCE + 'MEAN_OVERALL_CPU_UTILIZATION': mean,
        _RESOURCE + 'PEAK_HOST_BYTES': host,
        _RESOURCE + 'PEAK_DEVICE_BYTES': device,
    }


def blocks_json(blocks: dict[str, Block], flops: float, bandwidth: float) -> dict[str, Any]:
    """Each block's own time, work, and how many times the machine's floor it takes."""
    return {
        name: {
            **block.timing.as_dict(),
            'FLOPS': block.flops,
            'BYTES': block.bytes,
            'FLOOR': block.floor_ms(flops, bandwidth),
        }
        for name, block in blocks.items()
    }


def alternatives_json(found: dict[str, dict[str, Timing]]) -> dict[str, Any]:
    """By job and way."""
    return {job: {way: timing.as_dict() for way, timing in ways.items()} for job, ways in found.items()}


def peers_json(found: list[Peer]) -> list[dict[str, Any]]:
    """Those that are installed."""
    return [
        {'job': peer.job, 'by': peer.name, 'wall': peer.wall.as_dict(), 'processor': peer.processor.as_dict()}
        for peer in found
        if not peer.missing
    ]
