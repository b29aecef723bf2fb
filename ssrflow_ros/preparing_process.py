"""A `Preparation` in a process of its own, so that sweeps are prepared beside the network.

A thread would not do: small_gicp and fpsample hold Python's lock while they compute. Of each pair only
the sweep that the process does not have yet is sent; what comes back are masks, indices and points.
"""
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from .preparation import Preparation
from .process_memory import bound_memory
from .settings import Settings
from .signals import kept_from
from .steps.prepared import PreparedPair
from .sweep import EgoMotion, Sweep, SweepPair

_STARTING, _ENDING = 60.0, 5.0  # seconds that the process may take
_MOST_LOSSES = 3  # then something is wrong, and all is prepared here
_READY = 'ready'
_log = logging.getLogger(__name__)
_NO_ROWS = np.empty(0, np.int64)


class PreparingProcess:
    """Called like a `Preparation`, and waits for the answer without holding Python's lock.

    own     prepares here while the process is not ready: until it has loaded its libraries, and when it was lost.
    losses  how often the process has ended without being asked to; each time a warning is logged.

    One thread at a time may call it. `close` ends the process.
    """

    def __init__(self, own: Preparation):
        self._own = own
        self.losses = 0
        self._start()

    @property
    def settings(self) -> Settings:
        """Those that are live may be exchanged between pairs."""
        return self._own.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._own.settings = settings

    def reset(self) -> None:
        """Forget what is kept of the stream; the next pair is as a first one."""
        self._fresh = True
        self._own.reset()

    def wait(self) -> None:
        """Until the process is ready, so that it prepares every pair: one stream, one state, the same results."""
        self._connection.poll(_STARTING)

    def __call__(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """As `Preparation`."""
        try:
            if self._is_ready():
                known = not self._fresh and pair.target is self._last
                self._connection.send((self.settings, self._fresh, _slim(pair.source),
                                       None if known else _slim(pair.target), ego_motion))
                self._fresh, self._last = False, pair.source
                answer = self._connection.recv()
                if isinstance(answer, Exception):
                    raise answer
                if pair.source.times is not None:  # quicker done again than sent
                    pair = self._own.deskewing(pair, answer[0])
                return PreparedPair(pair, *answer)
        except (EOFError, ConnectionError):
            self.close()
            self._lost()
        return self._own(pair, ego_motion)

    def _lost(self) -> None:
        self.losses += 1
        again = self.losses < _MOST_LOSSES
        _log.warning('the process that prepares sweeps has ended (code %d), for the %d. time: %s; if nobody ended it, '
                     'see whether memory runs short, or set overlap to false', self._process.returncode, self.losses,
                     'a new one is started' if again else 'sweeps are prepared here from now on, one after the other')
        if again:
            self._start()

    def _is_ready(self) -> bool:
        if self._connection.closed:
            return False
        if not self._ready and self._connection.poll():
            self._ready = self._connection.recv() == _READY
        return self._ready

    def close(self) -> None:
        """End the process; what is asked then is prepared here."""
        self._connection.close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH'))))
        # Not multiprocessing's own start: it would run the caller's main program again.
        with kept_from(signal.SIGINT, signal.SIGTERM):  # it ends with this process
            self._process = subprocess.Popen(
                [sys.executable, '-m', __name__, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, env={**os.environ, 'PYTHONPATH': path})
        theirs.close()
        self._ready, self._fresh, self._last = False, True, None


def _slim(sweep: Sweep) -> Sweep:
    """The sweep without what preparation does not look at."""
    return Sweep(sweep.points, sweep.stamp_ns, sweep.frame_id, _NO_ROWS, 0, sweep.times)


def _serve(connection: Connection) -> None:
    """In the process: answer pair after pair; a ConnectionError or EOFError when the other end is closed."""
    threads = max(1, (os.cpu_count() or 1) // 4)  # the network beside wants most of the cores
    preparation, last = None, None
    connection.send(_READY)
    while True:
        settings, fresh, source, target, ego_motion = connection.recv()
        try:
            if preparation is None or fresh:
                preparation = Preparation(settings, threads)
            preparation.settings = settings
            done = preparation(SweepPair(source, last if target is None else target), ego_motion)
            answer = (done.ego_motion, done.ground, done.slope, done.rows, done.target, done.sampled,
                      done.sampled_target, done.range_images, done.past_age, done.in_free_space,
                      done.in_past_free_space, done.vacated_space, done.timings_ms)
        except Exception as error:
            answer = error
        last = source
        connection.send(answer)


if __name__ == '__main__':
    bound_memory()
    # It may be closed at any time, before the first pair too.
    with suppress(EOFError, ConnectionError):
        _serve(Connection(int(sys.argv[1])))
