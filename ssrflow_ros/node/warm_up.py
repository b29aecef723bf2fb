"""A first use of the method before the first sweep comes. No ROS."""

from __future__ import annotations

from typing import Callable

import numpy as np

from ..settings import Settings
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair

SIZES = (0.5, 4, 16)
"""Points of the sweeps of the warm-up, in times `network_points`: fewer than it asks for, and more."""


def warm_up(scene_flow: Callable[..., FlowField], settings: Settings, go_on: Callable[[], bool] = lambda: True) -> bool:
    """Passes over a made-up street in several sizes, so that the first sweep need not wait for libraries and memory.

    `go_on` is asked before each; whether they were all made.
    """
    random = np.random.default_rng(0)
    for stamp_ns, times in enumerate(SIZES, 1):
        if not go_on():
            return False
        n_points = int(times * settings.network_points)
        street = random.uniform((-40, -20, 0), (40, 20, 4), (n_points, 3)).astype(np.float32)
        street[::2, 2] = 0.0
        street[:, 2] -= 1.8
        # Somebody crosses the road, before a wall and with nothing about him, so that objects are looked for, too.
        ahead = (street[:, 0] > 0) & (np.abs(street[:, 1]) < 8) & (street[:, 2] > -1.8)
        street[ahead, 0] = 25
        walker = random.uniform((8, 0, -1.5), (8.5, 0.5, 0), (100, 3)).astype(np.float32)
        now, before = (np.concatenate([street, walker + np.array([0, y, 0], np.float32)]) for y in (0, 1))
        pair = SweepPair(Sweep.from_points(now, stamp_ns * 100_000_000), Sweep.from_points(before, 0))
        scene_flow(pair, EgoMotion(np.eye(4), 'given'))
    return True
