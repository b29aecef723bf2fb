"""Threads that share the network's loops: the same answer however many, and whoever comes late or never."""

import contextlib
import gc
import os
import threading
import time
from weakref import WeakSet

import numpy as np
import pytest
import torch

from ssrflow_ros import team
from ssrflow_ros.inference import network_runner
from ssrflow_ros.kernels import patches
from ssrflow_ros.operators import Searched
from ssrflow_ros.operators.cpu_patches import in_panels
from ssrflow_ros.settings import Settings

RNG = np.random.default_rng


@pytest.fixture
def of():
    """A team of so many."""
    before = team.size()
    yield team.set_size
    team.set_size(before)


def layers():
    rng = RNG(0)
    rows, weight, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((5000, 48), (32, 48), 32))
    return rows, in_panels(torch.from_numpy(weight), torch.from_numpy(bias))


def layer(rows, of_rows):
    out = np.full((len(rows), 32), np.nan, np.float32)
    given = rows, of_rows, np.float32(0.1), 2000
    team.do(len(rows), patches.layer, *given, np.zeros(2, np.int64), out)
    return out


@pytest.mark.parametrize('threads', [2, 3, 8])
def test_a_loop_is_done_once_by_all_together(of, threads):
    of(1)
    wanted = layer(*layers())
    of(threads)
    for _ in range(50):
        assert np.array_equal(layer(*layers()), wanted)


def test_callers_at_once_with_the_same_arrays():
    """Each row is added up once, by whoever took it, and every caller returns when all are done."""
    rows, of_rows = layers()
    out, turn, seen = np.full((len(rows), 32), np.nan, np.float32), np.zeros(2, np.int64), []

    def call():
        patches.layer(rows, of_rows, np.float32(0.1), 2000, turn, out)
        seen.append(np.isfinite(out).all())

    callers = [threading.Thread(target=call) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert seen == [True] * 5 and turn[1] >= len(rows)


def test_nobody_waits_for_a_helper_that_does_not_come(of):
    of(2)
    release, busy = threading.Event(), threading.Event()

    def first():
        if threading.current_thread().name == 'network':
            busy.set()
            release.wait()
        else:
            assert busy.wait(60)

    team._helpers.share(1, first)
    try:
        wanted = layer(*layers())
        index = Searched(torch.rand(2, 600, 3)).nearest(Searched(torch.rand(2, 600, 3)), 4)
        assert np.isfinite(wanted).all() and index.shape == (2, 600, 4)
    finally:
        release.set()


@pytest.mark.parametrize('threads', [1, 2, 5])
def test_each_item_once_and_in_order(of, threads):
    of(threads)
    done = []

    def work(item):
        done.append(item)
        return item * item

    assert team.each(1000, work, range(100)) == [item * item for item in range(100)]
    assert sorted(done) == [*range(100)]


@pytest.mark.parametrize('threads', [1, 3])
def test_what_fails_fails_for_the_caller(of, threads):
    of(threads)

    def work(item):
        if item == 7:
            raise MemoryError('no room')
        return item

    for _ in range(20):
        with pytest.raises(MemoryError, match='no room'):
            team.each(1000, work, range(20))
    assert team.each(1000, work, range(7)) == [*range(7)]


@pytest.mark.parametrize('others, helped', [(0, True), (1, True), (2, False), (3, False)])
def test_no_helper_takes_a_core_that_another_part_of_the_method_is_busy_on(of, others, helped):
    of(3)
    done = set()

    def work(_item):
        done.add(threading.current_thread().name)
        time.sleep(1e-3)

    with team.busy, contextlib.ExitStack() as busy:
        for _ in range(others):
            busy.enter_context(team.busy)
        for _ in range(100):
            team.each(1000, work, range(20))
            if 'network' in done:
                break
    assert ('network' in done) == helped and team.busy.threads == 0


@pytest.mark.parametrize('threads', [1, 2, 3, 8])
@pytest.mark.parametrize('clouds, rows', [(2, 2048), (2, 5), (1, 700), (3, 1025)])
def test_parts_are_all_rows_once(of, threads, clouds, rows):
    of(threads)
    seen = np.zeros((clouds, rows), int)
    for cloud, part in team.parts(clouds, rows):
        seen[cloud, part] += 1
    assert (seen == 1).all()


def test_searches_are_those_of_one_thread(of):
    points, queries = torch.rand(2, 3000, 3), torch.rand(2, 2500, 3)
    found = []
    for threads in (1, 2, 5):
        of(threads)
        found.append(Searched(points).nearest(Searched(queries), 8))
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_those_who_are_dismissed_end(of):
    before = threading.active_count()
    of(4)
    helpers = [thread for thread in threading.enumerate() if thread.name == 'network']
    of(1)
    for helper in helpers:
        helper.join(60)
    assert not any(helper.is_alive() for helper in helpers) and threading.active_count() <= before


@pytest.mark.filterwarnings('ignore:.*fork:DeprecationWarning')
def test_a_forked_process_does_all_by_itself(of):
    of(3)
    wanted = layer(*layers())
    child = os.fork()
    if child == 0:
        os._exit(0 if team.size() == 1 and np.array_equal(layer(*layers()), wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_network_that_leaves_its_device_leaves_the_others_their_threads(of, monkeypatch):
    monkeypatch.setattr(network_runner, '_on_device', WeakSet())  # those of other tests may be there
    one, other = (network_runner.NetworkRunner(Settings(device='cpu', threads=3)) for _ in range(2))
    one.offload()
    one.offload()
    assert team.size() == 3
    other.offload()
    assert team.size() == 1
    one.onload()
    assert team.size() == 3
    del one
    gc.collect()
    other.onload()
    other.offload()
    assert team.size() == 1, 'who is gone has no threads'


def test_helpers_do_not_keep_what_they_have_done(of):
    of(2)
    together = threading.Barrier(2)

    class Work:
        def __call__(self):
            together.wait(60)

    work = Work()
    kept = WeakSet([work])
    team._helpers.share(1, work)
    del work
    deadline = time.monotonic() + 60
    while kept and time.monotonic() < deadline:  # until the helper has returned from it
        time.sleep(0.001)
    assert not kept
