"""Messages as they go over the wire, written at once: XCDR1, little-endian, as ROS 2 has it.

A MarkerArray of rclpy holds an object for every point and colour, and its clouds are copied twice on the way out; of
what is published with every sweep, the bytes themselves are what costs least. The layout is that of the message
definitions from Humble on.
"""

from __future__ import annotations

import struct
from typing import Iterable

import numpy as np

from .markers import Marker
from .message_types import Header
from .pointcloud2 import Cloud

_LITTLE_ENDIAN = b'\0\1\0\0'
_EMPTY = struct.pack('<I4x', 1)  # a string, with what brings the next number to its place
_ZERO = bytes(4)
_NO_TEXTURE = _EMPTY + 2 * _ZERO + _EMPTY + _EMPTY + 2 * _ZERO  # resource; stamp, frame, format, data; coordinates
_NO_MESH = _EMPTY + _EMPTY + _ZERO + b'\0'  # resource; file's name, data; materials


def pointcloud2(cloud: Cloud, header: Header) -> bytes:
    """sensor_msgs/PointCloud2, under `header` as it is."""
    out = _Writer()
    out.header(header)
    out.numbers('III', 4, cloud.height, cloud.width, len(cloud.fields))
    for field in cloud.fields:
        out.string(field.name)
        out.numbers('IB', 4, field.offset, field.datatype)
        out.numbers('I', 4, field.count)
    out.numbers('B', 1, cloud.is_bigendian)
    out.numbers('II', 4, cloud.point_step, cloud.row_step)
    out.sequence(cloud.data, 1)
    out.numbers('B', 1, cloud.is_dense)
    return out.message()


def marker_array(markers: Iterable[Marker], header: Header) -> bytes:
    """visualization_msgs/MarkerArray, all of them under `header`."""
    out, markers = _Writer(), list(markers)
    out.numbers('I', 4, len(markers))
    for marker in markers:
        seconds, share = divmod(marker.lifetime, 1.0)
        out.header(header)
        out.string(marker.ns)
        out.numbers('iii', 4, marker.id, marker.type, marker.action)
        out.numbers('10d', 8, *marker.position, *marker.orientation, *marker.scale)
        out.numbers('4fiIB', 4, *marker.colour, int(seconds), int(share * 1e9), False)
        out.sequence(marker.points.astype('<f8'), 8)
        out.sequence(marker.colours.astype('<f4'), 4)
        out.add(_NO_TEXTURE)
        out.string(marker.text)
        out.align(4)
        out.add(_NO_MESH)
    return out.message()


class _Writer:
    """The parts of a message, one after the other; numbers are aligned to their size from the message's begin."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [_LITTLE_ENDIAN]
        self._size = 0

    def message(self) -> bytes:
        return b''.join(self._parts)

    def add(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._size += len(part)

    def align(self, size: int) -> None:
        self.add(bytes(-self._size % size))

    def numbers(self, format: str, size: int, *values: float) -> None:
        """As `struct` packs them without padding, from a multiple of `size` bytes on."""
        self.align(size)
        self.add(struct.pack(f'<{format}', *values))

    def string(self, text: str) -> None:
        encoded = text.encode()
        self.numbers('I', 4, len(encoded) + 1)
        self.add(encoded + b'\0')

    def sequence(self, rows: np.ndarray, size: int) -> None:
        """Rows (N, ...) of numbers of `size` bytes, little-endian."""
        self.numbers('I', 4, len(rows))
        if len(rows):
            self.align(size)
            self.add(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)

    def header(self, header: Header) -> None:
        self.numbers('iI', 4, header.stamp.sec, header.stamp.nanosec)
        self.string(header.frame_id)
