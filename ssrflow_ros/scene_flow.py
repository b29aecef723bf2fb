"""The whole method, to be read first: two LiDAR sweeps in, the motion of every point out.

    decode -> pair -> ego-motion -> ground -> sample -> SSRFlow -> upsample -> objects -> encode

Decoding and encoding belong to whoever holds the data (`formats` for files and bags, `node` for ROS), pairing to
`stream.py`. All between is here, its first half, up to the points that the network sees, in `preparation.py`. Each
step is a room of its own in `steps/`, `network/` and `objects/`; what passes between them is in `sweep.py`.

    >>> from ssrflow_ros import SceneFlow
    >>> scene_flow = SceneFlow()
    >>> flow = scene_flow(before, after, dt=0.1)    # (N, 3+) arrays, metres, x forward, z up
    >>> flow.velocity[flow.moving]                  # m/s, the sensor's own motion removed

More of it in docs/python.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, overload

import numpy as np

from . import team
from .inference.network_runner import NetworkRunner
from .inputs import Cloud, Motion, as_motion, as_pair
from .kernels.returns import put_rows
from .objects.detector import ObjectDetector
from .objects.motion_classifier import MotionClassifier
from .preparation import Preparation, with_samples
from .settings import Settings
from .steps.conditioning import MountingOf, unknown
from .steps.prepared import PreparedPair, Sample
from .steps.upsampling import upsample
from .stopwatch import Stopwatch
from .stream import Stream
from .sweep import EgoMotion, FlowField, SweepPair


class SceneFlow:
    """Estimates scene flow as its settings say. Build it once: a call depends on what it is given, and on nothing else.

    inference   the network with its weights, on its device.
    classifier  the fitted models of the detector of objects.
    settings    those that are live may be exchanged between pairs.
    """

    def __init__(self, settings: Settings = Settings()):
        self.settings = settings
        self.inference = NetworkRunner(settings)
        self.classifier = MotionClassifier.load(calibration=settings.calibration)

    @overload
    def __call__(self, source: SweepPair, ego_motion: Motion = None, /) -> FlowField: ...

    @overload
    def __call__(self, source: SweepPair, *, ego_motion: Motion) -> FlowField: ...

    @overload
    def __call__(
        self, source: Cloud, target: Cloud, ego_motion: Motion = None, *, dt: float | None = None
    ) -> FlowField: ...

    def __call__(
        self, source: Any, target: Any = None, ego_motion: Any = None, *, dt: float | None = None
    ) -> FlowField:
        """Flow of the source's points until the target, of which the settings decide what returns are used.

        source, target  a SweepPair; or two arrays (N, 3+), (M, 3+) m, `dt` s apart; or two Sweeps.
        ego_motion      replaces the search if it is known: an EgoMotion or a (4, 4) array target_from_source.

        Raises InputError for what is no cloud, PairError for what is no pair, EgoMotionError where the sensor's own
        motion cannot be found, WeightsError where float16 does not do.
        """
        if isinstance(source, SweepPair) and ego_motion is None:
            target, ego_motion = None, target
        return self.estimate(self.prepare(as_pair(self.settings, source, target, dt), as_motion(ego_motion)))

    def stream(self, mounting_of: MountingOf = unknown) -> Stream:
        """A stream of sweeps, which is remembered; `mounting_of` may say how their frame lies on the robot."""
        return Stream(self, mounting_of)

    def prepare(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """The first half, of a pair by itself: everything before the network. Every point of the sweeps is taken."""
        return with_samples(Preparation(self.settings)(pair, ego_motion), self.settings)

    def estimate(self, prepared: PreparedPair, detector: ObjectDetector | None = None) -> FlowField:
        """The second half: the network, and what it means for every point; `detector` is that of a stream.

        Where the network is not asked, `prepared` has no samples, the tracks of the detector's objects stand in for it.
        """
        return self.detect(self.infer(prepared), detector)

    @team.busy
    def infer(self, prepared: PreparedPair) -> PreparedPair:
        """The pair with what the network says of it, where it is asked."""
        if prepared.samples is None:
            return prepared
        watch = Stopwatch(prepared.timings_ms)
        residual = self._network_flow(prepared, *prepared.samples, watch)
        return replace(prepared, residual=residual, timings_ms=watch.timings_ms)

    @team.busy
    def detect(self, inferred: PreparedPair, detector: ObjectDetector | None = None) -> FlowField:
        """What moves by itself, and so the answer for every point; `detector` as of `estimate`."""
        watch, detect = Stopwatch(inferred.timings_ms), detector or ObjectDetector(self.classifier)

        with watch('objects'):
            found = detect(inferred, inferred.residual, self.settings)

        return replace(inferred, timings_ms=watch.timings_ms).answer(found)

    def _network_flow(self, prepared: PreparedPair, sample: Sample, others: Sample, watch: Stopwatch) -> np.ndarray:
        """The network's displacement (N, 3) float32 m of the source's points, the sensor's own motion removed."""
        with watch('network'):
            seen = sample.of(prepared.points)
            motion = self.inference(seen, others.of(prepared.target))

        with watch('upsample'):
            residual = np.zeros_like(prepared.pair.source.points)  # ground and what lies out of range stand still
            if len(seen):
                put_rows(residual, prepared.rows, upsample(prepared.clouds[0], seen[:, :3], motion))
        return residual
