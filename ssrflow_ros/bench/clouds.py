"""The clouds that are measured with: of a recording, or of the simulator."""

from __future__ import annotations

from itertools import islice

from ..errors import InputError
from ..formats.bag_messages import to_header, to_pointcloud2
from ..formats.bags import POINTCLOUD2, BagReader
from ..formats.message_types import PointCloud2
from ..formats.pointcloud2 import encode_points
from ..simulator import simulate

SEED, SENSOR, SCENE = 4_000_000_005, 'hdl64e', 'street'
"""A street seen from a moving car, 120,000 returns a sweep; far from the seeds that weights are trained on."""


def recorded(path: str, topic: str | None, count: int) -> list[PointCloud2]:
    """The first `count` PointCloud2 messages of a rosbag2; InputError if there are too few to pair."""
    with BagReader(path) as bag:
        clouds = [message.read() for message in islice(bag.read([bag.choose(topic, POINTCLOUD2)]), count)]
    if len(clouds) < 2:
        raise InputError(f'{path} holds {len(clouds)} clouds of that topic: give a recording of at least 2')
    return clouds


def simulated(count: int) -> list[PointCloud2]:
    """`count` simulated PointCloud2 messages at 10 Hz."""
    return [
        to_pointcloud2(encode_points(one.sweep.points), to_header(one.sweep.stamp_ns, one.sweep.frame_id))
        for one in simulate(SEED, count, SENSOR, SCENE)
    ]
