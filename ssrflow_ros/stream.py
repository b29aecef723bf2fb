"""A stream: sweep after sweep of one sensor, and all that is remembered of them."""

from __future__ import annotations

from typing import Protocol

from .inputs import Cloud, Motion, as_motion, as_sweep
from .objects.detector import ObjectDetector
from .objects.motion_classifier import MotionClassifier
from .preparation import Preparation, with_samples
from .settings import Settings
from .steps.conditioning import MountingOf, unknown
from .steps.own_body import OwnBody
from .steps.pairing import Pairing
from .steps.prepared import PreparedPair
from .sweep import EgoMotion, FlowField, SweepPair


class Method(Protocol):
    """What a stream asks of the method, which is `SceneFlow`."""

    settings: Settings
    classifier: MotionClassifier

    def infer(self, prepared: PreparedPair) -> PreparedPair: ...

    def detect(self, inferred: PreparedPair, detector: ObjectDetector | None = None) -> FlowField: ...


class Stream:
    """The sweeps of one sensor in the order of time; made by `SceneFlow.stream`.

    What outlives a pair is here: the last sweep and its motion, what was seen in the last half second, the objects'
    tracks. Streams of one `SceneFlow` know nothing of each other, and take their turns in one thread.

    reason  why the last `push` gave no flow, '' if it gave one.
    """

    def __init__(self, method: Method, mounting_of: MountingOf = unknown):
        self._method = method
        self._pairing = Pairing(method.settings)
        self.preparation = Preparation(method.settings, mounting_of)
        self.detector = ObjectDetector(method.classifier)
        self.reason = ''

    def push(self, cloud: Cloud, stamp_ns: int | None = None, ego_motion: Motion = None) -> FlowField | None:
        """Flow of the newest sweep back to the one before it, as the live node gives it; None where there is no pair.

        cloud       (N, 3+) array m of which `stamp_ns` is the time, in nanoseconds; or a Sweep, which bears its own.
        ego_motion  if it is known, from this sweep to the one before: an EgoMotion or a (4, 4) array.
        Raises InputError for what is no cloud, else as `SceneFlow`; the stream goes on with the next sweep.
        """
        self._pairing.settings = self._method.settings
        motion = as_motion(ego_motion)
        pair = self._pairing.push(as_sweep(self._method.settings, cloud, stamp_ns))
        self.reason = self._pairing.reason
        return None if pair is None else self.flow(pair, motion)

    def flow(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> FlowField:
        """Flow of the stream's next pair, of which every point is taken: both halves of the method."""
        return self.estimate(self.prepare(pair, ego_motion))

    def prepare(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """The first half; it shares nothing with the second: another thread may do it for the next pair meanwhile."""
        return self.sample(self.observe(pair, ego_motion))

    def observe(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """The first half of a pair that the network may not be asked about: what has a track gets its answer."""
        self.preparation.settings = self._method.settings
        return self.preparation(pair, ego_motion)

    def sample(self, observed: PreparedPair) -> PreparedPair:
        """What is left of the first half for the network."""
        return with_samples(observed, self._method.settings)

    def estimate(self, prepared: PreparedPair) -> FlowField:
        """The second half: by the network, or, of what is observed alone, from the objects' tracks."""
        return self.detect(self.infer(prepared))

    def infer(self, prepared: PreparedPair) -> PreparedPair:
        """The network; it remembers nothing, so a thread of its own may be a pair ahead of `detect`."""
        return self._method.infer(prepared)

    def detect(self, inferred: PreparedPair) -> FlowField:
        """What is left of the second half, of the stream's pairs in their order."""
        return self._method.detect(inferred, self.detector)

    @property
    def own_body(self) -> OwnBody:
        """What is known of the robot itself; it may be given, where it was learnt before."""
        return self.preparation.own_body

    @own_body.setter
    def own_body(self, known: OwnBody) -> None:
        self.preparation.own_body = known

    def reset(self) -> None:
        """Forget every sweep; the next one is a first one."""
        self._pairing.reset()
        self.preparation.reset()
        self.detector = ObjectDetector(self._method.classifier)
