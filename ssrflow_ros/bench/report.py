"""What was measured, as JSON in the words of ros2_benchmark, and as tables for the eye.

Times are milliseconds, rates frames a second, as there. What ros2_benchmark has no word for (stages,
blocks, alternatives, scaling) has a key of its own beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..table import print_table
from .alternatives import OURS
from .blocks import Block
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


def print_walk(title: str, one: Walk) -> None:
    """p50, p95, max of each stage."""
    rows = [*one.stages.items(), ('decode to encode', one.whole)]
    print_table(
        f'{title}, {one.points:.0f} points a cloud, ms: p50, p95, max',
        [(name, f'{timing.p50:8.1f} {timing.p95:8.1f} {timing.max:8.1f}') for name, timing in rows]
        + [('million points/s', f'{1e-3 * one.points / one.whole.p50:8.2f}')],
    )


def print_throughput(passes: dict[str, Throughput]) -> None:
    """Rate and latency of each, and what bounds the rate."""
    print_table(
        'stages of successive sweeps overlapped, as fast as it goes',
        [
            (
                title,
                f'{one.rate:5.1f} sweeps/s, latency p50 {one.latency.p50:.0f} ms, max {one.latency.max:.0f} ms'
                + (
                    f'; {one.cpu_ms:.0f} ms of processor time a sweep, so at most {one.most:.1f} sweeps/s'
                    if one.cpu_ms
                    else ''
                ),
            )
            for title, one in passes.items()
        ],
    )


def print_blocks(blocks: dict[str, Block], flops: float, bandwidth: float) -> None:
    """Sorted as they run."""
    print_table(
        'blocks of the network: ms p50, GFLOP, MB, floor in ms, times the floor',
        [
            (
                name,
                f'{block.timing.p50:8.1f} {block.flops / 1e9:7.2f} {block.bytes / 1e6:8.1f} {floor:7.2f} '
                + (f'{block.timing.p50 / floor:6.1f}' if floor > 0.05 else '     -'),
            )
            for name, block in blocks.items()
            for floor in [block.floor_ms(flops, bandwidth)]
        ],
    )


def print_alternatives(found: dict[str, dict[str, Timing]], missing: list[str]) -> None:
    """Each way's p50 and its ratio to ours."""
    for job, ways in found.items():
        print_table(
            f'{job}: ms p50, times ours',
            [(way, f'{timing.p50:9.2f} {timing.p50 / ways[OURS].p50:7.2f}') for way, timing in ways.items()],
        )
    if missing:
        print(f'\nnot installed, so not measured: {", ".join(missing)}')


def print_scaling(rows: list[dict]) -> None:
    """p50, rate of points, memory."""
    print_table(
        'scaling: ms p50, million points/s, peak memory of host and device in MB',
        [
            (
                f'{row["varied"]} {row[row["varied"]]}',
                row.get('error')
                or f'{row["P50_LATENCY"]:9.1f} {row["POINTS_PER_SECOND"] / 1e6:7.2f} '
                f'{row["PEAK_HOST_BYTES"] / 1e6:8.0f} {row["PEAK_DEVICE_BYTES"] / 1e6:8.0f}',
            )
            for row in rows
        ],
    )
