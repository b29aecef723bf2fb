"""Recordings of ROS 1 (.bag), whose messages are handed out as those of ROS 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Collection, Iterator

from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Reader1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from . import bounded as bounded  # what it unpacks is bounded, too
from . import livox


class Ros1Bag:
    """Reads a .bag; use as a context manager, as a Reader of rosbags. Errors are those of rosbags.

    connections  the topics whose messages ROS 2 knows, and Livox's.
    types        the definitions that the recording bears, of ROS 1.
    """

    def __init__(self, path: Path, typestore: Any):
        self._reader = Reader1(bounded.BoundedPath(path))
        self._ros2 = typestore
        self.types = get_typestore(Stores.ROS1_NOETIC)
        self.connections: list[Connection] = []

    def __enter__(self) -> 'Ros1Bag':
        self._reader.__enter__()
        for connection in self._reader.connections:
            if connection.msgtype not in self.types.fielddefs:
                found = get_types_from_msg(connection.msgdef.data, connection.msgtype)
                self.types.register({name: what for name, what in found.items() if name not in self.types.fielddefs})
        self.connections = [
            connection
            for connection in self._reader.connections
            if connection.msgtype in livox.TYPES or connection.msgtype in self._ros2.fielddefs
        ]
        return self

    def __exit__(self, *exception: Any) -> None:
        self._reader.close()

    @property
    def start_time(self) -> int:
        """ns, of the first message."""
        return self._reader.start_time

    @property
    def end_time(self) -> int:
        """ns, after the last message."""
        return self._reader.end_time

    def messages(
        self, connections: Collection[Connection], start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Connection, time of recording, ns, and bytes of each message, as of ROS 2; b'' of one that is damaged.

        Those of Livox are as they are, of ROS 1.
        """
        for connection, time_ns, raw in self._reader.messages(connections, start, stop):
            yield connection, time_ns, raw if connection.msgtype in livox.TYPES else self._converted(connection, raw)

    def _converted(self, connection: Connection, raw: bytes) -> bytes:
        try:
            message = self.types.deserialize_ros1(raw, connection.msgtype)
            return bytes(self._ros2.serialize_cdr(message, connection.msgtype))  # its header has no number
        except Exception:  # of damaged bytes the library makes errors of many types
            return b''
