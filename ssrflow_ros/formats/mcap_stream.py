"""An mcap from its first record to its last: for files that `rosbags` does not read, which wants an index at the end.

A recorder that was killed leaves a file without an end; other programs than rosbag2 leave the profile empty.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any, Collection, Iterator, NamedTuple

from ..errors import InputError
from .bounded import BoundedPath, unpack

_MAGIC = b'\x89MCAP0\r\n'
_CURES = {
    'ros1': 'of ROS 1: convert the .bag that it was made from with "rosbags-convert --src OLD.bag --dst NEW"',
    'protobuf': "in protobuf: record the driver's sensor_msgs/PointCloud2 with ros2 bag",
}
_OTHERWISE = "in {}: record the driver's sensor_msgs/PointCloud2 with ros2 bag"
"""What messages that are not of ROS 2 are, and the way; by their encoding."""


class Connection(NamedTuple):
    """A topic of the file, with the attributes that `rosbags` gives one."""

    topic: str
    msgtype: str
    msgcount: int
    definition: str = ''
    qos: str = ''


class _Message(NamedTuple):
    topic: str
    type: str
    encoding: str
    definition: str
    qos: str
    time_ns: int
    raw: bytes


def is_indexed(path: Path) -> bool:
    """Whether it is a recording of rosbag2 that has its end; what is no mcap at all is taken for one."""
    with open(path, 'rb') as file:
        head = file.read(len(_MAGIC) + 9 + 8)
        if not head.startswith(_MAGIC):
            return True
        file.seek(-len(_MAGIC), 2)
        # The first record, a header, begins with its profile.
        return head.endswith(b'\x04\x00\x00\x00ros2') and file.read() == _MAGIC


class McapStream:
    """Reads the messages of ROS 2 in a file from its begin to where it ends; use as a context manager.

    connections  the topics.
    cut_off      '' or why it was not read to an end that is one.

    Raises InputError with the way out where there is none of ROS 2, and errors of the library where nothing is right.
    """

    def __init__(self, path: Path):
        self._path = path
        self.connections: list[Connection] = []
        self.cut_off = ''
        self.start_time, self.end_time = 2**63 - 1, 0

    def __enter__(self) -> 'McapStream':
        counts: Counter[tuple[str, str]] = Counter()
        foreign: dict[str, str] = {}
        described: dict[tuple[str, str], tuple[str, str]] = {}
        for message in self._messages():
            if message.encoding == 'cdr':
                counts[message.topic, message.type] += 1
                described[message.topic, message.type] = message.definition, message.qos
                self.start_time = min(self.start_time, message.time_ns)
                self.end_time = max(self.end_time, message.time_ns + 1)
            else:
                foreign.setdefault(message.encoding, f'{message.topic} ({message.type})')
        self.connections = [Connection(*topic, count, *described[topic]) for topic, count in counts.items()]
        if foreign and not counts:
            encoding, topic = next(iter(foreign.items()))
            raise InputError(
                f'{self._path} holds no message of ROS 2; {topic} is '
                + _CURES.get(encoding, _OTHERWISE.format(encoding or 'an unknown encoding'))
            )
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def messages(
        self, connections: Collection[Connection], start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Connection, time of recording, ns, and bytes of each message from `start` to before `stop`."""
        wanted = {(one.topic, one.msgtype): one for one in connections}
        for message in self._messages():
            connection = wanted.get((message.topic, message.type))
            inside = (start is None or message.time_ns >= start) and (stop is None or message.time_ns < stop)
            if connection is not None and message.encoding == 'cdr' and inside:
                yield connection, message.time_ns, message.raw

    def _messages(self) -> Iterator[_Message]:
        try:
            from mcap.records import Channel, Chunk, Header, Message, Schema
            from mcap.stream_reader import StreamReader, breakup_chunk
        except ImportError:
            raise InputError(f'{self._path} has no index; reading it needs mcap: pip install mcap') from None
        types: dict[int, tuple[str, str]] = {0: ('', '')}
        channels: dict[int, tuple[str, str, str, str, str]] = {}
        begun = False
        try:
            size = self._path.stat().st_size
            with BoundedPath(self._path).open('rb') as file:
                for record in StreamReader(file, emit_chunks=True, record_size_limit=size).records:
                    begun |= isinstance(record, Header)
                    parts = breakup_chunk(_unpacked(record)) if isinstance(record, Chunk) else [record]
                    schemas = [part for part in parts if isinstance(part, Schema)]
                    types.update({part.id: (part.name, part.data.decode(errors='replace')) for part in schemas})
                    channels.update(
                        {
                            part.id: (
                                part.topic,
                                types[part.schema_id][0],
                                part.message_encoding,
                                types[part.schema_id][1],
                                part.metadata.get('offered_qos_profiles', ''),
                            )
                            for part in parts
                            if isinstance(part, Channel)
                        }
                    )
                    messages = [part for part in parts if isinstance(part, Message)]
                    for part in sorted(messages, key=lambda message: message.log_time):
                        yield _Message(*channels[part.channel_id], part.log_time, part.data)
        except Exception as error:  # Of what was cut off or overwritten the library makes errors of many types.
            if not begun:
                raise
            self.cut_off = str(error) or 'the last record is not whole'


def _unpacked(chunk: Any) -> Any:
    return dataclasses.replace(chunk, compression='', data=unpack(chunk.data, chunk.compression))
