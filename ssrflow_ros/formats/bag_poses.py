"""The sensor's poses out of a recording: ego-motion from odometry or tf, and how it is mounted."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from ..settings import Settings
from ..steps.ego_motion import POSE_METHODS
from ..steps.poses import SensorPoses
from ..sweep import EgoMotion, Sweep, SweepPair
from .bags import ODOMETRY, TF, TF_STATIC, BagReader
from .stamped import push_poses


class RecordedPoses:
    """All poses of a recording.

    In one that loops stamps come more than once: when a sweep was recorded tells to which run it belongs.
    """

    def __init__(self, poses: SensorPoses, settings: Settings):
        self._poses, self._knows = poses, settings.ego_motion in POSE_METHODS
        self._recorded: WeakKeyDictionary[Sweep, int] = WeakKeyDictionary()

    def note(self, sweep: Sweep, recorded_ns: int) -> None:
        """When `sweep` was recorded."""
        self._recorded[sweep] = recorded_ns

    def between(self, pair: SweepPair) -> EgoMotion | None:
        """The sensor's motion over `pair`, whose source was noted; None where `ego_motion` leaves it to the method.

        Errors as of `SensorPoses`.
        """
        return self._poses.between(pair, recorded_ns=self._recorded.get(pair.source)) if self._knows else None

    def mounting_of(self, frame: str) -> np.ndarray | None:
        """(4, 4) pose of the sensor's `frame` on the robot, as of `SensorPoses`."""
        return self._poses.mounting_of(frame)


def read_poses(bag: BagReader, settings: Settings, odometry: str | None = None) -> RecordedPoses:
    """All poses of the recording that `ego_motion` asks for, and those that never change.

    odometry  the topic; needed only if there are several. InputError as `BagReader.choose`.
    """
    topics = [TF_STATIC]
    if settings.ego_motion in POSE_METHODS:
        topics.append(bag.choose(odometry, ODOMETRY, '--odometry') if settings.ego_motion == 'odometry' else TF)
    poses = SensorPoses(settings, kept=None)
    for recorded in bag.read(topics, whole=True):
        push_poses(poses, recorded.read(), recorded.topic == TF_STATIC, recorded.time_ns)
    return RecordedPoses(poses, settings)
