"""Recordings of strangers take no more memory than such files can fill: what rosbags reads and unpacks is bounded.

rosbags allocates what a record says of its own length before it reads, and unpacks zstd, lz4 and bz2 to whatever they
hold: gigabytes out of a few kilobytes. There is no way to tell it a limit, so what it opens and unpacks files with is
exchanged in its modules; recordings are read by the Reader from here.
"""

from __future__ import annotations

import bz2
import io
import os
from typing import Any, BinaryIO, Literal

import lz4.frame
from rosbags.rosbag1 import reader as ros1_reader
from rosbags.rosbag2 import Reader, reader, storage_mcap

from ..array_files import ROOM, TIMES
from .bounded_path import BoundedPath

__all__ = ['BoundedPath', 'Reader', 'unpack']
_zstd = reader.zstd
FILE_TIMES = 100
"""Times its size to which a whole file may be unpacked on the disk: no sensor's data shrink like that."""


class _BoundedZstd:
    """The module zstd as rosbags uses it: whole messages and chunks in memory, whole files on the disk."""

    @staticmethod
    def decompress(data: bytes) -> bytes:
        parts, left = [], ROOM + TIMES * len(data)
        while data:  # frame after frame
            frame = _zstd.ZstdDecompressor()
            parts.append(frame.decompress(data, max_length=left + 1))
            left -= len(parts[-1])
            if left < 0 or not frame.eof:
                raise ValueError('it unpacks to more than such a message can be' if left < 0 else 'it was cut off')
            data = frame.unused_data
        return b''.join(parts)

    @staticmethod
    def open(file: BinaryIO, mode: Literal['rb']) -> '_BoundedStream':
        return _BoundedStream(_zstd.open(file, mode), 10 * ROOM + FILE_TIMES * os.fstat(file.fileno()).st_size)

    def __getattr__(self, name: str) -> Any:
        return getattr(_zstd, name)


class _BoundedStream:
    def __init__(self, stream: io.BufferedIOBase, most: int):
        self._stream, self._left = stream, most

    def __enter__(self) -> '_BoundedStream':
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError('it unpacks to more than such a file can be')
        return data


def _unpack_lz4(data: bytes) -> bytes:
    most = ROOM + TIMES * len(data)
    unpacked = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=most + 1)
    if len(unpacked) > most:
        raise ValueError('it unpacks to more than such a chunk can be')
    return unpacked


def _unpack_bz2(data: bytes) -> bytes:
    most = ROOM + TIMES * len(data)
    stream = bz2.BZ2Decompressor()
    unpacked = stream.decompress(data, max_length=most + 1)
    if len(unpacked) > most or not stream.eof:
        raise ValueError('it was cut off, or unpacks to more than such a chunk can be')
    return unpacked


def unpack(data: bytes, compression: str) -> bytes:
    """A chunk of an mcap, by the name of its compression; ValueError if it holds more than such a chunk can."""
    if compression not in ('', 'lz4', 'zstd'):
        raise ValueError(f'its chunks are compressed with {compression!r:.100}, which is not known')
    return _BoundedZstd.decompress(data) if compression == 'zstd' else _unpack_lz4(data) if compression else data


vars(reader).update(Path=BoundedPath, zstd=_BoundedZstd())
vars(storage_mcap).update(zstd=_BoundedZstd(), lz4_decompress=_unpack_lz4)
ros1_reader.decompressors.update(bz2=_unpack_bz2, lz4=_unpack_lz4)
