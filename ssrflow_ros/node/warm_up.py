"""A first use of the method before the first sweep comes. No ROS."""
from __future__ import annotations

from typing import Callable

import numpy as np

from ..settings import Settings
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair


def warm_up(scene_flow: Callable[..., FlowField], settings: Settings) -> None:
    """Two passes over a made-up street, so that the first sweep need not wait for libraries and memory."""
    random = np.random.default_rng(0)
    points = random.uniform((-40, -20, 0), (40, 20, 4), (4 * settings.network_points, 3)).astype(np.float32)
    points[::2, 2] = 0.0
    points[:, 2] -= 1.8
    standing = EgoMotion(np.eye(4), 'given')
    for stamp_ns in range(1, 3):
        pair = SweepPair(Sweep.from_points(points, stamp_ns * 100_000_000), Sweep.from_points(points, 0))
        scene_flow(pair, standing)
