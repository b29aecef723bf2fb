"""Recordings: rosbag2 folders and files (sqlite3, mcap), read and written without ROS."""

from __future__ import annotations

import re
import sqlite3
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Collection, Iterator, NamedTuple, Protocol, Sequence

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from ..atomic_write import atomic_write
from ..errors import InputError, in_short
from .bounded import Reader
from .mcap_stream import McapStream, is_indexed
from .topics import GROUND_TRUTH as GROUND_TRUTH
from .topics import sensors, why_no_clouds

POINTCLOUD2 = 'sensor_msgs/msg/PointCloud2'
ODOMETRY = 'nav_msgs/msg/Odometry'
TF_MESSAGE = 'tf2_msgs/msg/TFMessage'
MARKER_ARRAY = 'visualization_msgs/msg/MarkerArray'

TF, TF_STATIC = '/tf', '/tf_static'

FLOW, OBJECTS, MARKERS = '/ssrflow/flow', '/ssrflow/objects', '/ssrflow/markers'
EGO_ODOMETRY = '/ssrflow/ego_odometry'
STATIC, MOVING = '/ssrflow/static', '/ssrflow/moving'
"""Topics of what the method says, named as by a node without a namespace."""

_STORAGE_SUFFIXES = ('.mcap', '.db3')


@cache
def typestore() -> Typestore:
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
            raise InputError(f'a message of {self.topic} is damaged ({in_short(error)}): record it again') from error


class _Storage(Protocol):
    """A recording of which the connections, topics with their types and counts, and the messages can be read."""

    @property
    def connections(self) -> Sequence[Any]: ...

    def messages(self, connections: Collection[Any]) -> Iterator[tuple[Any, int, bytes]]: ...


class BagReader:
    """A rosbag2, open for reading; use as a context manager.

    path     its folder, or one .mcap or .db3 file.
    topics   type and number of messages by name.
    cut_off  '' or, of a recording without an end, what was read of it, in one line.

    Raises InputError with cause and cure for what cannot be read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.topics: dict[str, tuple[str, int]] = {}
        self.cut_off = ''
        self._open = ExitStack()
        self._readers: list[_Storage] = []

    def __enter__(self) -> 'BagReader':
        with self._blame_the_bag():
            for storage in _find_storages(self.path):
                reader: McapStream | Reader = McapStream(storage) if _needs_streaming(storage) else Reader(str(storage))
                self._open.enter_context(reader)
                self._readers.append(reader)
                for connection in reader.connections:
                    if not (
                        isinstance(connection.topic, str)
                        and isinstance(connection.msgtype, str)
                        and isinstance(connection.msgcount, int)
                    ):
                        raise ValueError(f'a topic is called {connection.topic!r:.100}')
                    count = self.topics.get(connection.topic, ('', 0))[1]
                    self.topics[connection.topic] = connection.msgtype, count + connection.msgcount
            ends = [reader.cut_off for reader in self._readers if isinstance(reader, McapStream) and reader.cut_off]
            if ends and not self.topics:
                raise EOFError(ends[0])
        if ends:
            self.cut_off = (
                f'{self.path} has no end, its recorder was stopped short ({ends[0]}): the '
                f'{sum(count for _, count in self.topics.values())} messages before it are read'
            )
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def topics_of(self, type: str) -> dict[str, int]:
        """Number of messages of each topic of that type."""
        return {name: count for name, (its_type, count) in sorted(self.topics.items()) if its_type == type}

    def choose(self, topic: str | None, type: str, option: str = '--topic') -> str:
        """`topic` if it is there, the only one of that type if None; else InputError that lists them.

        Of several topics of clouds those that are no LiDAR's are left out, unless they are named.
        """
        found = self.topics_of(type)
        short = type.split('/')[-1]
        listing = ', '.join(f'{name} ({count} messages)' for name, count in found.items())
        if not found and type == POINTCLOUD2:
            types = {name: its_type for name, (its_type, _) in self.topics.items()}
            raise InputError(f'{self.path} has {why_no_clouds(types, recorded=True)}')
        if not found:
            others = ', '.join(sorted(self.topics)) or 'none at all'
            raise InputError(f'{self.path} has no {short} topic (topics: {others}): give another recording')
        if topic is None:
            likely = sensors(found) or list(found)
            if len(likely) > 1:
                raise InputError(f'{self.path} has several {short} topics: choose with {option}: {listing}')
            return likely[0]
        if topic not in found and f'/{topic}' in found:
            return f'/{topic}'
        if topic not in found:
            what = f'is {self.topics[topic][0]}' if topic in self.topics else 'is not there'
            raise InputError(f'{topic} {what} in {self.path}: choose with {option}: {listing}')
        return topic

    def read(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of `topics` in the order in which they were recorded."""
        for reader in self._readers:
            connections = [known for known in reader.connections if known.topic in topics]
            with self._blame_the_bag():
                messages = reader.messages(connections) if connections else iter(())
            while True:
                with self._blame_the_bag():
                    item = next(messages, None)
                if item is None:
                    break
                connection, time_ns, raw = item
                yield BagMessage(connection.topic, connection.msgtype, time_ns, raw)

    @contextmanager
    def _blame_the_bag(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            self._open.close()
            raise
        except Exception as error:  # Of damaged files the library makes errors of many types.
            self._open.close()
            raise InputError(
                f'{self.path} is damaged or was cut off ({in_short(error)}): mend it with '
                '"mcap recover" or "ros2 bag reindex", or record it again'
            ) from error


class BagWriter:
    """Writes messages to an open rosbag2; made by `write_bag`."""

    def __init__(self, writer: Writer):
        self._writer = writer
        self._connections: dict[str, Any] = {}

    def write(self, topic: str, type: str, time_ns: int, message: Any) -> None:
        """Append a message of `typestore()`."""
        self.write_raw(topic, type, time_ns, typestore().serialize_cdr(message, type))

    def write_raw(self, topic: str, type: str, time_ns: int, raw: bytes | memoryview) -> None:
        """Append a serialized message as it is."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, type, typestore=typestore())
        self._writer.write(self._connections[topic], time_ns, raw)


@contextmanager
def write_bag(
    path: str | Path, storage: str = 'mcap', command: str = 'write_bag', overwrite: bool = False
) -> Iterator[BagWriter]:
    """A new rosbag2 folder `path`, there only if the block ends without error; the rest as `atomic_write` has it."""
    try:
        with atomic_write(path, command, overwrite) as unfinished:
            # Version 8 of the metadata, because Humble does not read 9.
            with Writer(unfinished, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
                yield BagWriter(writer)
    except sqlite3.Error as error:
        raise InputError(f'cannot write {path}: {error}: check the space and the rights there') from error


def _find_storages(path: Path) -> list[Path]:
    """What is to be opened for `path`, in the order of recording."""
    if not path.exists():
        raise InputError(f'{path} does not exist: give the folder of a rosbag2, a .mcap or a .db3')
    if path.suffix == '.bag':
        raise InputError(f'{path} is a recording of ROS 1: convert it with "rosbags-convert --src {path} --dst NEW"')
    if path.is_file() and path.suffix not in _STORAGE_SUFFIXES:
        raise InputError(f'{path} is no recording: give the folder of a rosbag2, a .mcap or a .db3')
    for file in [path, *path.glob('*')]:
        # rosbags makes an address of the name, where these signs lead to another file.
        if '.db3' in file.suffixes and set('?#%') & set(str(file)):
            raise InputError(f'{file}: a .db3 with ?, # or % in its path cannot be opened: rename it')
    if path.is_file():
        return [path]
    files = sorted(
        (file for file in path.iterdir() if file.suffix in _STORAGE_SUFFIXES),
        key=lambda file: (len(file.name), file.name),
    )
    # The last one may have been begun and no more.
    files = [file for file in files if file.stat().st_size] or files
    if (path / 'metadata.yaml').exists():
        # Of a file that has no end the metadata do not know what is in it.
        return files if any(map(_needs_streaming, files)) else [path]
    # A recorder that was killed leaves its files without metadata: NAME_0.mcap, NAME_1.mcap and so on.
    if len(files) > 1 and len({re.sub(r'_\d+$', '', file.stem) + file.suffix for file in files}) > 1 or not files:
        raise InputError(
            f'{path} holds no metadata.yaml, so it is not a rosbag2: '
            + ('give one of its files' if files else 'give the folder that ros2 bag wrote')
        )
    return files


def _needs_streaming(path: Path) -> bool:
    return path.suffix == '.mcap' and path.is_file() and not is_indexed(path)
