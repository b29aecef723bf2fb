"""The doctor on a recording."""

from __future__ import annotations

from typing import Iterator

from ..errors import InputError
from ..formats.bag_poses import RecordedPoses, read_poses
from ..formats.bags import BagReader
from ..settings import Settings
from ..steps.poses import SensorPoses
from .cloud_log import CloudLog
from .clouds import check_clouds
from .finding import Finding, note, wrong
from .method import check_method
from .topics import choose_topic

LOSS_CURE = (
    'the recorder or the network lost them: record on the machine of the LiDAR, with config/fastdds.xml set '
    'for driver and recorder'
)


def examine_bag(
    path: str, topic: str | None, odometry: str | None, seconds: float, settings: Settings
) -> Iterator[Finding]:
    """Findings on the first `seconds` of a recording; InputError if it cannot be read at all."""
    with BagReader(path) as bag:
        if bag.cut_off:
            yield note('recording', bag.cut_off)
        name, finding = choose_topic(topic, {name: type for name, (type, _) in bag.topics.items()}, recorded=True)
        yield finding
        if name is None:
            yield from check_method([], settings)
            return
        log = CloudLog(settings)
        for message in bag.read([name]):
            if log.times_ns and message.time_ns > log.times_ns[0] + seconds * 1e9:
                break
            log.add(message)
        if not len(log):
            yield wrong('cloud', f'{name} has no messages: record it again')
            return
        yield from check_clouds(log, settings, LOSS_CURE, 'the clock of the recorder')
        poses, findings = _read_poses(bag, settings, odometry)
        yield from findings
        for sweep, recorded_ns in log.recorded_ns.items():
            poses.note(sweep, recorded_ns)
        yield from check_method(log.sweeps, settings, poses.between, poses.mounting_of)


def _read_poses(bag: BagReader, settings: Settings, odometry: str | None) -> tuple[RecordedPoses, list[Finding]]:
    try:
        return read_poses(bag, settings, odometry), []
    except InputError as error:
        return RecordedPoses(SensorPoses(settings), settings), [wrong('odometry', str(error))]
