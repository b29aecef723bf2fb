"""Arrays out of the .npy and .npz files of strangers: no pickle, and no more memory than the file can fill."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from typing import Collection, Iterator

import numpy as np

from .errors import InputError, in_short

ROOM, TIMES = 100 << 20, 2
"""What a file says of its own size is believed up to ROOM bytes and TIMES what it has."""


def check_claim(path: Path, claimed: int) -> None:
    """InputError if a file says that it unpacks to more bytes than a file of its size does; to be asked beforehand."""
    size = path.stat().st_size
    if not 0 <= claimed <= ROOM + TIMES * size:
        raise InputError(
            f'{path} has {size / 1e6:.1f} MB and says that it holds {claimed / 1e6:.1f} MB: it is damaged '
            'or hardly anything but zeros; write it anew, uncompressed'
        )


def load_npy(path: Path) -> np.ndarray:
    """The array of an .npy, read from the file where it is used; InputError if it is damaged."""
    with _blame(path), np.errstate(over='ignore'):  # a shape beyond all integers is refused afterwards
        return np.load(path, mmap_mode='r', allow_pickle=False)


def load_npz(path: Path, names: Collection[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of numbers in an .npz by name, or of `names` the first that is there.

    InputError if it is damaged, a bomb, or has none of `names`.
    """
    with _blame(path), np.load(path, allow_pickle=False) as archive:
        wanted = [name for name in names if name in archive.files][:1] if names else archive.files
        if not wanted:
            raise InputError(
                f'{path} holds nothing of use: its keys are {", ".join(archive.files) or "none"}'
                + (f'; name them {" or ".join(list(names)[:3])}' if names else ': fetch it again')
            )
        sizes = {name: _claimed(archive, name) for name in wanted}
        check_claim(path, sum(size or 0 for size in sizes.values()))
        return {name: archive[name] for name, size in sizes.items() if names or size is not None}


def _claimed(archive: np.lib.npyio.NpzFile, name: str) -> int | None:
    """Bytes that a member takes in memory by what it says itself; neither zipfile nor numpy unpack more of it.

    None if it is no array of numbers.
    """
    members = archive.zip
    assert members is not None  # until it is closed
    member = members.getinfo(name if name in members.namelist() else f'{name}.npy')
    with members.open(member) as file:
        if file.read(6) != np.lib.format.MAGIC_PREFIX:
            return None
    with members.open(member) as file:
        first = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return None if dtype.hasobject else max(member.file_size, math.prod(shape) * dtype.itemsize)


@contextmanager
def _blame(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f'{path}: {error.strerror or error}: check the file and its rights') from None
    except Exception as error:  # numpy, zipfile and zlib have many of their own
        raise InputError(
            f'{path} is damaged or not a {path.suffix} file ({in_short(error)}): write it anew, or fetch it again'
        ) from error
