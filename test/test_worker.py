"""Two workers in a row: newest only, in order, never more than one ahead, and a clean end."""

import threading
import weakref

from ssrflow_ros.node.worker import Worker

PATIENCE = 120.0  # seconds


def test_newest_only_and_what_was_pushed_out_is_told():
    go, begun, done, lost = threading.Event(), threading.Event(), [], []

    def work(job):
        begun.set()
        go.wait(PATIENCE)
        done.append(job)

    worker = Worker(work, lost.append)
    worker.put(1)
    assert begun.wait(PATIENCE)
    for job in (2, 3, 4):
        worker.put(job)
    go.set()
    worker.wait_until_idle()
    assert done == [1, 4] and len(lost) == 2
    assert worker.stop()


def test_what_is_handed_on_is_in_order_and_one_ahead():
    prepared, done, gate = [], [], threading.Semaphore(0)

    def second_half(job):
        gate.acquire(timeout=PATIENCE)
        done.append(job)

    second = Worker(second_half, lambda job: None)
    first_done = threading.Event()

    def first_half():
        for job in range(4):
            prepared.append(job)
            assert second.hand(job)
            assert len(prepared) <= len(done) + 2
        first_done.set()

    threading.Thread(target=first_half, daemon=True).start()
    for _ in range(4):
        gate.release()
    assert first_done.wait(PATIENCE)
    second.wait_until_idle()
    assert done == [0, 1, 2, 3]
    assert second.stop()


def test_hand_returns_when_the_worker_ends():
    go, begun = threading.Event(), threading.Event()

    def work(job):
        begun.set()
        go.wait(PATIENCE)

    second = Worker(work, lambda job: None)
    second.put(0)
    assert begun.wait(PATIENCE)
    waiting = threading.Thread(target=second.hand, args=(1,))
    waiting.start()
    assert not second.stop(timeout=0.2)
    waiting.join(PATIENCE)
    assert not waiting.is_alive() and not second.hand(2)
    go.set()
    assert second.stop()


def test_what_is_done_is_not_kept_until_the_next_one_comes():
    worker = Worker(lambda job: None, lambda job: None)
    job = threading.Event()
    kept = weakref.ref(job)
    worker.put(job)
    del job
    worker.wait_until_idle()
    assert kept() is None
    assert worker.stop()
