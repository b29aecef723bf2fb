"""One thread and one slot: only the newest job is done, so that the node never lags. No ROS."""

from __future__ import annotations

import threading
from typing import Callable, Generic, TypeVar

Job = TypeVar('Job')


class Worker(Generic[Job]):
    """Does `work(job)` for the newest job, in a thread of its own.

    work      called in the worker's thread; it handles its own errors.
    replaced  called with each job that a newer one, or the end, pushed out of the slot before it was begun.
    """

    def __init__(self, work: Callable[[Job], None], replaced: Callable[[Job], object]):
        self._work = work
        self._replaced = replaced
        self._slot: Job | None = None
        self._stopping = self._busy = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name='ssrflow_worker', daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Make `job` the next one to be done; never blocks."""
        with self._changed:
            pushed_out, self._slot = self._slot, job
            self._changed.notify_all()
        if pushed_out is not None:
            self._replaced(pushed_out)

    def hand(self, job: Job) -> bool:
        """Make `job` the next one and wait until it is begun, so that nothing piles up; False if this has ended."""
        with self._changed:
            if self._stopping:
                return False
            self._slot = job
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._slot is not job)
            return True

    def wait_until_idle(self) -> None:
        """Until nothing is being done, nor waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._slot is None and not self._busy)

    def stop(self, timeout: float = 5.0) -> bool:
        """End after the job at hand, or give up waiting after `timeout` s; whether the thread has ended."""
        with self._changed:
            self._stopping = True
            pushed_out, self._slot = self._slot, None
            self._changed.notify_all()
        if pushed_out is not None:
            self._replaced(pushed_out)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._slot is not None)
                job = self._slot
                if self._stopping or job is None:
                    return
                self._slot, self._busy = None, True
                self._changed.notify_all()
            self._work(job)
            del job  # lest it hold a sweep's arrays until the next one comes
            with self._changed:
                self._busy = False
                self._changed.notify_all()
