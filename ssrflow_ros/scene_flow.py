"""The whole method, to be read first: two LiDAR sweeps in, the motion of every point out.

    decode -> pair -> ego-motion -> ground -> sample -> SSRFlow -> upsample -> objects -> encode

Decoding and encoding belong to whoever holds the data (`formats` for files and bags, `node` for
ROS), pairing of a stream to `steps/pairing.py`; all between is the one call below. Each step is a
room of its own in `steps/` and `network/`; what passes between them is in `sweep.py`.

    >>> from ssrflow_ros import SceneFlow, Sweep, SweepPair
    >>> before, after = Sweep.from_points(xyz_0, stamp_ns=0), Sweep.from_points(xyz_1, stamp_ns=100_000_000)
    >>> field = SceneFlow()(SweepPair(before, after))
    >>> field.velocity[field.moving]    # m/s, row by row with before.points
"""
from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import torch

from .network.device import choose_device
from .network.weights import load_weights
from .settings import Settings
from .steps.ego_motion import make_ego_motion
from .steps.evidence import standing_still
from .steps.ground import make_ground
from .steps.objects import describe_objects, find_clusters
from .steps.sampling import sample_pair
from .steps.upsampling import upsample
from .stopwatch import Stopwatch
from .sweep import EgoMotion, FlowField, Sweep, SweepPair


class SceneFlow:
    """Estimates the scene flow of sweep pairs, as its settings say; build once, call for each pair."""

    def __init__(self, settings: Settings = Settings()):
        self.settings = settings
        self.device = choose_device(settings.device)
        if settings.threads:
            torch.set_num_threads(settings.threads)  # of the whole process; the searches follow it
        weights = load_weights(settings.weights, self.device)
        self.network, self.card = weights.network, weights.card
        self.ego_motion = make_ego_motion(settings)
        self.ground = make_ground(settings)
        self._ground_of: WeakKeyDictionary[Sweep, np.ndarray] = WeakKeyDictionary()

    def __call__(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> FlowField:
        """Flow of `pair.source` until `pair.target`; `ego_motion`, if it is known, replaces the search.

        Raises EgoMotionError where the sensor's own motion cannot be found.
        """
        watch, settings, source = Stopwatch(), self.settings, pair.source.points

        with watch('ego_motion'):
            ego = ego_motion or self.ego_motion(pair)
            target = ego.into_source(pair.target.points)  # the static world now lies on itself

        with watch('ground'):
            ground = self._ground(pair.source)
            seen = ~ground & self._in_range(pair.source.points)
            target = target[~self._ground(pair.target) & self._in_range(pair.target.points)]

        with watch('sample'):
            rows = np.flatnonzero(seen)
            sampled, sampled_target = sample_pair(source[rows], target, settings.network_points, settings.seed)

        with watch('network'):
            points = source[rows[sampled]]
            motion = self._motion(points, target[sampled_target])  # residual displacement, m

        with watch('upsample'):
            residual = np.zeros_like(source)  # ground and what lies out of range stand still
            if len(points):
                residual[rows] = upsample(source[rows], points, motion)
            moving = np.linalg.norm(residual, axis=1) >= settings.moving_speed * abs(pair.dt)
            residual[~moving] = 0.0  # what is slower is called static, and then it is exactly that

        with watch('objects'):
            clusters = find_clusters(source, residual / pair.dt, moving, settings)
            still = standing_still(pair, ego, target, residual, clusters)
            residual[still], moving[still], clusters[still] = 0.0, False, -1
            object_ids, objects = describe_objects(source, residual / pair.dt, clusters)

        velocity = (residual / pair.dt).astype(np.float32)
        flow = ego.displacement(source + residual) + residual
        return FlowField(pair, ego, flow, velocity, moving, ground, object_ids, objects, watch.timings_ms)

    def _ground(self, sweep: Sweep) -> np.ndarray:
        """Ground mask of a sweep; in a stream each sweep serves twice and is looked at once."""
        if sweep not in self._ground_of:
            self._ground_of[sweep] = self.ground(sweep.points)
        return self._ground_of[sweep]

    def _in_range(self, points: np.ndarray) -> np.ndarray:
        return np.einsum('ij,ij->i', points, points) <= self.settings.max_range ** 2

    @torch.inference_mode()
    def _motion(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The network's flow (n, 3), metres; zero where there is nothing to match."""
        if not len(source) or not len(target):
            return np.zeros_like(source)
        clouds = [torch.from_numpy(points)[None].to(self.device) for points in (source, target)]
        return self.network.flow(*clouds)[0].cpu().numpy()
