"""The real node around a stand-in for the method: instant, and right by construction.

Every point moves at 2 m/s along x; what lies at x > 0 is said to move. A second field of 13 points
makes it fail the way scan matching fails.
"""
import sys

import numpy as np

from ssrflow_ros.errors import EgoMotionError
from ssrflow_ros.node.flow_node import main
from ssrflow_ros.sweep import EgoMotion, FlowField

FAILS_AT = 13
SPEED = 2.0


class StandIn:
    """Answers like SceneFlow."""

    def __init__(self, settings):
        self.settings = settings

    def reset(self):
        pass

    def onload(self):
        pass

    def offload(self):
        pass

    def __call__(self, pair, ego_motion=None):
        points = pair.source.points
        if len(points) == FAILS_AT:
            raise EgoMotionError('too few points match: drive slower')
        velocity = np.zeros_like(points)
        velocity[:, 0] = SPEED
        moving = points[:, 0] > 0
        return FlowField(
            pair, ego_motion or EgoMotion(np.eye(4), 'none'), flow=velocity * np.float32(pair.dt),
            velocity=velocity, moving=moving, ground=~moving,
            object_ids=np.where(moving, 0, -1).astype(np.int32), timings_ms={'network': 1.0})


if __name__ == '__main__':
    sys.exit(main(make_scene_flow=StandIn))
