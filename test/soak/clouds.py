"""Serialized clouds to send: sweeps of a simulated drive, and messages with something wrong."""

from __future__ import annotations

import struct
from typing import Iterator

import numpy as np

from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bags import POINTCLOUD2, typestore
from ssrflow_ros.simulator import simulate

POINTS = 120_000
SWEEPS = 10


def sweeps(n: int = SWEEPS, points: int = POINTS) -> list[bytes]:
    """`n` neighbouring sweeps of `points` returns each, 22 bytes a point; stamps are filled in when sent."""
    made = []
    for labelled in simulate(4_000_000_004, n, 'hdl64e', 'street'):
        xyz = labelled.sweep.points
        # The simulated sensor has its own number of returns; large sensors send about this many.
        rows = np.resize(np.arange(len(xyz)), points)
        made.append(_serialize(xyz[rows]))
    return made


def there_and_back(clouds: list[bytes]) -> Iterator[bytes]:
    """The same sweeps for ever, each a neighbour of the one before."""
    while True:
        yield from clouds
        yield from clouds[-2:0:-1]


def stamped(raw: bytes, stamp_ns: int) -> bytes:
    """The cloud with another stamp."""
    message = bytearray(raw)
    struct.pack_into('<iI', message, 4, *divmod(stamp_ns, 1_000_000_000))
    return bytes(message)


def malformed() -> list[bytes]:
    """Small clouds with one fault each."""
    points = np.random.default_rng(0).uniform(-20, 20, (500, 3)).astype(np.float32)
    faults = [
        {'point_step': 0},
        {'row_step': 17},
        {'width': 10**6},
        {'data': np.zeros(100, np.uint8)},
        {'fields': []},
        {'height': 2**31, 'width': 2**31},
        {'is_bigendian': True, 'point_step': 3},
    ]
    return [_serialize(points, **fault) for fault in faults]


def _serialize(points: np.ndarray, **changes) -> bytes:
    n = len(points)
    cloud = pointcloud2.encode_points(points, intensity=np.zeros(n, np.float32), ring=np.zeros(n, np.uint16))
    message = bag_messages.to_pointcloud2(cloud, bag_messages.to_header(0, 'lidar'))
    for name, value in changes.items():
        setattr(message, name, value)
    return bytes(typestore().serialize_cdr(message, POINTCLOUD2))
