"""sensor_msgs/PointCloud2 without ROS: messages of rclpy and of `rosbags` alike.

Only attributes of the message are looked at, so whatever has the fields of a PointCloud2 will do.
Fields are found by name and offset, never by stride. Reading never copies the message's buffer and
never writes into it.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..sweep import FlowField, Sweep
from .colours import flow_colours, pack_rgba
from .message_types import PointCloud2

# sensor_msgs/PointField: INT8 = 1 ... FLOAT64 = 8.
_NUMPY_TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
_HIGHEST = 2**32 - 1  # that a number of a message is
_BLOCK = 8192  # points that are packed at a time
_POINT_FIELD_TYPES = {code: number for number, code in _NUMPY_TYPES.items()}


@dataclass(frozen=True)
class Field:
    """A sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int


@dataclass(frozen=True, eq=False)
class Cloud:
    """A PointCloud2 without its header, ready to be copied into a message.

    data  (height * row_step,) uint8.
    """

    height: int
    width: int
    fields: tuple[Field, ...]
    point_step: int
    row_step: int
    data: np.ndarray
    is_bigendian: bool = False
    is_dense: bool = True


def decode(message: PointCloud2, min_range: float = 0.0, own_body: Sequence[float] = ()) -> Sweep:
    """The usable returns of a PointCloud2, in metres, in the frame and at the time of its header.

    x, y and z may be of any PointField type, anywhere in the point, rows may be padded, the cloud may
    be organised, empty or big-endian. Dropped are NaN, inf, (0, 0, 0) and what is nearer than `min_range` m or
    in the box `own_body`, as in `Sweep.from_points`.

    Raises InputError for everything that is not such a cloud.
    """
    header = _get(message, 'header')
    stamp = _get(header, 'stamp')
    stamp_ns = _count(stamp, 'sec', low=-(2**31)) * 1_000_000_000 + _count(stamp, 'nanosec')
    x, y, z = (_column(message, name) for name in 'xyz')
    points = np.empty((x.size, 3), np.float32)
    # float64 beyond float32's range turns into inf and is dropped like any other inf.
    with np.errstate(over='ignore', invalid='ignore'):
        for axis, column in enumerate((x, y, z)):
            points[:, axis] = column.reshape(-1)
    return Sweep.from_points(points, stamp_ns, str(_get(header, 'frame_id')), min_range, own_body)


def field_names(message: PointCloud2) -> list[str]:
    """The names of the PointCloud2's fields."""
    return list(_fields(message))


def has_field(message: PointCloud2, name: str) -> bool:
    """Whether the PointCloud2 has a field of that name."""
    return name in _fields(message)


def read_field(message: PointCloud2, name: str) -> np.ndarray:
    """(height * width,) values of one field, in the machine's byte order; InputError as `decode`."""
    return _native(_column(message, name).reshape(-1))


def pack(columns: Mapping[str, np.ndarray]) -> Cloud:
    """An unorganised cloud of equally long 1-D `columns`, in their order, naturally aligned."""
    dtype, fields = _layout(tuple((name, column.dtype.str) for name, column in columns.items()))
    size = len(next(iter(columns.values())))
    points = np.empty(size, dtype)  # cleared as it goes: jemalloc asks the system for so many pages of zeros
    for begin in range(0, size, _BLOCK):  # what is written stays in the processor's cache until all columns are there
        block = points[begin : begin + _BLOCK]
        block.view(np.uint8)[:] = 0  # also between the fields
        for name, column in columns.items():
            block[name] = column[begin : begin + _BLOCK]
    return Cloud(1, size, fields, dtype.itemsize, size * dtype.itemsize, points.view(np.uint8).reshape(-1))


@lru_cache(maxsize=64)
def _layout(columns: tuple[tuple[str, str], ...]) -> tuple[np.dtype, tuple[Field, ...]]:
    """A point of columns with these names and types: every message of a topic has the same."""
    dtype = np.dtype(list(columns), align=True)
    assert dtype.fields is not None  # of named columns
    return dtype, tuple(
        Field(name, dtype.fields[name][1], _POINT_FIELD_TYPES[dtype[name].str[1:]], 1) for name, _ in columns
    )


def encode(flow: FlowField, message: PointCloud2, keep: Iterable[str] = (), rgba: bool = False) -> Cloud:
    """The annotated cloud of `message`, whose decoded sweep is `flow.pair.source`.

    One point for each usable return, nothing in it NaN: in a field that is passed on it becomes 0.
    Fields: x y z f32 m, intensity f32 if the message has it, vx vy vz f32 m/s (ego-motion removed,
    axes of the sweep's frame), moving u8, object i32 (-1: none), probability f32 that it moves, then the fields of the
    message named in `keep` (such as ring or time; those that it lacks are left out), with `rgba` its colour
    (`flow_colours`).
    """
    sweep = flow.pair.source
    columns = _xyz(sweep.points)
    if has_field(message, 'intensity'):
        columns['intensity'] = _finite(_of_rows(message, 'intensity', sweep.rows).astype(np.float32, copy=False))
    columns.update(zip(('vx', 'vy', 'vz'), flow.velocity.astype(np.float32, copy=False).T))
    columns['moving'] = flow.moving.astype(np.uint8)
    columns['object'] = flow.object_ids.astype(np.int32, copy=False)
    columns['probability'] = flow.moving_probability.astype(np.float32, copy=False)
    for name in keep:
        if name not in columns and has_field(message, name):
            columns[name] = _finite(_of_rows(message, name, sweep.rows))
    if rgba:
        columns['rgba'] = pack_rgba(flow_colours(flow))
    return pack(columns)


def field_of(column: np.ndarray) -> np.ndarray:
    """`column` in the PointField type that holds it: 64-bit integers become float64, as there is no such type."""
    wanted = {'f2': 'f4', 'f16': 'f8', 'i8': 'f8', 'u8': 'f8', 'b1': 'u1'}
    code = column.dtype.str[1:]
    return column.astype(wanted.get(code, code))


def encode_points(points: np.ndarray, /, **columns: np.ndarray) -> Cloud:
    """A cloud of `points` (N, 3) m and further `columns` (N,)."""
    return pack({**_xyz(points), **columns})


def with_only(message: Any, kept: np.ndarray, organised: bool = False) -> Cloud:
    """The PointCloud2 `message` with those points alone of which `kept` (height * width,) bool is true.

    Fields, point_step, byte order and the bytes of every point are the message's. The points stand in one row; where
    an `organised` cloud of several rows is asked for, it keeps its size and its padding, and the x, y and z of all
    other points become NaN, or 0 where they are integers.
    Raises InputError as `decode`.
    """
    cloud = _as_cloud(message)
    if organised and cloud.height > 1 or not len(kept):
        return cloud if kept.all() else _with_holes(cloud, ~kept)
    buffer, step, row_step = _grid(message, cloud.height, cloud.width)
    points = (
        np.ndarray((cloud.height, cloud.width), f'V{step}', buffer, 0, (row_step, step))
        .reshape(-1)
        .take(np.flatnonzero(kept))
    )
    data = points.view(np.uint8) if len(points) else np.empty(0, np.uint8)
    return replace(cloud, height=1, width=len(points), row_step=len(data), data=data)


def _as_cloud(message: PointCloud2) -> Cloud:
    """The message without its header, to the byte; its data is not copied."""
    fields = (
        Field(field.name, *(_count(field, part) for part in ('offset', 'datatype', 'count')))
        for field in _get(message, 'fields')
    )
    height, width, point_step, row_step = (
        _count(message, part) for part in ('height', 'width', 'point_step', 'row_step')
    )
    is_bigendian, is_dense = bool(_get(message, 'is_bigendian')), bool(_get(message, 'is_dense'))
    return Cloud(height, width, tuple(fields), point_step, row_step, _bytes(message), is_bigendian, is_dense)


def _with_holes(cloud: Cloud, holes: np.ndarray) -> Cloud:
    """A copy in which the points `holes` (height * width,) bool are none."""
    cloud = replace(cloud, data=cloud.data.copy(), is_dense=False)
    for name in 'xyz':
        column = _column(cloud, name)
        column[holes.reshape(column.shape)] = np.nan if column.dtype.kind == 'f' else 0
    return cloud


def _native(column: np.ndarray) -> np.ndarray:
    """A copy in the machine's byte order."""
    return column.astype(column.dtype.newbyteorder('='))


def _of_rows(message: PointCloud2, name: str, rows: np.ndarray) -> np.ndarray:
    """As `read_field`, of some rows."""
    return _native(_column(message, name).reshape(-1)[rows])


def _finite(column: np.ndarray) -> np.ndarray:
    """NaN is never published: consumers tend to trust x, y, z and stumble over the rest."""
    if column.dtype.kind != 'f' or (finite := np.isfinite(column)).all():
        return column
    return np.where(finite, column, column.dtype.type(0))


def _xyz(points: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip('xyz', np.asarray(points, dtype=np.float32).T))


def _column(message: PointCloud2 | Cloud, name: str) -> np.ndarray:
    """(height, width) view of one field in the message's buffer."""
    height, width = _count(message, 'height'), _count(message, 'width')
    if not height * width:
        return np.empty((0, 0), np.float32)
    buffer, point_step, row_step = _grid(message, height, width)

    fields = _fields(message)
    if name not in fields:
        known = ', '.join(text if text.isprintable() else ascii(text) for text in map(str, fields)) or 'none'
        raise InputError(f"there is no field '{name}' (there are: {known}): feed a cloud with x, y, z")
    datatype, offset = _count(fields[name], 'datatype'), _count(fields[name], 'offset')
    count = _count(fields[name], 'count')
    # Old drivers leave the count 0 where they mean 1.
    if datatype not in _NUMPY_TYPES or count > 1:
        raise InputError(
            f"field '{name}' has datatype {datatype} and count {count}: "
            'it must be one number, such as FLOAT32 (7), count 1'
        )
    dtype = np.dtype(_NUMPY_TYPES[datatype])
    if offset + dtype.itemsize > point_step:
        raise InputError(
            f"field '{name}' at offset {offset} ends beyond point_step {point_step}: the driver gives wrong offsets"
        )
    dtype = dtype.newbyteorder('>' if _get(message, 'is_bigendian') else '<')
    return np.ndarray((height, width), dtype, buffer, offset, (row_step, point_step))


def _grid(message: PointCloud2 | Cloud, height: int, width: int) -> tuple[np.ndarray, int, int]:
    """The buffer (n,) uint8, point_step and row_step, which fit together."""
    point_step, row_step = _count(message, 'point_step'), _count(message, 'row_step')
    if point_step == 0:
        raise InputError('point_step is 0, so no point can be found: the driver must set it')
    buffer, row = _bytes(message), width * point_step
    if row_step < row or row_step >= height * row or len(buffer) == height * row:
        # Drivers leave the step 0, or make it that of the whole cloud: then the rows lie one behind the other.
        row_step = row
    # The padding behind the last row may be left out, and spare bytes may follow.
    needed = (height - 1) * row_step + row
    if len(buffer) < needed:
        raise InputError(
            f'the data holds {len(buffer)} bytes, but height {height} x width {width} x point_step '
            f'{point_step} (row_step {row_step}) asks for {needed}: the message was cut, or its driver '
            'is broken'
        )
    return buffer, point_step, row_step


def _fields(message: PointCloud2 | Cloud) -> dict[str, Any]:
    """The PointFields by name; of two with one name the first."""
    fields = _get(message, 'fields')
    try:
        first: dict[str, Any] = {}
        for field in fields:
            first.setdefault(field.name, field)
        return first
    except (TypeError, AttributeError):
        raise InputError('the fields are not PointFields: feed a sensor_msgs/PointCloud2') from None


def _bytes(message: PointCloud2 | Cloud) -> np.ndarray:
    """(n,) uint8 view of the message's data."""
    data = _get(message, 'data')
    try:
        return np.frombuffer(data, np.uint8) if memoryview(data).nbytes else np.empty(0, np.uint8)
    except (TypeError, ValueError, BufferError):
        raise InputError(f'the data is {type(data).__name__} and not bytes: feed a sensor_msgs/PointCloud2') from None


def _get(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name)
    except AttributeError:
        raise InputError(
            f"a {type(thing).__name__} without '{name}' is not a PointCloud2: feed sensor_msgs/PointCloud2 messages"
        ) from None


def _count(thing: Any, name: str, low: int = 0) -> int:
    """An integer of the message."""
    value = _get(thing, name)
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= _HIGHEST:
        raise InputError(
            f'{name} is {value!r} and not a number from {low} to {_HIGHEST}: '
            'the message is damaged, or its driver is broken'
        )
    return number
