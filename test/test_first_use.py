"""What a command does before this machine's first use of the method."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rosbags')
pytest.importorskip('matplotlib')

from test_nothing_is_lost import GOOD, forked, materials, tree  # noqa: F401  fixtures

from ssrflow_ros import compilation

ROOT = Path(__file__).resolve().parents[1]
TELLING = ('flow', 'bag', 'demo', 'bench', 'evaluate', 'doctor', 'adapt', 'view')
ONE_FILE = """
from ssrflow_ros.kernels.signatures import SIGNATURES
for name in {*SIGNATURES} - {'curve'}:
    del SIGNATURES[name]
from ssrflow_ros.cli.first_use import compile_if_cold
compile_if_cold()
"""


def test_commands_that_run_the_method_say_once_that_loops_are_compiled(tree, monkeypatch):  # noqa: F811
    monkeypatch.setattr(compilation, 'cold_files', lambda: ['curve'])
    monkeypatch.setattr(compilation, 'compiled_side_by_side', iter)
    told = {command: _lines(forked(tree, GOOD[command].split())[1]) for command in [*TELLING, 'pack']}
    assert told == {**dict.fromkeys(TELLING, 1), 'pack': 0}


def test_it_is_said_on_stderr_until_they_have_been_compiled(tmp_path):
    told = [_first_use(NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert [_lines(one) for one in told] == [1, 0] and told[1] == ''
    assert list(tmp_path.rglob('curve.along_curve*.nbc'))


def test_where_nothing_can_be_kept_that_is_said_each_time_and_nothing_compiled_before_it_is_called(tmp_path):
    refused = """
from ssrflow_ros.kernels import compiled
class Refused(compiled._Cache):
    def __init__(self, kernel):
        raise RuntimeError('cannot cache function')
compiled._Cache = Refused
"""
    for _ in range(2):
        told = _first_use(refused + ONE_FILE, NUMBA_CACHE_DIR=str(tmp_path))
        assert _lines(told, compilation.COMPILING_ALWAYS) == 1 and not any(tmp_path.rglob('*.nbi'))


def _first_use(program=ONE_FILE, **environment):
    """What stderr says, of a program that comes by stdin; stdout must stay empty."""
    done = subprocess.run(
        [sys.executable, '-'],
        input=program,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
    )
    assert not done.stdout
    return done.stderr


def _lines(said, line=compilation.COMPILING):
    return said.splitlines().count(f'ssrflow: {line}')
