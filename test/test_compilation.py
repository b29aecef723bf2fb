"""Kernels compiled side by side."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssrflow_ros import compilation

pytest.importorskip('rosbags')
ROOT = Path(__file__).resolve().parents[1]
PLAYED = """
from studies.kernel_signatures import play, signatures
from ssrflow_ros.kernels.compiled import compile_file
from ssrflow_ros.kernels.signatures import SIGNATURES
for file in SIGNATURES:
    compile_file(file)
before = signatures()
play()
for file, kernels in signatures().items():
    for kernel, lines in kernels.items():
        for line in {*lines} - {*before.get(file, {}).get(kernel, ())}:
            print('NOT LISTED', file, kernel, line)
"""


def test_after_a_first_start_a_stream_compiles_nothing():
    told = subprocess.run([sys.executable, '-c', PLAYED], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    unlisted = [line for line in told.splitlines() if line.startswith('NOT LISTED')]
    assert not unlisted, 'python -m studies.kernel_signatures lists them'


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a process does not end with the one that started it')
@pytest.mark.parametrize('ending', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_is_ended_leaves_no_process_behind(tmp_path, ending):
    line = 'from ssrflow_ros.compilation import compiled_side_by_side as a; list(a(["patches", "tiles"]))'
    environment = {**os.environ, 'NUMBA_CACHE_DIR': str(tmp_path)}
    started = subprocess.Popen([sys.executable, '-c', line], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    children = Path(f'/proc/{started.pid}/task/{started.pid}/children')
    workers = _until(lambda: children.read_text().split())
    _until(lambda: any(tmp_path.rglob('*.nbi')))  # one is at work
    started.send_signal(ending)
    assert started.wait(10) != 0
    _until(lambda: not any(Path(f'/proc/{worker}').exists() for worker in workers))


def _until(found, seconds=60):
    end = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return what


def test_without_processes_nothing_is_compiled_before_it_is_called(monkeypatch):
    def refused(*_, **__):
        raise OSError(12, 'Cannot allocate memory')

    monkeypatch.setattr(subprocess, 'Popen', refused)
    assert list(compilation.compiled_side_by_side(['curve'])) == []
