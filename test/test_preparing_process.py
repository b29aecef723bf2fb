"""A process that prepares gives what a `Preparation` gives, and its loss costs nothing but time."""
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ssrflow_ros import Settings, Sweep, SweepPair
from ssrflow_ros.errors import EgoMotionError
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.preparing_process import PreparingProcess

SETTINGS = Settings(network_points=256, ground='none', ego_motion='none')
FIELDS = ('ground', 'rows', 'target', 'past_age', 'in_free_space', 'in_past_free_space', 'vacated_space')


def stream(n, count=3000):
    rng = np.random.default_rng(0)
    sweeps = [Sweep.from_points(rng.uniform(-20, 20, (count, 3)), stamp_ns=i) for i in range(1, n + 2)]
    return [SweepPair(new, old) for old, new in zip(sweeps, sweeps[1:])]


@pytest.fixture(scope='module')
def process():
    process = PreparingProcess(Preparation(SETTINGS))
    process.wait()
    yield process
    process.close()


def assert_same(one, other):
    assert one.pair is other.pair
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in FIELDS)
    assert all(np.array_equal(getattr(getattr(one, name), part), getattr(getattr(other, name), part))
               for name in ('sampled', 'sampled_target') for part in ('rows', 'offsets', 'margins'))
    assert list(one.timings_ms) == list(other.timings_ms)


def pid_of(process):
    return process._process.pid


def test_same_as_here_also_after_other_settings_and_a_reset(process):
    here = Preparation(SETTINGS)
    for number, pair in enumerate(stream(3)):
        prepared = here(pair)
        assert_same(process(pair), prepared)
        assert (prepared.past_age > 0) == (number > 0)
    process.settings = here.settings = SETTINGS.replace(network_points=300)
    pair = stream(1)[0]
    assert_same(process(pair), here(pair))
    process.reset()
    assert_same(process(pair), here(pair))
    assert len(process(pair).sampled.rows) == 300


def test_the_process_loads_no_torch():
    loaded = subprocess.run([sys.executable, '-c', 'import sys, ssrflow_ros.preparing_process; print(*sys.modules)'],
                            capture_output=True, text=True, check=True).stdout.split()
    assert 'numpy' in loaded and 'torch' not in loaded


def test_errors_come_back(process):
    process.settings = SETTINGS.replace(ego_motion='odometry')
    process.reset()
    with pytest.raises(EgoMotionError, match='came with the pair'):
        process(stream(1)[0])
    process.settings = SETTINGS
    process.reset()
    assert len(process(stream(1)[0]).sampled.rows) == 256


def test_loss_costs_no_pair_and_a_new_process_follows(process, caplog):
    process.settings = SETTINGS
    first, second, third = stream(3)
    lost = pid_of(process)
    assert_same(process(first), Preparation(SETTINGS)(first))
    os.kill(lost, signal.SIGKILL)
    assert_same(process(second), Preparation(SETTINGS)(second))  # what had been seen before is lost with it
    assert pid_of(process) != lost
    assert process.losses == 1
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert 'has ended (code -9), for the 1. time: a new one is started' in caplog.text
    process.wait()
    assert_same(process(third), Preparation(SETTINGS)(third))


def test_what_is_lost_again_and_again_is_done_without(process):
    pair = stream(1)[0]
    for _ in range(4):
        if process._process.poll() is None:
            os.kill(pid_of(process), signal.SIGKILL)
            process._process.wait()
        assert len(process(pair).sampled.rows) == 256
    assert process._connection.closed and process._process.poll() is not None


def test_signals_to_the_whole_group_are_not_for_it():
    """Not even while it is Python that starts."""
    process = PreparingProcess(Preparation(SETTINGS))
    try:
        for _ in range(20):
            os.kill(pid_of(process), signal.SIGINT)
            os.kill(pid_of(process), signal.SIGTERM)
            time.sleep(0.02)
        process.wait()
        assert len(process(stream(1)[0]).sampled.rows) == 256
        assert process.losses == 0
    finally:
        process.close()


def test_it_says_nothing_when_it_is_not_wanted_any_more(capfd):
    PreparingProcess(Preparation(SETTINGS)).close()
    assert capfd.readouterr().err == ''
