"""The whole method, to be read first: two LiDAR sweeps in, the motion of every point out.

    decode -> pair -> ego-motion -> ground -> sample -> SSRFlow -> upsample -> objects -> encode

Decoding and encoding belong to whoever holds the data (`formats` for files and bags, `node` for
ROS); everything between is the one call below. Each step is a room of its own in `steps/`; what
passes between them is in `sweep.py`.

    >>> from ssrflow_ros import SceneFlow, Sweep, SweepPair
    >>> pair = SweepPair(Sweep.from_points(xyz_before, 0), Sweep.from_points(xyz_after, 100_000_000))
    >>> flow = SceneFlow()(pair)
    >>> flow.velocity[flow.moving]
"""
from __future__ import annotations

from .settings import Settings
from .steps.ego_motion import make_ego_motion
from .steps.ground import make_ground
from .steps.objects import find_objects
from .steps.sampling import sample_pair
from .steps.upsampling import interpolate
from .stopwatch import Stopwatch
from .sweep import EgoMotion, FlowField, SweepPair


class SceneFlow:
    """Estimates scene flow between two sweeps, as the settings say."""
