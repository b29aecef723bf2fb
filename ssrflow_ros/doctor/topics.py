"""Which topic the clouds are on, and why there may be none."""

from __future__ import annotations

from typing import Mapping

from ..errors import did_you_mean
from ..formats.bags import POINTCLOUD2
from ..formats.topics import cure_of, sensors, why_no_clouds
from .finding import Finding, ok, wrong


def choose_topic(wanted: str | None, topics: Mapping[str, str], recorded: bool = False) -> tuple[str | None, Finding]:
    """The PointCloud2 topic to look at and what is to be said of it; None if there is none.

    topics  type ('sensor_msgs/msg/PointCloud2') by name;  recorded  they are those of a recording.
    """
    clouds = sorted(name for name, type in topics.items() if type == POINTCLOUD2)
    if wanted is None:
        found = sensors(clouds)
        if len(found) == 1:
            return found[0], ok('topic', f'{found[0]} is the only PointCloud2 topic')
        if found:
            return None, wrong(
                'topic', 'there are several PointCloud2 topics: choose with --topic: ' + ', '.join(found)
            )
        return None, wrong('topic', why_no_clouds(topics, recorded))
    name = wanted if wanted in topics or wanted.startswith('/') else f'/{wanted}'
    if name not in topics:
        return None, wrong(
            'topic',
            f"there is no topic '{name}': "
            + did_you_mean(name, clouds, f'PointCloud2 topics are {", ".join(clouds) or "none"}'),
        )
    if topics[name] != POINTCLOUD2:
        return None, wrong(
            'topic', f'{name} is {topics[name]} and not {POINTCLOUD2}: ' + cure_of(topics[name], recorded)
        )
    return name, ok('topic', f'{name}: {POINTCLOUD2}')
