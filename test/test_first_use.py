"""What a command tells before this machine's first use of the method."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rosbags')
pytest.importorskip('matplotlib')

from test_nothing_is_lost import GOOD, forked, materials, tree  # noqa: F401  fixtures

from ssrflow_ros.kernels import compiled

ROOT = Path(__file__).resolve().parents[1]
TELLING = ('flow', 'bag', 'demo', 'bench', 'evaluate', 'doctor', 'adapt', 'view')


def test_commands_that_run_the_method_say_once_that_loops_are_compiled(tree, monkeypatch):  # noqa: F811
    monkeypatch.setattr(compiled, 'are_cold', lambda: True)
    told = {command: _lines(forked(tree, GOOD[command].split())[1]) for command in [*TELLING, 'pack']}
    assert told == {**dict.fromkeys(TELLING, 1), 'pack': 0}


def test_it_is_said_on_stderr_until_they_have_been_compiled(tmp_path):
    say = 'from ssrflow_ros.cli.first_use import tell_if_cold; tell_if_cold()'
    use = (
        'import numpy as np; from ssrflow_ros.kernels.interpolation import interpolated; '
        'f, i = np.zeros((1, 3), np.float32), np.zeros((1, 1), np.int64); interpolated(f, i[0], i, f, f, np.float32(1))'
    )
    told = [
        subprocess.run(
            [sys.executable, '-c', line],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'NUMBA_CACHE_DIR': str(tmp_path)},
        )
        for line in (say, use, say)
    ]
    assert [_lines(one.stderr) for one in told] == [1, 0, 0] and not any(one.stdout for one in told)


def _lines(said):
    return said.splitlines().count(f'ssrflow: {compiled.COMPILING}')
