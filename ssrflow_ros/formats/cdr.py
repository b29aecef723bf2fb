"""Messages as they go over the wire, written at once: XCDR1, little-endian, as ROS 2 has it.

A MarkerArray of rclpy holds an object for every point and colour, and its clouds are copied twice on the way out; of
what is published with every sweep, the bytes themselves are what costs least. The layout is that of the message
definitions from Humble on.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Iterable

import numpy as np

from .markers import Marker
from .message_types import Header
from .pointcloud2 import Cloud, Field

_LITTLE_ENDIAN = b'\0\1\0\0'
_EMPTY = struct.pack('<I4x', 1)  # a string, with what brings the next number to its place
_ZERO = bytes(4)
_NO_TEXTURE = _EMPTY + 2 * _ZERO + _EMPTY + _EMPTY + 2 * _ZERO  # resource; stamp, frame, format, data; coordinates
_NO_MESH = _EMPTY + _EMPTY + _ZERO + b'\0'  # resource; file's name, data; materials
# A marker's numbers, three, then, from a multiple of 8 bytes on, pose and scale; colour, lifetime; not locked to its
# frame; by what is left over of 8 bytes where they begin.
_NUMBERS = {left: struct.Struct(f'<3i{(4 - left) % 8}x10d4fiI4x') for left in (0, 4)}


def pointcloud2(cloud: Cloud, header: Header) -> bytes:
    """sensor_msgs/PointCloud2, under `header` as it is."""
    out = _Writer()
    out.header(header)
    out.numbers('II', 4, cloud.height, cloud.width)
    out.add(_fields(cloud.fields))
    out.numbers('B', 1, cloud.is_bigendian)
    out.numbers('II', 4, cloud.point_step, cloud.row_step)
    out.sequence(cloud.data, 'u1')
    out.numbers('B', 1, cloud.is_dense)
    return out.message()


@lru_cache(maxsize=64)
def _fields(fields: tuple[Field, ...]) -> bytes:
    """The fields of a cloud, from a multiple of 4 bytes on; every message of a topic has the same."""
    out = _Writer()
    out.numbers('I', 4, len(fields))
    for field in fields:
        out.string(field.name)
        out.numbers('IB', 4, field.offset, field.datatype)
        out.numbers('I', 4, field.count)
    return out.message()[len(_LITTLE_ENDIAN) :]


def marker_array(markers: Iterable[Marker], header: Header) -> bytes:
    """visualization_msgs/MarkerArray, all of them under `header`."""
    out, markers, beginnings = _Writer(), list(markers), dict[str, bytes]()
    out.numbers('I', 4, len(markers))
    for marker in markers:
        if marker.ns not in beginnings:
            beginnings[marker.ns] = _beginning(header, marker.ns)
        seconds, share = divmod(marker.lifetime, 1.0)
        out.align(4)
        out.add(beginnings[marker.ns])
        out.add(
            _NUMBERS[out.size % 8].pack(
                marker.id,
                marker.type,
                marker.action,
                *marker.position,
                *marker.orientation,
                *marker.scale,
                *marker.colour,
                int(seconds),
                int(share * 1e9),
            )
        )
        out.sequence(marker.points, '<f8')
        out.sequence(marker.colours, '<f4')
        out.add(_NO_TEXTURE)
        out.string(marker.text)
        out.align(4)
        out.add(_NO_MESH)
    return out.message()


def _beginning(header: Header, ns: str) -> bytes:
    """Header and namespace of a marker, from a multiple of 4 bytes on to another one."""
    out = _Writer()
    out.header(header)
    out.string(ns)
    out.align(4)
    return out.message()[len(_LITTLE_ENDIAN) :]


class _Writer:
    """The parts of a message, one after the other; numbers are aligned to their size from the message's begin."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [_LITTLE_ENDIAN]
        self.size = 0

    def message(self) -> bytes:
        return b''.join(self._parts)

    def add(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self.size += len(part)

    def align(self, size: int) -> None:
        if missing := -self.size % size:
            self.add(bytes(missing))

    def numbers(self, format: str, size: int, *values: float) -> None:
        """As `struct` packs them without padding, from a multiple of `size` bytes on."""
        self.align(size)
        self.add(struct.pack(f'<{format}', *values))

    def string(self, text: str) -> None:
        encoded = text.encode()
        self.numbers('I', 4, len(encoded) + 1)
        self.add(encoded + b'\0')

    def sequence(self, rows: np.ndarray, kind: str) -> None:
        """Rows (N, ...) of numbers, as NumPy names their `kind`."""
        self.numbers('I', 4, len(rows))
        if len(rows):
            numbers = np.ascontiguousarray(rows, kind).reshape(-1)
            self.align(numbers.itemsize)
            self.add(numbers.view(np.uint8).data)

    def header(self, header: Header) -> None:
        self.numbers('iI', 4, header.stamp.sec, header.stamp.nanosec)
        self.string(header.frame_id)
