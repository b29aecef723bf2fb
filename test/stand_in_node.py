"""The real node around a stand-in for the method: instant, and right by construction.

Every point moves at 2 m/s along x; what lies at x > 0 is said to move, as one object. If the ego-motion is given,
points of one row are the same thing in both sweeps, and velocities are those of a perfect network. The number of
points makes it fail as scan matching fails, run out of memory, or take longer than any test waits; the setting
`weights` makes it fail to load, or to give a stream.
"""

import time
from types import SimpleNamespace

import numpy as np

from ssrflow_ros.errors import EgoMotionError, InputError, WeightsError
from ssrflow_ros.node.flow_node import main
from ssrflow_ros.steps.conditioning import unknown
from ssrflow_ros.steps.own_body import OwnBody
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject

FAILS_AT, OUT_OF_MEMORY_AT, SLOW_AT = 13, 14, 15
MISSING, BROKEN, WITHOUT_STREAM = 'missing', 'broken', 'without_stream'
SPEED = 2.0
TRACK, VARIANCE = 17, 0.25


class StandIn:
    """Answers like SceneFlow, is its own network, and the stream that it gives."""

    def __init__(self, settings):
        self.settings, self.inference, self.mounting_of = settings, self, unknown
        self.device, self.card = 'cpu', {}
        if settings.weights == MISSING:
            raise WeightsError('there are no such weights: look again')
        if settings.weights == BROKEN:
            raise RuntimeError('a fault of ours')

    def stream(self, mounting_of=unknown):
        if self.settings.weights == WITHOUT_STREAM:
            raise InputError('there is no stream: look again')
        self.tell('stream')
        self.own_body, self.mounting_of = OwnBody(), mounting_of
        return self

    def reset(self):
        self.tell('reset')

    def onload(self):
        self.tell('onload')

    def offload(self):
        self.tell('offload')

    def tell(self, what):
        print(f'stand-in: {what}', flush=True)

    def __call__(self, pair, ego_motion=None):
        return self.estimate(self.prepare(pair, ego_motion))

    def prepare(self, pair, ego_motion=None):
        mounting = self.mounting_of(pair.source.frame_id)
        if mounting is not None:
            self.tell(f'up is {mounting[2, :3].round(2).tolist()}')
        return SimpleNamespace(pair=pair, ego_motion=ego_motion, samples=())

    observe = prepare

    def sample(self, observed):
        return observed

    def estimate(self, prepared):
        pair, ego_motion = prepared.pair, prepared.ego_motion
        points = pair.source.points
        if len(points) == FAILS_AT:
            raise EgoMotionError('too few points match: drive slower')
        if len(points) == OUT_OF_MEMORY_AT:
            raise MemoryError('tried to allocate 80 GiB')
        if len(points) == SLOW_AT:
            self.tell('slow')
            time.sleep(600.0)
        if ego_motion is None:
            velocity = np.float32([[SPEED, 0, 0]]).repeat(len(points), 0)
            moving = points[:, 0] > 0
        else:
            velocity = (ego_motion.into_source(pair.target.points) - points) / np.float32(pair.dt)
            moving = np.linalg.norm(velocity, axis=1) > 0.5
        return FlowField(
            pair,
            ego_motion or EgoMotion(np.eye(4), 'none'),
            flow=velocity * np.float32(pair.dt),
            velocity=velocity,
            moving=moving,
            ground=~moving,
            object_ids=np.where(moving, 0, -1).astype(np.int32),
            objects=_objects(points[moving]),
            timings_ms={'network': 1.0},
        )


def _objects(points):
    """All of the points (n, 3) as one object."""
    if not len(points):
        return ()
    low, high = points.min(axis=0), points.max(axis=0)
    return (
        MovingObject(
            0,
            (low + high) / 2,
            high - low,
            0.0,
            np.array([SPEED, 0, 0]),
            len(points),
            TRACK,
            velocity_covariance=VARIANCE * np.eye(3),
        ),
    )


if __name__ == '__main__':
    main(make_scene_flow=StandIn)
