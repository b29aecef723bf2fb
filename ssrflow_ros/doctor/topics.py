"""Which topic the clouds are on, and why there may be none."""
from __future__ import annotations

from typing import Mapping

from ..errors import did_you_mean
from ..formats.bags import GROUND_TRUTH, POINTCLOUD2
from .finding import Finding, ok, wrong

OWN = 'ssrflow'
"""Name of the flow nodes, in whatever namespace: what they publish is no LiDAR's."""
_TYPE_CURES = {
    'livox': 'set xfer_format to 0 (PointCloud2) in the launch file of the Livox driver',
    'velodyne_msgs': 'run velodyne_pointcloud\'s transform node and feed its velodyne_points',
    'ouster': 'feed the points topic of the Ouster driver',
    'LaserScan': 'a single scan line holds no scene flow: feed a 3D LiDAR'}
"""What to do about a topic that bears LiDAR data in another form, by part of its type's name."""


def choose_topic(wanted: str | None, topics: Mapping[str, str], option: str = '--topic') -> tuple[str | None, Finding]:
    """The PointCloud2 topic to look at and what is to be said of it; None if there is none.

    topics  type ('sensor_msgs/msg/PointCloud2') by name.
    """
    clouds = sorted(name for name, type in topics.items() if type == POINTCLOUD2)
    if wanted is None:
        # Neither our own answers nor labels are a LiDAR.
        sensors = [name for name in clouds if f'/{OWN}/' not in name and name != GROUND_TRUTH]
        if len(sensors) == 1:
            return sensors[0], ok('topic', f'{sensors[0]} is the only PointCloud2 topic')
        if sensors:
            return None, wrong('topic', f'there are several PointCloud2 topics: choose with {option}: '
                                        + ', '.join(sensors))
        return None, wrong('topic', _no_clouds(topics))
    name = wanted if wanted.startswith('/') else f'/{wanted}'
    if name not in topics:
        return None, wrong('topic', f"there is no topic '{name}': "
                           + did_you_mean(name, clouds, f'PointCloud2 topics are {", ".join(clouds) or "none"}'))
    if topics[name] != POINTCLOUD2:
        return None, wrong('topic', f'{name} is {topics[name]} and not {POINTCLOUD2}: ' + _cure(topics[name]))
    return name, ok('topic', f'{name}: {POINTCLOUD2}')


def _no_clouds(topics: Mapping[str, str]) -> str:
    for name, type in sorted(topics.items()):
        if any(part in type for part in _TYPE_CURES):
            return f'no PointCloud2 topic, but {name} is {type}: {_cure(type)}'
    return (f'no PointCloud2 topic (topics: {", ".join(sorted(topics)) or "none"}): start the LiDAR driver, and see '
            'that ROS_DOMAIN_ID and the discovery range are those of the driver')


def _cure(type: str) -> str:
    return next((cure for part, cure in _TYPE_CURES.items() if part in type), 'feed a PointCloud2 topic')
