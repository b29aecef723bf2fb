"""The whole method, to be read first: two LiDAR sweeps in, the motion of every point out.

    decode -> pair -> ego-motion -> ground -> sample -> SSRFlow -> upsample -> objects -> encode

Decoding and encoding belong to whoever holds the data (`formats` for files and bags, `node` for
ROS), pairing of a stream to `steps/pairing.py`; all between is the one call below, its first half, up
to the points that the network sees, in `preparation.py`. Each step is a room of its own in `steps/`
and `network/`; what passes between them is in `sweep.py`.

    >>> from ssrflow_ros import SceneFlow, Sweep, SweepPair
    >>> before, after = Sweep.from_points(xyz_0, stamp_ns=0), Sweep.from_points(xyz_1, stamp_ns=100_000_000)
    >>> field = SceneFlow()(SweepPair(before, after))
    >>> field.velocity[field.moving]    # m/s, row by row with before.points
"""
from __future__ import annotations

import os

import numpy as np
import torch

from .errors import WeightsError
from .network.compiled import CompiledFlow
from .network.device import autocast, choose_device, set_threads, synchronise
from .network.graphed import GraphedFlow
from .network.padded import PaddedFlow
from .network.weights import load_weights
from .preparation import Preparation
from .preparing_process import PreparingProcess
from .settings import Settings
from .steps.objects import ObjectFinder
from .steps.upsampling import upsample
from .stopwatch import Stopwatch
from .sweep import EgoMotion, FlowField, PreparedPair, SweepPair


class SceneFlow:
    """Estimates the scene flow of sweep pairs, as its settings say; build once, call for each pair.

    prepare  the first half, a `Preparation` or what is called like one; `estimate` is the second half.
    """

    def __init__(self, settings: Settings = Settings()):
        self.device = choose_device(settings.device)
        self._precision = autocast(self.device, settings.precision)
        set_threads(settings.threads)
        weights = load_weights(settings.weights, self.device)
        self.network, self.card = weights.network, weights.card
        # On a CPU where one has been compiled for it; on a GPU from the first pair on.
        self._padded: PaddedFlow | None = None
        if self.device.type == 'cpu' and settings.compiled:
            self._padded = CompiledFlow.found(self.network, settings.network_points)
        self.prepare = self._own = Preparation(settings)
        self._beside: PreparingProcess | None = None
        self.settings = settings
        self.objects = ObjectFinder()

    @property
    def compiled(self) -> bool:
        """Whether the network runs as `ssrflow compile` has made it."""
        return isinstance(self._padded, CompiledFlow)

    @property
    def settings(self) -> Settings:
        """Those that are live may be exchanged between pairs."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = self.prepare.settings = settings

    def reset(self) -> None:
        """Forget what is kept of the stream; the next pair is as a first one."""
        self.prepare.reset()
        self.objects = ObjectFinder()

    def offload(self) -> None:
        """Free the device's memory; to be called between pairs, and `onload` before the next one."""
        if self._beside is not None:
            self._beside.close()
        self.prepare, self._beside = self._own, None
        self.network.to('cpu')
        if self.device.type == 'cuda':
            self._padded = None  # its graph knows where the weights were
            torch.cuda.empty_cache()

    def onload(self, wait: bool = False) -> None:
        """Make ready for a stream: bring the network (back) to the device, start a process that prepares.

        The latter only if the setting `overlap` and the machine's cores allow; `wait` until it is ready.
        """
        self.network.to(self.device)
        if self._beside is None and self.settings.overlap and (os.cpu_count() or 1) > 1:
            self.prepare = self._beside = PreparingProcess(self._own)
            if wait:
                self._beside.wait()

    def __call__(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> FlowField:
        """Flow of `pair.source` until `pair.target`; `ego_motion`, if it is known, replaces the search.

        Raises EgoMotionError where the sensor's own motion cannot be found, WeightsError where float16 does not do.
        """
        return self.estimate(self.prepare(pair, ego_motion))

    def estimate(self, prepared: PreparedPair) -> FlowField:
        """The second half: the network and what it means for every point."""
        watch, settings = Stopwatch(prepared.timings_ms), self.settings
        pair, ego, source = prepared.pair, prepared.ego_motion, prepared.pair.source.points

        with watch('network'):
            seen = prepared.sampled.of(prepared.points)
            motion = self._motion(seen, prepared.sampled_target.of(prepared.target))  # residual displacement, m
            synchronise(self.device)  # for the times' sake alone
            if settings.precision == 'float16' and not motion.isfinite().all():
                raise WeightsError(f'weights {settings.weights}: what the network computes here is too large for '
                                   'float16: set precision to float32 or bfloat16')

        with watch('upsample'):
            residual = np.zeros_like(source)  # ground and what lies out of range stand still
            if len(seen):
                residual[prepared.rows] = upsample(prepared.points, seen[:, :3], motion)

        with watch('objects'):
            moved, object_ids, objects = self.objects(prepared, residual, settings)

        flow = ego.displacement(source + moved) + moved
        velocity, raw = ((motion / pair.dt).astype(np.float32) for motion in (moved, residual))
        return FlowField(pair, ego, flow, velocity, moved.any(axis=1), prepared.ground, object_ids,
                         objects, watch.timings_ms, raw)

    @torch.inference_mode()
    def _motion(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """The network's flow (n, 3), metres, on the device, of points as `Sample.of` gives them, (n, 10), (m, 10).

        Zero where nothing can match.
        """
        if not len(source) or not len(target):
            return torch.zeros(len(source), 3)
        if self.device.type == 'cuda' and self._padded is None:
            self._padded = GraphedFlow(self.network, self.settings.network_points, self._precision)
        if self._padded is not None:
            return self._padded(source, target)
        clouds = [torch.from_numpy(points)[None].to(self.device) for points in (source, target)]
        with self._precision:
            return self.network.flow(*clouds)[0]
