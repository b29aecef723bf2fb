"""Ctrl-C and SIGTERM at random moments; the whole of it: python test/signal_moments.py 50 1."""

import random
import signal
import subprocess
import sys

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('rosbags')

from signal_moments import KINDS, WAYS, Moments  # noqa: E402
from test_cli import ENVIRONMENT  # noqa: E402


@pytest.fixture(scope='module')
def moments(tmp_path_factory):
    return Moments(tmp_path_factory.mktemp('moments'))


@pytest.mark.parametrize('way', [1, 2])
@pytest.mark.parametrize('kind', KINDS)
def test_nothing_is_left_and_nothing_but_a_line_is_said(moments, kind, way):
    assert not moments.fault(kind, random.uniform(0.0, 8.0), *WAYS[way])


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_fifty_moments(moments, kind):
    length = moments.length(kind)
    faults = [moments.fault(kind, random.uniform(0.0, length), *WAYS[number % len(WAYS)]) for number in range(50)]
    assert not any(faults), '\n'.join(filter(None, faults))


def test_an_import_is_not_interrupted(tmp_path):
    """What is loaded would turn the exception into errors of its own, or drop it."""
    (tmp_path / 'loaded.py').write_text(
        'import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.2)\nprint("whole", flush=True)\n'
    )
    code = (
        'import time\n'
        'from ssrflow_ros.cli import main\n'
        'def run(*_):\n'
        '    try:\n'
        '        import loaded\n'
        '        time.sleep(600)\n'  # the exception comes here, or just before: never within what ends
        '    finally:\n'
        '        print("after it", flush=True)\n'
        'main._run = run\n'
        'raise SystemExit(main.main(["flow"]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=ENVIRONMENT, timeout=120, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ('whole\nafter it\n', 130)
    assert done.stderr == 'ssrflow: error: stopped by Ctrl-C\n'


def test_what_does_not_unwind_is_left_without_anything_half_written(tmp_path):
    code = (
        'import os, signal, time\n'
        'from ssrflow_ros.cli import ending, main\n'
        'from ssrflow_ros.atomic_write import atomic_write\n'
        'ending.GRACE = 0.3\n'
        'def run(*_):\n'
        '    with atomic_write("out") as unfinished:\n'
        '        unfinished.write_text("half")\n'
        '        try:\n'
        '            os.kill(os.getpid(), signal.SIGTERM)\n'
        '        finally:\n'
        '            time.sleep(600)\n'
        'main._run = run\n'
        'raise SystemExit(main.main(["flow"]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=ENVIRONMENT, timeout=120, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (143, 'ssrflow: error: stopped by SIGTERM\n')
    assert not list(tmp_path.iterdir())


def test_the_handlers_of_whoever_calls_it_come_back():
    from ssrflow_ros.cli.main import main

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.excepthook
    assert main(['no such command']) == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.excepthook) == before
