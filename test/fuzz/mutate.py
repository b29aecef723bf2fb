"""Damage, by chance and on purpose: the same random numbers, the same input."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Callable

from backports import zstd

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    255,
    256,
    2**15,
    2**16,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -1,
    -(2**31),
)
WORDS = (
    b'nan',
    b'inf',
    b'-inf',
    b'1e309',
    b'-1',
    b'0',
    b'',
    b'null',
    b'true',
    b'[]',
    b'{}',
    b'"',
    b"'",
    b'\0',
    b'\n',
    b'../../../../etc/passwd',
    b'/etc/passwd',
    b'/dev/zero',
    b'..',
    b'9' * 400,
    b'\xff\xfe',
    b'%2e%2e%2f',
    b'x' * 5000,
)


@dataclass(frozen=True)
class Input:
    """Files by name: bytes, or members by name of an archive that is packed when it is written.

    folder  name of the folder in which they lie, if that is what is read; '': the first file is read.
    """

    files: dict[str, bytes | dict[str, bytes]]
    folder: str = ''

    def write(self, place: Path) -> tuple[Path, int]:
        """Lay it into `place`: the path to read, and its size in bytes."""
        size, to = 0, place / self.folder
        to.mkdir(exist_ok=True)
        for name, data in self.files.items():
            data = data if isinstance(data, bytes) else data[PACKED] if PACKED in data else pack(data)
            (to / name).write_bytes(data)
            size += len(data)
        return to if self.folder else to / next(iter(self.files)), size


PACKED = '<packed>'
"""A member that stands for the whole archive, damaged after it was packed."""


def mutate(reader: str, rng: random.Random, seeds: list[Input]) -> Input:
    """One of `seeds` with one of its files damaged, seldom with none."""
    seed = rng.choice(seeds)
    name = rng.choice(list(seed.files))
    other = rng.choice(list(rng.choice(seeds).files.values()))
    data = seed.files[name]
    if isinstance(data, dict):
        data = _archive(rng, data, other if isinstance(other, dict) else data)
    else:
        other = other if isinstance(other, bytes) else data
        special = _SPECIAL.get(name.rsplit('.', 1)[-1]) if rng.random() < 0.5 else None
        data = special(rng, data) if special else damage(rng, data, other)
    return Input({**seed.files, name: data}, seed.folder)


def damage(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """`data` after one to eight chance mutations; `other` is for splices."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(_MUTATIONS)(rng, data, other)
    return data


def _flip(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return _at(rng, data, lambda old: bytes([old[0] ^ 1 << rng.randrange(8)]), 1)


def _byte(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return _at(rng, data, lambda old: rng.randbytes(1), 1)


def _number(rng: random.Random, data: bytes, other: bytes) -> bytes:
    size = rng.choice((1, 2, 4, 8))
    order = rng.choice(('little', 'big'))
    return _at(rng, data, lambda old: (rng.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, order), size)


def _float(rng: random.Random, data: bytes, other: bytes) -> bytes:
    value = rng.choice((float('nan'), float('inf'), 1e300, -1e300, 0.0, 1e-320, 3e38))
    return _at(rng, data, lambda old: struct.pack('<d', value), 8)


def _digits(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return _replace(rng, data, rb'-?\d+(\.\d+)?', lambda: str(rng.choice(NUMBERS)).encode())


def _word(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return _replace(rng, data, rb'[\w./-]{2,}', lambda: rng.choice(WORDS))


def _cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _remove(rng: random.Random, data: bytes, other: bytes) -> bytes:
    begin = rng.randrange(len(data) + 1)
    return data[:begin] + data[begin + rng.choice((1, 2, 4, 8, 64)) :]


def _repeat(rng: random.Random, data: bytes, other: bytes) -> bytes:
    begin = rng.randrange(len(data) + 1)
    piece = data[begin : begin + rng.choice((1, 4, 16, 200))]
    return data[:begin] + piece * rng.choice((2, 3, 100)) + data[begin:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _insert(rng: random.Random, data: bytes, other: bytes) -> bytes:
    begin = rng.randrange(len(data) + 1)
    return data[:begin] + rng.choice((rng.randbytes(rng.randrange(20)), rng.choice(WORDS))) + data[begin:]


_MUTATIONS = (_flip, _byte, _number, _number, _float, _digits, _digits, _word, _cut, _remove, _repeat, _splice, _insert)


def _at(rng: random.Random, data: bytes, make: Callable[[bytes], bytes], size: int) -> bytes:
    if len(data) < size:
        return data
    # Headers, at either end, are where numbers mean something.
    length = len(data)
    begin = rng.choice((rng.randrange(length), rng.randrange(min(length, 200)), -1 - rng.randrange(min(length, 100))))
    begin = min(begin % length, length - size)
    return data[:begin] + make(data[begin : begin + size]) + data[begin + size :]


def _replace(rng: random.Random, data: bytes, pattern: bytes, make: Callable[[], bytes]) -> bytes:
    found = list(re.finditer(pattern, data[:5000]))
    if not found:
        return data
    match = rng.choice(found[:20] if rng.random() < 0.7 else found)
    return data[: match.start()] + make() + data[match.end() :]


_SHAPES = (10**7, 3), (10**8, 3), (3, 10**7), (10**6, 3)
_QUARTERS = 1, 8, 200


# --- on purpose, by the file's ending ------------------------------------------------------------------


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _archive(rng: random.Random, members: dict[str, bytes], others: dict[str, bytes]) -> dict[str, bytes]:
    """A member damaged under a right checksum, an archive damaged as a whole, hostile names, or a bomb."""
    name = rng.choice(list(members))
    kind = rng.random()
    if kind < 0.5:
        members = {**members, name: damage(rng, members[name], rng.choice(list(others.values())))}
    elif kind < 0.6:
        to = rng.choice(
            (
                '../points.npy',
                '/etc/points.npy',
                'points',
                'a/b/points.npy',
                'points.npy.npy',
                'x\0.npy',
                '\n\x1b[2J.npy',
                ' ',
            )
        )
        members = {to if key == name else key: data for key, data in members.items()}
    elif kind < 0.7:
        return {PACKED: _bomb(name, rng.choice(_SHAPES))}
    packed = pack(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return {PACKED: damage(rng, packed, packed) if kind > 0.7 else packed}


@cache
def _bomb(name: str, shape: tuple[int, int]) -> bytes:
    """An archive of hardly anything but zeros."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
    zeros = bytes(min(4 * shape[0] * shape[1], 12 * 10**7))
    return pack(
        {name: b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + zeros}, zipfile.ZIP_DEFLATED
    )


@cache
def _gigabytes(quarters: int) -> bytes:
    return zstd.compress(bytes(1 << 28)) * quarters


def warm_up() -> None:
    """Make what takes long once, before there are children."""
    for shape in _SHAPES:
        for name in ('points.npy', 'arr_0.npy'):
            _bomb(name, shape)
    for quarters in _QUARTERS:
        _gigabytes(quarters)


def _safetensors(rng: random.Random, data: bytes) -> bytes:
    """The header edited under a right length, or a wrong length."""
    (length,) = struct.unpack('<Q', data[:8])
    if rng.random() < 0.1:
        return struct.pack('<Q', rng.choice(NUMBERS) % 2**64) + data[8:]
    header = json.loads(data[8 : 8 + length])
    if rng.random() < 0.6:  # the network's settings: JSON within JSON
        inner = json.loads(header['__metadata__']['config'])
        inner[rng.choice(list(inner))] = _value(rng)
        header['__metadata__']['config'] = json.dumps(inner)
    elif rng.random() < 0.5:
        texts = header['__metadata__']
        texts[rng.choice(list(texts))] = rng.choice(('', '[', 'null', '{}', '[' * 10**5))
    else:
        tensor = header[rng.choice([key for key in header if key != '__metadata__'])]
        tensor[rng.choice(('dtype', 'shape', 'data_offsets'))] = rng.choice(
            ('F64', 'I8', 'BOOL', 'F8_E4M3', [2**40, 2**40], [0], [-1], [0, 2**63], [2**62, 4], [])
        )
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data[8 + length :]


def _value(rng: random.Random):
    return rng.choice(
        (
            None,
            True,
            -1,
            0,
            1,
            2.5,
            'x',
            '',
            [],
            {},
            [1],
            [0] * 2,
            [2**31] * 2,
            [-1, 2],
            ['a', 'b'],
            [[1], [2]],
            2**20,
            2**31,
            2**63,
            10**30,
            float('nan'),
            float('inf'),
            [float('nan')] * 2,
            'dual',
            'local',
            [1] * 100,
            {'a': 1},
        )
    )


def _settings(rng: random.Random, data: bytes) -> bytes:
    """One value of a mapping exchanged for one of another kind."""
    try:
        found = json.loads(data)
        found[rng.choice(list(found))] = _value(rng)
        return json.dumps(found).encode()
    except (ValueError, TypeError, RecursionError, IndexError):
        return damage(rng, data, data)


def _recompressed(rng: random.Random, data: bytes) -> bytes:
    """What is within damaged, or gigabytes of nothing in its place."""
    if rng.random() < 0.05:
        return _gigabytes(rng.choice(_QUARTERS))
    inner = zstd.decompress(data)
    return zstd.compress(damage(rng, inner, inner))


def _pcd(rng: random.Random, data: bytes) -> bytes:
    return _replace(
        rng,
        data,
        rb'(?m)^(SIZE|COUNT|POINTS|WIDTH|HEIGHT|TYPE|FIELDS|DATA) .*$',
        lambda: rng.choice(
            (
                b'COUNT 1 1 1 1000000000',
                b'COUNT 0 1 1 1',
                b'SIZE 8 8 8 8',
                b'POINTS 1000000000000',
                b'POINTS -1',
                b'SIZE 4',
                b'FIELDS x y z z',
                b'FIELDS x x x x',
                b'TYPE F F F X',
                b'DATA ascii',
                b'DATA binary',
                b'DATA binary_compressed',
                b'WIDTH 99999999999999999999999',
                b'COUNT 1 1 1 2',
                b'POINTS 100000000',
            )
        ),
    )


def _ply(rng: random.Random, data: bytes) -> bytes:
    return _replace(
        rng,
        data,
        rb'(?m)^(element|property|format) .*$',
        lambda: rng.choice(
            (
                b'element vertex 1000000000000',
                b'element vertex 100000000',
                b'element vertex -1',
                b'element vertex 0',
                b'element face 1000000000',
                b'property list uchar float x',
                b'property list uint double x',
                b'property double x',
                b'property char x',
                b'format ascii 1.0',
                b'format binary_big_endian 1.0',
                b'element vertex',
                b'comment TextureFile ../../../../etc/passwd',
                b'property list int int vertex_indices',
            )
        ),
    )


def _metadata(rng: random.Random, data: bytes) -> bytes:
    bomb = b'a: &a [x, x]\n' + b''.join(
        b'b%d: &b%d [*%s, *%s]\n' % (n, n, *[b'b%d' % (n - 1) if n else b'a'] * 2) for n in range(40)
    )
    if rng.random() < 0.2:
        return bomb + data
    if rng.random() < 0.2:
        return bomb + re.sub(
            rb'(offered_qos_profiles|name|type|ros_distro): .*', rb'\1: *b39', data, count=rng.choice((1, 0))
        )
    return _replace(
        rng,
        data,
        rb'(?m)(?<=: )\S.*$|(?<=- )[\w.]+$',
        lambda: rng.choice(
            WORDS
            + (
                b'../../../../../../etc/passwd',
                b'..',
                b'.',
                b'mcap',
                b'sqlite3',
                b'zstd',
                b'FILE',
                b'MESSAGE',
                b'99999999999999999999',
                b'&a [*a]',
                b'{}',
                b'[a, b]',
            )
        ),
    )


_SPECIAL: dict[str, Callable[[random.Random, bytes], bytes]] = {
    'safetensors': _safetensors,
    'json': _settings,
    'zstd': _recompressed,
    'pcd': _pcd,
    'ply': _ply,
    'yaml': _metadata,
}
