"""What happens to the node, phase after phase; each lasts its seconds and leaves the node active and listened to."""

from __future__ import annotations

import itertools
import time
from typing import Callable, Iterator

from lifecycle_msgs.msg import Transition

from .clouds import malformed, stamped, there_and_back
from .driver import Driver

LOOP_S = 5.0
"""By so much the stamps go back where a bag begins anew."""
ROUND_S = 4.0
"""Seconds of clouds after each deactivating and activating of the rounds at the end."""


class Play:
    """Sends clouds at a rate, and calls what happens between them."""

    def __init__(self, driver: Driver, clouds: list[bytes], check: Callable[[], None]):
        """`check` raises if the node has ended."""
        self.driver = driver
        self._clouds, self._check = there_and_back(clouds), check
        self._malformed = itertools.cycle(malformed())
        self._behind_ns = 0

    def send(self, hz: float, seconds: float) -> Iterator[float]:
        """Send, and yield the seconds since the beginning after each cloud."""
        begun, sent = time.monotonic(), 0
        while (now := time.monotonic() - begun) < seconds:
            if now < sent / hz:
                time.sleep(sent / hz - now)
            self._check()
            self.driver.publish(stamped(next(self._clouds), self._stamp()))
            # After a wait for a service the clouds of meanwhile are not made up for.
            sent = max(sent + 1, int((time.monotonic() - begun) * hz))
            yield time.monotonic() - begun

    def burst(self, count: int = 10) -> None:
        """Malformed clouds, faster than any sensor sends."""
        for _ in range(count):
            self.driver.publish(stamped(next(self._malformed), self._stamp()))
            time.sleep(0.02)

    def loop(self) -> None:
        """From now on the stamps are older: a bag has begun anew."""
        self._behind_ns += int(LOOP_S * 1e9)

    def _stamp(self) -> int:
        return time.time_ns() - self._behind_ns


def steady_10_hz(play: Play, seconds: float) -> None:
    for _ in play.send(10, seconds):
        pass


def steady_20_hz(play: Play, seconds: float) -> None:
    for _ in play.send(20, seconds):
        pass


def listeners_come_and_go(play: Play, seconds: float) -> None:
    for now in play.send(20, seconds):
        play.driver.listen('flow', int(now / 2) % 2 == 0)
        play.driver.listen('markers', int(now / 3) % 2 == 0)


def bag_loops(play: Play, seconds: float) -> None:
    loops = 0
    for now in play.send(10, seconds):
        if now / LOOP_S > loops + 1:
            loops += 1
            play.loop()


def malformed_bursts(play: Play, seconds: float) -> None:
    bursts = 0
    for now in play.send(10, seconds):
        if now / 2 > bursts:
            bursts += 1
            play.burst()


def services(play: Play, seconds: float) -> None:
    steps = itertools.cycle(
        (play.driver.reset, lambda: play.driver.set_enabled(False), lambda: play.driver.set_enabled(True))
    )
    calls = 0
    for now in play.send(20, seconds):
        if now > calls:
            calls += 1
            next(steps)()


def lifecycle(play: Play, seconds: float) -> None:
    for _ in play.send(10, seconds / 3):
        pass
    play.driver.change_state(Transition.TRANSITION_DEACTIVATE)
    for _ in play.send(10, seconds / 3):
        pass
    play.driver.change_state(Transition.TRANSITION_ACTIVATE)
    for _ in play.send(10, seconds / 3):
        pass


def rounds(play: Play, count: int) -> Iterator[int]:
    """Deactivate and activate the node `count` times, each time with some seconds of clouds; yields the number done."""
    for number in range(1, count + 1):
        play.driver.change_state(Transition.TRANSITION_DEACTIVATE)
        play.driver.change_state(Transition.TRANSITION_ACTIVATE)
        for _ in play.send(10, ROUND_S):
            pass
        yield number


PHASES = (steady_10_hz, steady_20_hz, listeners_come_and_go, bag_loops, malformed_bursts, services, lifecycle)


def run_phase(phase: Callable[[Play, float], None], play: Play, seconds: float) -> None:
    """One phase, after which the node is as it was."""
    phase(play, seconds)
    play.driver.set_enabled(True)
    play.driver.listen('flow')
    play.driver.listen('markers', False)
