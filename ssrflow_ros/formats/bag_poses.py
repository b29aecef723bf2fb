"""The sensor's poses out of a recording, for ego-motion from odometry or tf."""
from __future__ import annotations

from ..settings import Settings
from ..steps.poses import SensorPoses
from .bags import ODOMETRY, TF, TF_STATIC, BagReader
from .stamped import push_poses


def read_poses(bag: BagReader, settings: Settings, odometry: str | None = None) -> SensorPoses | None:
    """All poses of the recording; None if `ego_motion` asks for none.

    odometry  the topic; needed only if there are several. InputError as `BagReader.choose`.
    """
    if settings.ego_motion not in ('odometry', 'tf'):
        return None
    topic = bag.choose(odometry, ODOMETRY, '--odometry') if settings.ego_motion == 'odometry' else TF
    poses = SensorPoses(settings, kept=None)
    for recorded in bag.read([topic, TF_STATIC]):
        push_poses(poses, recorded.read(), static=recorded.topic == TF_STATIC)
    return poses
