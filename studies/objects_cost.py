"""What moving objects cost: `python -m studies.objects_cost`.

One street of 122,509 returns, 26 movers show 8 of them and more (64 beams, simulated), newest sweep against the one
before it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from ssrflow_ros.bench.timing import Timing
from ssrflow_ros.objects.detector import ObjectDetector
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.sweep import SweepPair

_SEED, _SENSOR, _SCENE = 6_000_038, 'hdl64e', 'street'


def measure_crowd(method: SceneFlow, repeats: int = 20) -> tuple[Timing, Timing, int, int]:
    """Wall and CPU times of the step 'objects', points of the sweep, objects found."""
    older, newer = (labelled.sweep for labelled in simulate(_SEED, 2, _SENSOR, _SCENE))
    prepared = method.prepare(SweepPair(newer, older))
    flow = method.estimate(prepared)
    residual, wall, cpu = flow.network_velocity * np.float32(prepared.pair.dt), [], []
    for _ in range(repeats + 2):
        detector = ObjectDetector(method.classifier)
        begun = time.perf_counter(), time.process_time()
        detector(prepared, residual, method.settings)
        wall.append(1e3 * (time.perf_counter() - begun[0]))
        cpu.append(1e3 * (time.process_time() - begun[1]))
    return Timing(wall[2:]), Timing(cpu[2:]), len(newer), len(flow.objects)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=20)
    wall, cpu, points, objects = measure_crowd(SceneFlow(Settings()), parser.parse_args().repeats)
    print(
        f"step 'objects', {points} points, {objects} objects, {torch.get_num_threads()} threads, ms: "
        f'wall p50 {wall.p50:.1f} p95 {wall.p95:.1f} least {min(wall.ms):.1f}; '
        f'CPU p50 {cpu.p50:.1f} least {min(cpu.ms):.1f}'
    )


if __name__ == '__main__':
    main()
