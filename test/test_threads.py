"""The same answer with any number of threads, to the bit: fresh processes, since threads are begun once in each."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
ALONE, AHEAD = 'alone', 'ahead'
"""All in one thread, one sweep after the other; or preparation, network and objects each in a thread of its own."""


def run(path, threads, way):
    """All arrays of a short stream; with a few points, and products large enough for MKL to share them out."""
    from ssrflow_ros import SceneFlow, Settings, SweepPair
    from ssrflow_ros.prefetch import prefetch
    from ssrflow_ros.simulator import simulate

    sweeps = [one.sweep for one in simulate(3_000_240, 4, 'vlp16', 'street')]
    stream = SceneFlow(Settings(threads=threads, network_points=512)).stream()
    pairs = [SweepPair(newer, older) for newer, older in zip(sweeps[1:], sweeps)]
    inferred = (
        (future.result() for _, future in prefetch(stream.prepare, stream.infer, pairs))
        if way == AHEAD
        else map(stream.infer, map(stream.prepare, pairs))
    )
    arrays = {}
    for number, field in enumerate(map(stream.detect, inferred)):
        arrays[f'{number} ego_motion'] = field.ego_motion.target_from_source
        for name in ('flow', 'velocity', 'moving', 'ground', 'object_ids', 'network_velocity', 'probability'):
            arrays[f'{number} {name}'] = getattr(field, name)
        for place, item in enumerate(field.objects):
            for name in ('centre', 'size', 'velocity', 'velocity_covariance'):
                arrays[f'{number} object {place} {name}'] = getattr(item, name)
    np.savez(path, **arrays)


@pytest.fixture(scope='module')
def answer(tmp_path_factory):
    def answer(threads, way):
        path = tmp_path_factory.mktemp('threads') / 'arrays.npz'
        told = {name: value for name, value in os.environ.items() if not name.endswith('NUM_THREADS')}
        command = [sys.executable, __file__, str(path), str(threads), way]
        subprocess.run(command, check=True, env={**told, 'OMP_NUM_THREADS': '3', 'PYTHONPATH': str(ROOT)})
        return np.load(path)

    return answer


@pytest.fixture(scope='module')
def of_one_thread(answer):
    return answer(1, ALONE)


@pytest.mark.skipif(platform.machine() not in ('x86_64', 'AMD64'), reason='tried on x86-64 alone')
@pytest.mark.parametrize(
    'threads, way',
    [(2, AHEAD), *(pytest.param(*way, marks=pytest.mark.slow) for way in ((1, AHEAD), (3, ALONE), (8, ALONE)))],
)
def test_threads_change_nothing(answer, of_one_thread, threads, way):
    found = answer(threads, way)
    assert found.files == of_one_thread.files and any('object' in name for name in found.files)
    differ = [name for name in found.files if found[name].tobytes() != of_one_thread[name].tobytes()]
    assert not differ, differ


if __name__ == '__main__':
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3])
