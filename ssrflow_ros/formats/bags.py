"""Recordings: rosbag2 folders and files (sqlite3, mcap), read and written without ROS."""
from __future__ import annotations

import sqlite3
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Collection, Iterator, NamedTuple

from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ..errors import InputError
from ..whole import written_whole

POINTCLOUD2 = 'sensor_msgs/msg/PointCloud2'
ODOMETRY = 'nav_msgs/msg/Odometry'
TF_MESSAGE = 'tf2_msgs/msg/TFMessage'
MARKER_ARRAY = 'visualization_msgs/msg/MarkerArray'

TF, TF_STATIC = '/tf', '/tf_static'

FLOW, OBJECTS, MARKERS = '/ssrflow/flow', '/ssrflow/objects', '/ssrflow/markers'
"""Topics of what the method says, named as by a node without a namespace."""
GROUND_TRUTH = '/ground_truth'
"""Topic of the labels that `ssrflow simulate` writes; never taken for a LiDAR's unless it is named."""

STORAGES = ('mcap', 'sqlite3')
_STORAGE_SUFFIXES = ('.mcap', '.db3')


@cache
def typestore():
    """The standard messages; those used here are equal from Humble to Lyrical."""
    return get_typestore(Stores.ROS2_JAZZY)


class BagMessage(NamedTuple):
    """One message of a recording. time_ns: when it was recorded, nanoseconds; raw: serialized (CDR)."""

    topic: str
    type: str
    time_ns: int
    raw: bytes

    def read(self) -> Any:
        """The message, attributes as in rclpy, arrays as numpy; InputError if it is damaged."""
        try:
            return typestore().deserialize_cdr(self.raw, self.type)
        except Exception as error:  # Of damaged bytes the library makes errors of many types.
            raise InputError(f'a message of {self.topic} is damaged ({_reason(error)}): '
                             'record it again') from error


class BagReader:
    """A rosbag2, open for reading; use as a context manager.

    path    its folder, or one .mcap or .db3 file.
    topics  type and number of messages by name.

    Raises InputError with cause and cure for what cannot be read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.topics: dict[str, tuple[str, int]] = {}
        self._open = ExitStack()

    def __enter__(self) -> 'BagReader':
        storage = _find_storage(self.path)
        with self._blame_the_bag():
            self._reader = self._open.enter_context(Reader(storage))
            for connection in self._reader.connections:
                count = self.topics.get(connection.topic, ('', 0))[1]
                self.topics[connection.topic] = connection.msgtype, count + connection.msgcount
        return self

    def __exit__(self, *exception) -> None:
        self._open.close()

    def topics_of(self, type: str) -> dict[str, int]:
        """Number of messages of each topic of that type."""
        return {name: count for name, (its_type, count) in sorted(self.topics.items()) if its_type == type}

    def choose(self, topic: str | None, type: str, option: str = '--topic') -> str:
        """`topic` if it is there, the only one of that type if None; else InputError that lists them."""
        found = self.topics_of(type)
        short = type.split('/')[-1]
        listing = ', '.join(f'{name} ({count} messages)' for name, count in found.items())
        if not found:
            others = ', '.join(sorted(self.topics)) or 'none at all'
            raise InputError(f'{self.path} has no {short} topic (topics: {others}): give another recording')
        if topic is None:
            sensors = [name for name in found if name != GROUND_TRUTH] or list(found)
            if len(sensors) > 1:
                raise InputError(f'{self.path} has several {short} topics: choose with {option}: {listing}')
            return sensors[0]
        if topic not in found and f'/{topic}' in found:
            return f'/{topic}'
        if topic not in found:
            what = f'is {self.topics[topic][0]}' if topic in self.topics else 'is not there'
            raise InputError(f'{topic} {what} in {self.path}: choose with {option}: {listing}')
        return topic

    def read(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of `topics` in the order in which they were recorded."""
        connections = [known for known in self._reader.connections if known.topic in topics]
        with self._blame_the_bag():
            messages = self._reader.messages(connections) if connections else iter(())
        while True:
            with self._blame_the_bag():
                item = next(messages, None)
            if item is None:
                return
            connection, time_ns, raw = item
            yield BagMessage(connection.topic, connection.msgtype, time_ns, raw)

    @contextmanager
    def _blame_the_bag(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Of damaged files the library makes errors of many types.
            self._open.close()
            raise InputError(f'{self.path} is damaged or was cut off ({_reason(error)}): mend it with '
                             '"mcap recover" or "ros2 bag reindex", or record it again') from error


class BagWriter:
    """Writes messages to an open rosbag2; made by `write_bag`."""

    def __init__(self, writer: Writer):
        self._writer = writer
        self._connections: dict[str, Any] = {}

    def write(self, topic: str, type: str, time_ns: int, message: Any) -> None:
        """Append a message of `typestore()`."""
        self.write_raw(topic, type, time_ns, typestore().serialize_cdr(message, type))

    def write_raw(self, topic: str, type: str, time_ns: int, raw: bytes) -> None:
        """Append a serialized message as it is."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, type, typestore=typestore())
        self._writer.write(self._connections[topic], time_ns, raw)


@contextmanager
def write_bag(path: str | Path, storage: str = 'mcap', overwrite: bool = False) -> Iterator[BagWriter]:
    """A new rosbag2 folder `path`, there only if the block ends without error."""
    try:
        with written_whole(path, overwrite) as unfinished:
            # Version 8 of the metadata, because Humble does not read 9.
            with Writer(unfinished, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
                yield BagWriter(writer)
    except sqlite3.Error as error:
        raise InputError(f'cannot write {path}: {error}: check the space and the rights there') from error


def _find_storage(path: Path) -> Path:
    """What rosbags is to open for `path`."""
    if not path.exists():
        raise InputError(f'{path} does not exist: give the folder of a rosbag2, a .mcap or a .db3')
    if path.suffix == '.bag':
        raise InputError(f'{path} is a recording of ROS 1: convert it with '
                         f'"rosbags-convert --src {path} --dst NEW"')
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        # A recorder that was killed leaves its file without metadata.
        files = [file for file in path.iterdir() if file.suffix in _STORAGE_SUFFIXES]
        if len(files) != 1:
            raise InputError(f'{path} holds no metadata.yaml, so it is not a rosbag2: '
                             + ('run "ros2 bag reindex" on it' if files else
                                'give the folder that ros2 bag wrote'))
        return files[0]
    if path.is_file() and path.suffix not in _STORAGE_SUFFIXES:
        raise InputError(f'{path} is no recording: give the folder of a rosbag2, a .mcap or a .db3')
    return path


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [''])[0].rstrip('.')[:120] or type(error).__name__
