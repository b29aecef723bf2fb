"""The sensor's poses out of a recording, for ego-motion from odometry or tf."""

from __future__ import annotations

from weakref import WeakKeyDictionary

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

    def __init__(self, poses: SensorPoses):
        self._poses = poses
        self._recorded: WeakKeyDictionary[Sweep, int] = WeakKeyDictionary()

    def note(self, sweep: Sweep, recorded_ns: int) -> None:
        """When `sweep` was recorded."""
        self._recorded[sweep] = recorded_ns

    def between(self, pair: SweepPair) -> EgoMotion:
        """The sensor's motion over `pair`, whose source was noted; errors as of `SensorPoses`."""
        return self._poses.between(pair, recorded_ns=self._recorded.get(pair.source))


def read_poses(bag: BagReader, settings: Settings, odometry: str | None = None) -> RecordedPoses | None:
    """All poses of the recording; None if `ego_motion` asks for none.

    odometry  the topic; needed only if there are several. InputError as `BagReader.choose`.
    """
    if settings.ego_motion not in POSE_METHODS:
        return None
    topic = bag.choose(odometry, ODOMETRY, '--odometry') if settings.ego_motion == 'odometry' else TF
    poses = SensorPoses(settings, kept=None)
    for recorded in bag.read([topic, TF_STATIC], whole=True):
        push_poses(poses, recorded.read(), recorded.topic == TF_STATIC, recorded.time_ns)
    return RecordedPoses(poses)
