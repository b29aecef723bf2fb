"""Livox's own message, livox_ros_driver(2)/CustomMsg, as a cloud; from its bytes, for as objects its points are slow.

Fields of the cloud: x y z f32 m, intensity f32 (reflectivity), tag u8, line u8, offset_time u32 ns since the stamp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from ..errors import InputError
from .pointcloud2 import Cloud, pack

TYPES = ('livox_ros_driver2/msg/CustomMsg', 'livox_ros_driver/msg/CustomMsg')

_POINT = 'uint32 offset_time\nfloat32 x\nfloat32 y\nfloat32 z\nuint8 reflectivity\nuint8 tag\nuint8 line\n'
_MESSAGE = (
    'std_msgs/Header header\nuint64 timebase\nuint32 point_num\nuint8 lidar_id\nuint8[3] rsvd\nCustomPoint[] points\n'
)
DEFINITION = f'{_MESSAGE}{"=" * 80}\nMSG: PACKAGE/CustomPoint\n{_POINT}'
"""Of recordings that hold none; PACKAGE is the driver's name."""


class CustomMessages:
    """Reads CustomMsg of one type, which the `types` of a rosbags typestore define.

    Raises InputError for a definition that is none of such a message.
    """

    def __init__(self, type: str, types: Any, ros1: bool = False):
        self._is_aligned, self._has_seq = not ros1, ros1
        self._fields = []
        try:
            for name, (kind, what) in types.fielddefs[type][1]:
                if kind == Nodetype.BASE:
                    self._fields.append((name, np.dtype(what[0]), 1))
                elif kind == Nodetype.ARRAY:
                    self._fields.append((name, np.dtype(what[0][1][0]), what[1]))
                elif kind == Nodetype.SEQUENCE:
                    self._fields.append((name, None, 0))
                    columns = [(column, np.dtype(base[0])) for column, (_, base) in types.fielddefs[what[0][1]][1]]
                    self._point = np.dtype(columns, align=self._is_aligned)
                else:
                    self._fields.append((name, None, -1))  # the header
            if [name for name, *_ in self._fields][0] != 'header' or not {'x', 'y', 'z'} <= set(
                self._point.names or ()
            ):
                raise KeyError('header, x, y, z')
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(
                f'{type} is defined otherwise than Livox does ({error}): record PointCloud2 (xfer_format 0)'
            ) from error

    @classmethod
    def of_driver(cls, type: str) -> 'CustomMessages':
        """Of the `type` as the driver defines it."""
        types = get_typestore(Stores.ROS2_JAZZY)
        types.register(get_types_from_msg(DEFINITION.replace('PACKAGE', type.split('/')[0]), type))
        return cls(type, types)

    def cloud(self, raw: bytes) -> tuple[int, str, Cloud]:
        """Stamp ns, frame_id and cloud of a serialized message; InputError if it is damaged."""
        reader = _Bytes(raw, self._is_aligned)
        try:
            for _, kind, count in self._fields:
                if count > 0:
                    reader.take(kind, count)
                elif count < 0:
                    if self._has_seq:
                        reader.take('u4')
                    seconds, nanoseconds = int(reader.take('i4')), int(reader.take('u4'))
                    frame_id = reader.text()
                else:
                    points = reader.take(self._point, int(reader.take('u4')), padded=True)
        except (ValueError, UnicodeDecodeError) as error:
            raise InputError(f'a CustomMsg is damaged ({error}): record it again') from error
        columns = {axis: np.ascontiguousarray(points[axis], np.float32) for axis in 'xyz'}
        names = {'reflectivity': 'intensity', 'tag': 'tag', 'line': 'line', 'offset_time': 'offset_time'}
        for name, called in names.items():
            if name in (self._point.names or ()):
                columns[called] = points[name].astype(np.float32 if called == 'intensity' else points[name].dtype)
        return seconds * 1_000_000_000 + nanoseconds, frame_id, pack(columns)


class _Bytes:
    """Numbers out of a message, CDR (which aligns each to its size, after four bytes of its own) or ROS 1 (packed)."""

    def __init__(self, raw: bytes, aligned: bool):
        if aligned and (len(raw) < 4 or not raw[1] & 1):
            raise InputError('a CustomMsg is big-endian or damaged: record it again')
        self._raw, self._at, self._aligned = bytes(raw[4:]) if aligned else bytes(raw), 0, aligned

    def take(self, dtype: Any, count: int = 1, padded: bool = False) -> np.ndarray:
        """The next `count` values; `padded`: structures, of which the last one may end before its padding."""
        dtype = np.dtype(dtype)
        if self._aligned and count:
            self._at += -self._at % dtype.alignment if dtype.names else -self._at % dtype.itemsize
        size, padding = dtype.itemsize * count, 0
        if padded and count:
            padding = dtype.itemsize - max(kind.itemsize + offset for kind, offset in dtype.fields.values())
        if size - padding > len(self._raw) - self._at:
            raise ValueError(f'{len(self._raw)} bytes are too few')
        data = self._raw[self._at : self._at + size]
        self._at += size
        values = np.frombuffer(data.ljust(size, b'\0') if padded else data, dtype)
        return values if padded or count != 1 else values[0]

    def text(self) -> str:
        """The next string."""
        size = int(self.take('u4'))
        data = self._raw[self._at : self._at + size]
        if len(data) < size:
            raise ValueError(f'{len(self._raw)} bytes are too few')
        self._at += size
        return data.rstrip(b'\0').decode()
