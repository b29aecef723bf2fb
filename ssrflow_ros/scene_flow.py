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
from .steps.ground import make_ground
from .steps.objects import ObjectFinder
from .steps.sampling import sample_pair
from .steps.upsampling import upsample
from .stopwatch import Stopwatch
from .sweep import EgoMotion, FlowField, PreparedPair, Sweep, SweepPair


class SceneFlow:
    """Estimates the scene flow of sweep pairs, as its settings say; build once, call for each pair."""

    def __init__(self, settings: Settings = Settings()):
        self.settings = settings
        self.device = choose_device(settings.device)
        if settings.threads:
            torch.set_num_threads(settings.threads)  # of the whole process; the searches follow it
        weights = load_weights(settings.weights, self.device)
        self.network, self.card = weights.network, weights.card
        self.reset()

    def reset(self) -> None:
        """Forget what is kept of the stream; the next pair is as a first one."""
        self.ego_motion = make_ego_motion(self.settings)
        self.ground = make_ground(self.settings)
        self.objects = ObjectFinder()
        self._ground_of: WeakKeyDictionary[Sweep, np.ndarray] = WeakKeyDictionary()

    def offload(self) -> None:
        """Free the device's memory; to be called between pairs, and `onload` before the next one."""
        self.network.to('cpu')
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()

    def onload(self) -> None:
        """Bring the network (back) to the device."""
        self.network.to(self.device)

    def __call__(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> FlowField:
        """Flow of `pair.source` until `pair.target`; `ego_motion`, if it is known, replaces the search.

        Raises EgoMotionError where the sensor's own motion cannot be found.
        """
        return self.estimate(self.prepare(pair, ego_motion))

    # Two halves that share no state: one thread may prepare the next pair while another one works on this.

    def prepare(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """The first half, up to the points that the network is to see; arguments and errors as in a call."""
        watch, settings, source = Stopwatch(), self.settings, pair.source.points

        with watch('ego_motion'):
            ego = ego_motion or self.ego_motion(pair)
            target = ego.into_source(pair.target.points)  # the static world now lies on itself

        with watch('ground'):
            ground = self._ground(pair.source)
            rows = np.flatnonzero(~ground & self._in_range(source))
            target = target[~self._ground(pair.target) & self._in_range(pair.target.points)]

        with watch('sample'):
            sampled = sample_pair(source[rows], target, settings.network_points, settings.seed)
        return PreparedPair(pair, ego, ground, rows, target, *sampled, watch.timings_ms)

    def estimate(self, prepared: PreparedPair) -> FlowField:
        """The second half: the network and what it means for every point."""
        watch, settings = Stopwatch(prepared.timings_ms), self.settings
        pair, ego, rows, target = prepared.pair, prepared.ego_motion, prepared.rows, prepared.target
        source = pair.source.points

        with watch('network'):
            points = source[rows[prepared.sampled]]
            motion = self._motion(points, target[prepared.sampled_target])  # residual displacement, m

        with watch('upsample'):
            residual = np.zeros_like(source)  # ground and what lies out of range stand still
            if len(points):
                residual[rows] = upsample(source[rows], points, motion)

        with watch('objects'):
            moved, object_ids, objects = self.objects(pair, ego, rows, target, residual, settings)

        flow = ego.displacement(source + moved) + moved
        velocity, raw = ((motion / pair.dt).astype(np.float32) for motion in (moved, residual))
        return FlowField(pair, ego, flow, velocity, object_ids >= 0, prepared.ground, object_ids,
                         objects, watch.timings_ms, raw)

    def _ground(self, sweep: Sweep) -> np.ndarray:
        """Ground mask of a sweep; in a stream each sweep serves twice and is looked at once."""
        if sweep not in self._ground_of:
            self._ground_of[sweep] = self.ground(sweep.points)
        return self._ground_of[sweep]

    def _in_range(self, points: np.ndarray) -> np.ndarray:
        return _squared_length(points) <= self.settings.max_range ** 2

    @torch.inference_mode()
    def _motion(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The network's flow (n, 3), metres; zero where there is nothing to match."""
        if not len(source) or not len(target):
            return np.zeros_like(source)
        clouds = [torch.from_numpy(points)[None].to(self.device) for points in (source, target)]
        return self.network.flow(*clouds)[0].cpu().numpy()


def _squared_length(vectors: np.ndarray) -> np.ndarray:
    return np.einsum('ij,ij->i', vectors, vectors)
