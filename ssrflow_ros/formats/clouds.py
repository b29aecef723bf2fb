"""Point cloud files: .npy, .npz, .bin (KITTI, nuScenes), .pcd, .ply, .las, .laz."""

from __future__ import annotations

import re
import string
import struct
import zipfile
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from ..array_files import check_claim, load_npy, load_npz
from ..arrays import as_points
from ..errors import InputError, in_short
from .bounded_path import BoundedPath

NPZ_KEYS = ('points', 'xyz', 'pc', 'pos', 'pc1', 'pos1', 'arr_0')
"""Names under which an .npz holds its points, the first that is there wins."""

_LOOKED_AT = 100_000  # numbers of a .bin
_MORE_ALIKE = 1.4  # by which numbers must be nearer to each other to be taken for the same of two points
FARTHEST = 1e4
"""Metres: no LiDAR sees so far, and float32 would lose millimetres beyond."""
MOST_COLUMNS = 10_000
"""Numbers of one point: more than the longest descriptor of a .pcd has."""
_BLOCK = 1 << 18
"""Points that are checked at once, so that checking takes hardly any memory."""


class Reader(Protocol):
    """Reads what a point cloud file holds: (N, 3+) or (H, W, 3+) numbers, x, y, z first, or structured with x, y, z; m.

    InputError for what it knows to be wrong; any other error becomes one that calls the file damaged.
    """

    def __call__(self, path: Path) -> np.ndarray: ...


def read_points(path: str | Path, keys: tuple[str, ...] = NPZ_KEYS) -> np.ndarray:
    """(N, 3) float32 x, y, z in metres, one row for each point of the file, non-returns included.

    Organised clouds (H, W, 3+) are laid out row by row. Raises InputError with cause and cure.
    """
    path = Path(path)
    return _plausible(path, as_points(str(path), _read(path, keys)))


def read_fields(path: str | Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The points as `read_points`, and all else that the file holds of each, (N,) by name, in its own number type.

    Columns without a name are the intensity, then column_4, column_5 and so on; of five in a .bin the last is ring.
    A field of several numbers is one of each: rgb_0, rgb_1, rgb_2. What is no number is left out.
    """
    path = Path(path)
    array = _read(path, NPZ_KEYS)
    points = _plausible(path, as_points(str(path), array))
    columns = _columns(path, array)
    if path.suffix.lower() == '.npz':
        columns.update(_beside(path, array.shape[:1] if array.ndim < 3 else array.shape[:2]))
    fields: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        if column.dtype.kind in 'fiub' and column.size and name not in ('x', 'y', 'z'):
            column = column.reshape(len(points), -1)
            names = [name] if column.shape[1] == 1 else [f'{name}_{place}' for place in range(column.shape[1])]
            fields.update(zip(names, column.T))
    return points, fields


def _columns(path: Path, array: np.ndarray) -> dict[str, np.ndarray]:
    """What `array` holds beside x, y, z."""
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    columns = array.reshape(-1, array.shape[-1]).T[3:]
    names = ['intensity', *(f'column_{place}' for place in range(4, 3 + len(columns)))]
    if path.suffix.lower() == '.bin' and len(columns) == 2:
        names[1] = 'ring'
    return dict(zip(names, columns))


def _beside(path: Path, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The arrays of an .npz that have one number for each of the points, which have `shape`."""
    return {
        name: column
        for name, column in load_npz(path).items()
        if name not in NPZ_KEYS and column.shape in (shape, (*shape, 1))
    }


def _read(path: Path, keys: tuple[str, ...]) -> np.ndarray:
    """The file's array of points as it is."""
    if path.is_dir():
        raise InputError(f'{path} is a folder: give one file of it')
    if not path.exists():
        raise InputError(f'{path} does not exist: check the name')
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(f'{path}: cannot read a file that ends in {suffix or "nothing"}: give {", ".join(READERS)}')
    try:
        return np.asarray(_read_npz(path, keys) if suffix == '.npz' else READERS[suffix](path))
    except (InputError, ImportError):
        raise
    except OSError as error:
        raise InputError(f'{path}: {error.strerror or error}: check the file and its rights') from None
    except MemoryError:
        raise InputError(
            f'{path} claims more points than the memory holds: it is damaged, or must be thinned first'
        ) from None
    except Exception as error:  # What the readers of others raise on damaged files is not documented.
        raise InputError(f'{path} is damaged or not a {suffix} file ({in_short(error)}): write it anew') from error


def _read_npy(path: Path) -> np.ndarray:
    with open(path, 'rb') as file:
        if file.read(6) != b'\x93NUMPY':
            raise InputError(f'{path} is damaged or not a .npy file: write it with numpy.save')
    return load_npy(path)


def _read_npz(path: Path, keys: tuple[str, ...] = NPZ_KEYS) -> np.ndarray:
    if not zipfile.is_zipfile(path):
        raise InputError(f'{path} is damaged or not a .npz file: write it with numpy.savez')
    return next(iter(load_npz(path, keys).values()))


def _read_bin(path: Path) -> np.ndarray:
    """KITTI: float32 x, y, z, intensity. nuScenes (.pcd.bin): ring as a fifth."""
    columns = 5 if path.name.lower().endswith('.pcd.bin') else 4
    data = path.read_bytes()
    head = data[:4096]
    if head and not head.translate(None, string.printable.encode()):
        raise InputError(
            f'{path} is a text file: a .bin holds float32 numbers; load it with numpy.loadtxt and save it as .npy'
        )
    found = _numbers_a_point(np.frombuffer(data, '<f4', len(data) // 4), columns)
    if found != columns:
        name = {4: ', or let its name end in .bin alone', 5: ', or let its name end in .pcd.bin'}.get(found, '')
        raise InputError(
            f'{path} holds {found} float32 a point, by the look of it, and not {columns}: '
            f'save its x, y, z as .npy{name}'
        )
    if len(data) % (4 * columns):
        raise InputError(
            f'{path} has {len(data)} bytes, no multiple of {4 * columns}: a .bin holds '
            f'{columns} float32 a point (x, y, z, intensity); save other layouts as .npy'
        )
    return np.frombuffer(data, '<f4').reshape(-1, columns)


def _numbers_a_point(numbers: np.ndarray, expected: int) -> int:
    """How many of `numbers` (N,) make a point: those that lie so far apart in the file are alike.

    It is `expected` unless those that lie otherwise apart are much more so.
    """
    numbers = np.nan_to_num(numbers[:_LOOKED_AT], posinf=0.0, neginf=0.0)
    if len(numbers) < _LOOKED_AT // 100:
        return expected
    with np.errstate(over='ignore'):
        apart = {count: np.median(np.abs(numbers[count:] - numbers[:-count])) for count in (3, 4, 5, 6, 7)}
    others = {count: apart[count] for count in apart if count != expected}
    best = min(others, key=others.__getitem__)
    if others[best] * _MORE_ALIKE >= apart[expected]:
        return expected
    # Two points of three are alike in sixes, too.
    return min(count for count, value in others.items() if best % count == 0 and value <= 2 * others[best])


def _read_pcd(path: Path) -> np.ndarray:
    try:
        from pypcd4 import PointCloud
    except ImportError:
        raise InputError(f'{path}: reading .pcd needs pypcd4: pip install pypcd4') from None
    _check_pcd(path)
    cloud = PointCloud.from_path(path)
    missing = [name for name in 'xyz' if name not in cloud.fields]
    if missing:
        raise InputError(
            f'{path} has no field {", ".join(missing)} (there are: {", ".join(cloud.fields)}): '
            'give a cloud with x, y, z'
        )
    data = np.atleast_1d(cloud.pc_data)
    return data[
        [name for name in data.dtype.names or () if not name.startswith('#')]
    ]  # so it names what is only padding


def _check_pcd(path: Path) -> None:
    """Hold what a .pcd's header says against the file: pypcd4 allocates it unseen."""
    from pypcd4 import Encoding, MetaData

    lines: list[str] = []
    with open(path, 'rb') as file:
        while len(lines) < 10 and not (lines and lines[-1].startswith('DATA')):
            line = file.readline()
            if not line:
                break
            if (text := line.decode().strip()) and not text.startswith('#'):
                lines.append(text)
        header = MetaData.parse_header(lines)
        points, columns = header.points, sum(header.count)
        claimed = points * sum(size * count for size, count in zip(header.size, header.count))
        room = path.stat().st_size
        if header.data == Encoding.ASCII:
            claimed = 2 * points * columns  # a digit and a space
        elif header.data != Encoding.BINARY and points:
            check_claim(path, max(claimed, *struct.unpack('<II', file.read(8))))
            room = claimed
    if claimed > room or columns > MOST_COLUMNS:
        raise InputError(
            f'{path} promises {points} points of {columns} numbers and has {room} bytes: it is cut off or '
            'damaged; write it anew'
        )


def _read_ply(path: Path) -> np.ndarray:
    try:
        # Not trimesh.load, which merges points that coincide.
        from trimesh.exchange.ply import load_ply
    except ImportError:
        raise InputError(f'{path}: reading .ply needs trimesh: pip install trimesh') from None
    with open(path, 'rb') as file:
        head = file.read(1 << 16)
        file.seek(0)
        rows = _ply_text(file) if re.match(rb'ply\s+format ascii', head) else _ply_rows(load_ply(file))
    # What ends too soon is taken for a shorter one, so count.
    declared = re.search(rb'element vertex (\d+)', head)
    if declared is None:
        raise InputError(f'{path} has no vertices: give a .ply of points')
    if len(rows) != int(declared[1]):
        raise InputError(
            f'{path} has {len(rows)} vertices with x, y, z where its header promises '
            f'{int(declared[1])}: it is cut off or holds no points; write it anew'
        )
    return rows


def _ply_rows(loaded: dict) -> np.ndarray:
    """All numbers of the vertices that trimesh has read."""
    vertices = loaded.get('vertices', np.empty((0, 3)))
    if not len(vertices):
        return vertices
    element = loaded['metadata']['_ply_raw']['vertex']
    numbers = {name: kind for name, kind in element['properties'].items() if '$LIST' not in kind}
    rows = np.empty(len(vertices), list(numbers.items()))
    for name in numbers:
        rows[name] = element['data'][name].reshape(-1)
    return rows


def _ply_text(file: BinaryIO) -> np.ndarray:
    """All numbers of the vertices of an ASCII .ply, a line each; trimesh takes twenty times the memory of the file."""
    before, count, element = 0, 0, ''
    kinds: dict[str, str] = {}
    for line in file:
        keyword, *words = line.decode('ascii').split() or ['']
        if keyword == 'end_header':
            break
        if keyword == 'element':
            element, number = words[0], int(words[1])
            count, before = (number, before) if element == 'vertex' else (count, before + number * (not kinds))
        elif keyword == 'property' and element == 'vertex':
            kinds[words[-1]] = _PLY_TYPES[words[0]]  # no list: a line would have any length
    if not count or not {'x', 'y', 'z'} <= set(kinds):
        return np.empty((0, 3))
    columns = np.loadtxt(islice(file, before, before + count), comments=None, ndmin=2).T
    rows = np.empty(columns.shape[1], list(kinds.items()))
    with np.errstate(invalid='ignore', over='ignore'):
        for name, column in zip(kinds, columns, strict=True):
            rows[name] = column
    return rows


def _read_las(path: Path) -> np.ndarray:
    try:
        import laspy
    except ImportError:
        raise InputError(f'{path}: reading {path.suffix} needs laspy: pip install laspy lazrs') from None
    count = _check_las(path)
    if path.suffix.lower() == '.laz' and not laspy.LazBackend.Lazrs.is_available():
        raise InputError(f'{path}: reading .laz needs lazrs: pip install lazrs')
    one_thread = laspy.LazBackend.Lazrs  # a sweep needs no more, and threads do not survive a fork
    try:
        with BoundedPath(path).open('rb') as file, laspy.open(file, laz_backend=one_thread, read_evlrs=False) as reader:
            cloud = reader.read()
    except BaseException as error:
        if type(error).__name__ == 'PanicException':  # of lazrs, which is no Exception
            raise ValueError('its points cannot be unpacked') from None
        raise
    if len(cloud.points) != count:
        raise InputError(f'{path} has {len(cloud.points)} points where its header promises {count}: write it anew')
    columns = {axis: np.asarray(cloud[axis], np.float64) for axis in 'xyz'}
    for name in cloud.point_format.dimension_names:
        if name not in ('X', 'Y', 'Z'):
            columns[name] = np.asarray(cloud[name])
    rows = np.empty(count, [(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def _check_las(path: Path) -> int:
    """How many points a .las or .laz promises; InputError for more than it can hold.

    laspy allocates what the header says unseen, and lazrs what the table of chunks does: it aborts the process.
    """
    size = path.stat().st_size
    with open(path, 'rb') as file:
        head = file.read(375).ljust(375, b'\0')
        begin, form, length = struct.unpack_from('<I', head, 96)[0], head[104], struct.unpack_from('<H', head, 105)[0]
        if size < max(struct.unpack_from('<H', head, 94)[0], begin, _LAS_HEADER):
            raise InputError(f'{path} has {size} bytes and no whole header: it is cut off or no {path.suffix} file')
        large = struct.unpack_from('<Q', head, 247)[0] if head[24:26] >= b'\1\4' else 0
        count = large or struct.unpack_from('<I', head, 107)[0]
        chunks = 0
        if form & 0x80 or path.suffix.lower() == '.laz':
            file.seek(min(begin, size))
            (table,) = struct.unpack('<q', file.read(8).ljust(8, b'\0'))
            if table < 0:  # it was not known when the points were begun
                file.seek(max(size - 8, 0))
                (table,) = struct.unpack('<q', file.read(8).ljust(8, b'\0'))
            file.seek(min(max(table, 0), size))
            _, chunks = struct.unpack('<II', file.read(8).ljust(8, b'\0'))
            if form & 0x3F >= _LAS_LAYERED:
                _check_layers(path, file, begin, table, length)
        if struct.unpack_from('<I', head, 100)[0] * _LAS_RECORD > size or not chunks and count * length > size:
            raise InputError(
                f'{path} promises {count} points, and more records than its {size} bytes hold: it is damaged'
            )
    check_claim(path, max(count * max(length, _LAS_FIELDS), chunks * _LAS_CHUNK))
    return count


def _check_layers(path: Path, file: BinaryIO, begin: int, table: int, length: int) -> None:
    """Hold the layers of each chunk of a .laz against the file: lazrs allocates what they say of themselves."""
    size = path.stat().st_size
    file.seek(0)
    head = file.read(min(begin, size))
    place = head.find(b'laszip encoded') + 52  # behind the record's own header
    (items,) = struct.unpack_from('<H', head.ljust(place + 34, b'\0'), place + 32)
    kinds = np.frombuffer(head[place + 34 : place + 34 + 6 * items].ljust(6 * items, b'\0'), '<u2').reshape(-1, 3)
    layers = sum(_LAYERS.get(int(kind), int(bytes_of_it)) for kind, bytes_of_it, _ in kinds)
    at = begin + 8
    while at + length + 4 < min(table, size):
        file.seek(at + length + 4)  # behind the first point and the number of points
        sizes = np.frombuffer(file.read(4 * layers).ljust(4 * layers, b'\0'), '<u4').astype(np.int64)
        if sizes.sum() > size:
            raise InputError(f'{path} has a chunk of {sizes.sum()} bytes and only {size} itself: it is damaged')
        at += length + 4 + 4 * layers + int(sizes.sum())


_LAS_LAYERED, _LAYERS = 6, {10: 9, 11: 1, 12: 2, 13: 1}
"""From which point format on the fields of a .laz lie in layers, and how many each of its items has; of others one a
byte."""
_LAS_HEADER, _LAS_FIELDS, _LAS_CHUNK, _LAS_RECORD = 227, 200, 64, 54
"""Bytes of the shortest header; that a point takes here, unpacked field by field; of a chunk in lazrs's table; of the
shortest record of the header."""
_PLY_TYPES = {
    'char': 'i1',
    'uchar': 'u1',
    'short': 'i2',
    'ushort': 'u2',
    'int': 'i4',
    'uint': 'u4',
    'float': 'f4',
    'double': 'f8',
    'int8': 'i1',
    'uint8': 'u1',
    'int16': 'i2',
    'uint16': 'u2',
    'int32': 'i4',
    'uint32': 'u4',
    'float32': 'f4',
    'float64': 'f8',
}
READERS: dict[str, Reader] = {
    '.npy': _read_npy,
    '.npz': _read_npz,
    '.bin': _read_bin,
    '.pcd': _read_pcd,
    '.ply': _read_ply,
    '.las': _read_las,
    '.laz': _read_las,
}
SUFFIXES = tuple(READERS)


def _plausible(path: Path, points: np.ndarray) -> np.ndarray:
    """`points` as float32, if they can be LiDAR points in metres."""
    # Inf and NaN are non-returns; a few wild values are errors of the sensor, which max_range deals with.
    wild = sum(_count_wild(points[begin : begin + _BLOCK]) for begin in range(0, len(points), _BLOCK))
    if wild > 0.01 * len(points):
        hint = (
            'it does not hold float32 x, y, z, intensity'
            if path.suffix.lower() == '.bin'
            else 'they are map coordinates or millimetres'
        )
        raise InputError(
            f'{path}: {100 * wild / len(points):.0f} % of the points lie beyond {FARTHEST:.0f} m: '
            f'{hint}; give metres in the frame of the sensor'
        )
    with np.errstate(over='ignore'):
        return np.array(points, dtype=np.float32, order='C')


def _count_wild(points: np.ndarray) -> int:
    finite = np.isfinite(points).all(axis=1)
    return int(np.sum(finite & (np.abs(np.where(finite[:, None], points, 0)).max(axis=1, initial=0) > FARTHEST)))
