"""Which topics bear a LiDAR's clouds, and what to do where none does. No ROS."""

from __future__ import annotations

from typing import Iterable, Mapping

GROUND_TRUTH, TRUE_OBJECTS = '/ground_truth', '/ground_truth_objects'
"""Topics of the labels of points and of the whole movers that `ssrflow simulate` writes; never taken for a LiDAR's
unless they are named."""
OWN = 'ssrflow'
"""Name of the flow nodes, in whatever namespace: what they publish is no LiDAR's."""
NO_FRAME = 'without a frame_id, so that nothing can be placed: set it in the driver'
"""Of clouds whose header has none."""

_CURES = {
    'livox': "source the driver's workspace before the node is started, so that its messages are found, or set "
    'xfer_format to 0 (PointCloud2) in its launch file',
    'velodyne_msgs': "run velodyne_pointcloud's transform node and feed its velodyne_points",
    'LaserScan': 'a single scan line holds no scene flow: feed a 3D LiDAR',
}
"""What to do about a topic that bears LiDAR data in another form, by part of its type's name."""
_PACKETS = ('packet', 'pandarscan', 'udpframe', 'lslidarscan', 'rslidarscan')
"""Parts of the types' names of raw packets, in small letters."""


def sensors(clouds: Iterable[str]) -> list[str]:
    """Of the names of PointCloud2 topics those that may be a LiDAR's: neither our own answers nor labels."""
    return [name for name in clouds if f'/{OWN}/' not in name and name not in (GROUND_TRUTH, TRUE_OBJECTS)]


def cure_of(type: str, recorded: bool = False) -> str:
    """What to do about a topic of `type` where a PointCloud2 is wanted; `recorded`: it is one of a recording."""
    cure = next((cure for part, cure in _CURES.items() if part in type), '')
    if any(part in type.lower() for part in _PACKETS):
        decode = (
            "play the recording to the driver's decoder and record" if recorded else "run the driver's decoder and feed"
        )
        return f'raw packets: {cure or f"{decode} the points that it publishes"}'
    return cure or 'feed a PointCloud2 topic'


def why_no_clouds(topics: Mapping[str, str], recorded: bool) -> str:
    """Cause and cure where no topic is a PointCloud2. topics: type by name."""
    for name, type in sorted(topics.items()):
        if (cure := cure_of(type, recorded)) != cure_of('', recorded):
            return f'no PointCloud2 topic, but {name} is {type}: {cure}'
    listing = f'no PointCloud2 topic (topics: {", ".join(sorted(topics)) or "none at all"})'
    if recorded:
        return f"{listing}: give another recording, or record the LiDAR driver's PointCloud2 topic"
    return (
        f'{listing}: start the LiDAR driver, and see that ROS_DOMAIN_ID and the discovery range are those of the driver'
    )
