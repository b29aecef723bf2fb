"""Recordings: rosbag2 folders and files (sqlite3, mcap) and .bag of ROS 1, read and written without ROS."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Collection, Iterator, NamedTuple, Protocol, Sequence

from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.metadata import parse_qos
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from ..atomic_write import atomic_write
from ..errors import InputError, in_short
from . import livox
from .bag_messages import to_header, to_pointcloud2
from .bounded import Reader
from .mcap_stream import McapStream, is_indexed
from .ros1_bags import Ros1Bag
from .topics import GROUND_TRUTH as GROUND_TRUTH
from .topics import TRUE_OBJECTS as TRUE_OBJECTS
from .topics import sensors, why_no_clouds
from .typestore import typestore as typestore

POINTCLOUD2 = 'sensor_msgs/msg/PointCloud2'
ODOMETRY = 'nav_msgs/msg/Odometry'
TF_MESSAGE = 'tf2_msgs/msg/TFMessage'
MARKER_ARRAY = 'visualization_msgs/msg/MarkerArray'

TF, TF_STATIC = '/tf', '/tf_static'

FLOW, OBJECTS, MARKERS, TRACKS = '/ssrflow/flow', '/ssrflow/objects', '/ssrflow/markers', '/ssrflow/tracks'
EGO_ODOMETRY = '/ssrflow/ego_odometry'
STATIC, MOVING = '/ssrflow/static', '/ssrflow/moving'
"""Topics of what the method says, named as by a node without a namespace."""

_STORAGE_SUFFIXES = ('.mcap', '.db3')
_NO_TIME = QosTime(0, 0)
_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _NO_TIME,
    _NO_TIME,
    QosLiveliness.AUTOMATIC,
    _NO_TIME,
    False,
)


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
    """A recording's file: its connections, topics with their types and counts; when it begins and ends, ns."""

    @property
    def connections(self) -> Sequence[Any]: ...

    @property
    def start_time(self) -> int: ...

    @property
    def end_time(self) -> int: ...

    def messages(
        self, connections: Collection[Any], start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Any, int, bytes]]: ...


class Description(NamedTuple):
    """A topic as its recorder described it. definition: of the type, and its hash; '' each if it did not say.

    qos  what its publishers offered.
    """

    type: str
    definition: str = ''
    hash: str = ''
    qos: tuple[Qos, ...] = ()

    @property
    def is_latched(self) -> bool:
        """Whoever comes late still gets the last message."""
        return any(one.durability == QosDurability.TRANSIENT_LOCAL for one in self.qos)


class BagReader:
    """A recording, open for reading; use as a context manager.

    path     the folder of a rosbag2, or one .mcap, .db3 or (of ROS 1) .bag file.
    start, duration  s, which part of it is read, counted from its first message.
    topics   type and number of messages by name, of the whole recording. Messages of Livox are PointCloud2. Of a topic
             with messages of several types those of the type that most have are read.
    described  each topic as it was recorded.
    cut_off  '' or, of a recording without an end, what was read of it, in one line.

    Raises InputError with cause and cure for what cannot be read.
    """

    def __init__(self, path: str | Path, start: float = 0.0, duration: float = float('inf')):
        self.path = Path(path)
        self._part, self._window = (start, duration), (0, 2**63 - 1)
        self.described: dict[str, Description] = {}
        self._livox: dict[tuple[int, str], livox.CustomMessages] = {}
        self.topics: dict[str, tuple[str, int]] = {}
        self.cut_off = ''
        self._open = ExitStack()
        self._readers: list[_Storage] = []

    def __enter__(self) -> 'BagReader':
        with self._blame_the_bag():
            self._readers = [reader for storage in _find_storages(self.path) for reader in self._opened(storage)]
            counts: Counter[tuple[str, str]] = Counter()
            described: dict[tuple[str, str], Description] = {}
            for reader in self._readers:
                for connection in reader.connections:
                    description, type = _description(connection), connection.msgtype
                    if type in livox.TYPES:
                        with suppress(InputError):  # defined otherwise: no clouds
                            types = reader.types if isinstance(reader, Ros1Bag) else _types_with(description)
                            ros1 = isinstance(reader, Ros1Bag)
                            self._livox[id(reader), type] = livox.CustomMessages(type, types, ros1)
                            type = POINTCLOUD2
                    counts[connection.topic, type] += connection.msgcount
                    described[connection.topic, type] = description
            for (topic, type), count in reversed(counts.most_common()):  # of several types that of most messages
                self.topics[topic], self.described[topic] = (type, count), described[topic, type]
            self._window = self._chosen()
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

    def _opened(self, storage: Path) -> Iterator[Reader | McapStream | Ros1Bag]:
        """What reads `storage`: of a folder that is not compressed, each of its files.

        Files know what is in them, and the metadata of their folder need not: people edit topics and qualities of
        service there, and a file that came later is missing.
        """
        reader = _reader_of(storage)
        self._open.enter_context(reader)
        for connection in reader.connections:
            if not (
                isinstance(connection.topic, str)
                and isinstance(connection.msgtype, str)
                and isinstance(connection.msgcount, int)
            ):
                raise ValueError(f'a topic is called {connection.topic!r:.100}')
        folder: Any = reader.storage if isinstance(reader, Reader) else None
        is_plain = isinstance(folder, DirectoryReader) and not folder.metadata.compression_mode
        named = [Path(file.path) for file in folder.storages] if is_plain else []
        if not named or any(file.suffix not in _STORAGE_SUFFIXES for file in named):
            yield reader
            return
        series = set(map(_series, named))
        more = [file for file in _files(storage) if file not in named and _series(file) in series]
        for file in (*named, *more):
            yield from self._opened(file)

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

    def _chosen(self) -> tuple[int, int]:
        """From when and up to when is read, ns; InputError where there is nothing."""
        start, duration = self._part
        begin = min((reader.start_time for reader in self._readers), default=0)
        end = max((reader.end_time for reader in self._readers), default=0)
        lasts = max(end - begin, 0) * 1e-9
        if not start >= 0 or not duration > 0 or start > 0 and start >= lasts:
            raise InputError(
                f'start {start:g} s, duration {duration:g} s: {self.path} lasts {lasts:.1f} s; give a start within it '
                'and a duration above 0'
            )
        first = begin + round(start * 1e9) if start else 0
        return first, min(begin + round((start + min(duration, 1e9)) * 1e9), 2**63 - 1)

    def is_read(self, time_ns: int) -> bool:
        """Whether what was recorded then is in the part that was chosen."""
        return self._window[0] <= time_ns < self._window[1]

    def read(self, topics: Collection[str], whole: bool = False) -> Iterator[BagMessage]:
        """The messages of `topics` in the order in which they were recorded; `whole`: whatever part was chosen."""
        window = (None, None) if whole or self._part == (0.0, float('inf')) else self._window
        for reader in self._readers:
            connections = [
                known
                for known in reader.connections
                if known.topic in topics and self._type(reader, known) == self.topics[known.topic][0]
            ]
            with self._blame_the_bag():
                messages = reader.messages(connections, *window) if connections else iter(())
            while True:
                with self._blame_the_bag():
                    item = next(messages, None)
                if item is None:
                    break
                connection, time_ns, raw = item
                if livox_messages := self._livox.get((id(reader), connection.msgtype)):
                    raw = _as_cloud(livox_messages, raw)
                yield BagMessage(connection.topic, self._type(reader, connection), time_ns, raw)

    def _type(self, reader: _Storage, connection: Any) -> str:
        """What its messages are read as."""
        return POINTCLOUD2 if (id(reader), connection.msgtype) in self._livox else connection.msgtype

    @contextmanager
    def _blame_the_bag(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            self._open.close()
            raise
        except Exception as error:  # Of damaged files the library makes errors of many types.
            self._open.close()
            if isinstance(error, OSError) and error.filename is not None:
                raise InputError(f'{error.filename}: {error.strerror}: check the name and the rights there') from error
            mend = '"rosbag reindex" of ROS 1' if self.path.suffix == '.bag' else '"mcap recover" or "ros2 bag reindex"'
            raise InputError(
                f'{self.path} is damaged or was cut off ({in_short(error)}): mend it with {mend}, or record it again'
            ) from error


class BagWriter:
    """Writes messages to an open rosbag2; made by `write_bag`. Further files may be put into its `folder`."""

    def __init__(self, writer: Writer, folder: Path):
        self._writer, self.folder = writer, folder
        self._connections: dict[str, Any] = {}

    def write(self, topic: str, type: str, time_ns: int, message: Any) -> None:
        """Append a message of `typestore()`."""
        self.write_raw(topic, type, time_ns, typestore().serialize_cdr(message, type))

    def describe(self, topic: str, described: Description) -> None:
        """That `topic` is to be as its recorder described it; before its first message."""
        type, definition, digest, qos = described
        if type in typestore().fielddefs:
            definition, digest = typestore().generate_msgdef(type, ros_version=2)[0], typestore().hash_rihs01(type)
        self._connections[topic] = self._writer.add_connection(
            topic, type, msgdef=definition, rihs01=digest or f'RIHS01_{"0" * 64}', offered_qos_profiles=qos
        )

    def write_message(self, message: BagMessage) -> None:
        """Append a message of a recording as it is."""
        self.write_raw(message.topic, message.type, message.time_ns, message.raw)

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
    if storage == 'sqlite3' and _is_led_astray(os.path.realpath(path)):
        raise InputError(f'cannot write {path}: a .db3 cannot have ?, # or % in its path: choose another, or mcap')
    try:
        with atomic_write(path, command, overwrite) as unfinished:
            # Version 8 of the metadata, because Humble does not read 9.
            with Writer(unfinished, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
                yield BagWriter(writer, unfinished)
    except sqlite3.Error as error:
        raise InputError(f'cannot write {path}: {error}: check the space and the rights there') from error


def _is_led_astray(path: str) -> bool:
    """Whether rosbags, which makes an address of a .db3's path, would open or write another file by it."""
    return bool(set('?#%') & set(path))


def _reader_of(storage: Path) -> Reader | McapStream | Ros1Bag:
    if storage.suffix == '.bag' and storage.is_file():
        return Ros1Bag(storage, typestore())
    return McapStream(storage) if _needs_streaming(storage) else Reader(str(storage))


def _description(connection: Any) -> Description:
    if isinstance(connection, Connection):
        if latching := getattr(connection.ext, 'latching', None):
            return Description(connection.msgtype, qos=(_LATCHED,) if latching else ())
        qos = tuple(getattr(connection.ext, 'offered_qos_profiles', ()))
        digest = connection.digest if connection.digest.startswith('RIHS01_') else ''
        return Description(connection.msgtype, connection.msgdef.data, digest, qos)
    try:
        qos = tuple(parse_qos(connection.qos))
    except Exception:  # of a damaged description the library makes errors of many types
        qos = ()
    return Description(connection.msgtype, connection.definition, '', qos)


def _types_with(described: Description) -> Any:
    """The standard messages, and those of a description; of Livox's also where it defines nothing."""
    types = get_typestore(Stores.ROS2_JAZZY)
    text = described.definition or livox.DEFINITION.replace('PACKAGE', described.type.split('/')[0])
    try:
        if 'IDL: ' in text[:200]:
            found = {}
            for part in text.split('=' * 80 + '\n')[1:]:
                found.update(get_types_from_idl(part.split('\n', 1)[1]))
        else:
            found = get_types_from_msg(text, described.type)
        types.register({name: what for name, what in found.items() if name not in types.fielddefs})
    except Exception as error:  # of a damaged definition the library makes errors of many types
        raise InputError(f'the definition of {described.type} is damaged: record it again') from error
    return types


def _as_cloud(messages: livox.CustomMessages, raw: bytes) -> bytes:
    """A serialized PointCloud2 of Livox's message; b'' of one that is damaged."""
    try:
        stamp_ns, frame_id, cloud = messages.cloud(raw)
    except InputError:
        return b''
    return bytes(typestore().serialize_cdr(to_pointcloud2(cloud, to_header(stamp_ns, frame_id)), POINTCLOUD2))


def _find_storages(path: Path) -> list[Path]:
    """What is to be opened for `path`, in the order of recording."""
    if not path.exists():
        raise InputError(f'{path} does not exist: give the folder of a rosbag2, a .mcap, a .db3 or a .bag')
    if not path.is_dir() and not (path.is_file() and path.suffix in (*_STORAGE_SUFFIXES, '.bag')):
        raise InputError(f'{path} is no recording: give the folder of a rosbag2, a .mcap, a .db3 or a .bag')
    for file in [path, *path.glob('*')]:
        if '.db3' in file.suffixes and _is_led_astray(str(file)):
            raise InputError(f'{file}: a .db3 with ?, # or % in its path cannot be opened: rename it')
        if file.suffix in _STORAGE_SUFFIXES and not os.access(file, os.R_OK):  # sqlite does not say why it cannot
            raise InputError(f'{file} may not be read by you: check its rights')
    if path.is_file():
        return [path]
    files = _files(path)
    if (path / 'metadata.yaml').exists():
        # Of a file that has no end the metadata do not know what is in it.
        return files if any(map(_needs_streaming, files)) else [path]
    # A recorder that was killed leaves its files without metadata: NAME_0.mcap, NAME_1.mcap and so on.
    if len(files) > 1 and len(set(map(_series, files))) > 1 or not files:
        raise InputError(
            f'{path} holds no metadata.yaml, so it is not a rosbag2: '
            + ('give one of its files' if files else 'give the folder that ros2 bag wrote')
        )
    return files


def _files(folder: Path) -> list[Path]:
    """The storage files in a folder, in the order of recording."""
    files = sorted(
        (file for file in folder.iterdir() if file.suffix in _STORAGE_SUFFIXES),
        key=lambda file: (len(file.name), file.name),
    )
    # The last one may have been begun and no more.
    return [file for file in files if file.stat().st_size] or files


def _series(file: Path) -> str:
    """What the names of a recording's files have in common: NAME_0.mcap, NAME_1.mcap and so on."""
    return re.sub(r'_\d+$', '', file.stem) + file.suffix


def _needs_streaming(path: Path) -> bool:
    return path.suffix == '.mcap' and path.is_file() and not is_indexed(path)
