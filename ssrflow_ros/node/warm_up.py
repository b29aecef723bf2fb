"""A first use of the method before the first sweep comes. No ROS."""

from __future__ import annotations

from typing import Callable

import numpy as np

from ..settings import Settings
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair

_STANDING = EgoMotion(np.eye(4), 'given')
_POINTS = 16
"""Of the sweeps of the warm-up, in times `network_points`: more than the network is given."""


def warm_up(scene_flow: Callable[..., FlowField], settings: Settings, go_on: Callable[[], bool] = lambda: True) -> bool:
    """A pass over a made-up street, so that the first sweep need not wait for libraries, loops and memory.

    `go_on` is asked before; whether it was made.
    """
    if not go_on():
        return False
    random = np.random.default_rng(0)
    street = random.uniform((-40, -20, 0), (40, 20, 4), (_POINTS * settings.network_points, 3)).astype(np.float32)
    street[::2, 2] = 0.0
    street[:, 2] -= 1.8
    # Somebody crosses the road, before a wall and with nothing about him, so that objects are looked for, too.
    ahead = (street[:, 0] > 0) & (np.abs(street[:, 1]) < 8) & (street[:, 2] > -1.8)
    street[ahead, 0] = 25
    walker = random.uniform((8, 0, -1.5), (8.5, 0.5, 0), (100, 3)).astype(np.float32)
    now, before = (np.concatenate([street, walker + np.array([0, y, 0], np.float32)]) for y in (0, 1))
    scene_flow(SweepPair(Sweep.from_points(now, 100_000_000), Sweep.from_points(before, 0)), _STANDING)
    return True
