"""What the readers share: finding files, reading them, and saying what is wrong with them."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from pathlib import Path
from typing import Collection, Iterable, Iterator

import numpy as np

from ..array_files import load_npy, load_npz
from ..errors import InputError, SSRFlowError, in_short


def existing(path: str | Path) -> Path:
    """The folder `path`; InputError if it is none."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f'{path} is not a folder: give the folder of the data set')
    return path


def some(paths: Iterable[Path], folder: Path, layout: str) -> list[Path]:
    """`paths` in order; InputError that names the expected `layout` if there is none."""
    found = sorted(paths)
    if not found:
        raise InputError(f'{folder} holds no {layout}: give the folder that does')
    return found


def read_npz(path: Path, keys: Collection[str]) -> dict[str, np.ndarray]:
    """All arrays of an .npz that must have `keys`; InputError if it cannot be read or lacks one."""
    arrays = load_npz(path)
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise InputError(f'{path} has no {", ".join(missing)} (it has {", ".join(arrays)}): it is of another layout')
    return arrays


def read_npy(path: Path) -> np.ndarray:
    """(N, 3) of an .npy; InputError if it cannot be read."""
    return in_threes('its array', load_npy(path))


def in_threes(name: str, array: np.ndarray) -> np.ndarray:
    """(N, 3) of an `array` (N, 3+) of numbers, called `name` where it is none; InputError then."""
    if array.ndim != 2 or array.shape[1] < 3 or array.dtype.kind not in 'fiu':
        raise InputError(f'{name} holds {array.dtype} of shape {array.shape}: numbers of shape (N, 3) are wanted')
    return array[:, :3]


def yes_or_no(name: str, array: np.ndarray) -> np.ndarray:
    """(N,) bool of an `array` of N numbers; InputError if it is none."""
    if array.dtype.kind not in 'bfiu' or array.size != len(np.atleast_1d(array)):
        raise InputError(f'{name} holds {array.dtype} of shape {array.shape}: one number or bool a point is wanted')
    return array.reshape(-1).astype(bool)


@contextmanager
def reading(place: str | Path) -> Iterator[None]:
    """Of whatever goes wrong with what `place` holds an InputError that names it."""
    try:
        yield
    except SSRFlowError as error:
        if str(place) in str(error):
            raise
        raise InputError(f'{place}: {error}') from error
    except OSError as error:
        raise InputError(f'{error.filename or place}: {error.strerror}: check the file and its rights') from error
    except (ArithmeticError, LookupError, TypeError, ValueError, csv.Error) as error:  # of strange contents
        cause = f'{error} is not in it' if isinstance(error, KeyError) else in_short(error)
        raise InputError(f'{place} is damaged or of another layout ({cause}): fetch it again') from error


def alike(path: Path, *arrays: np.ndarray) -> None:
    """InputError unless the arrays of a file have one number of rows."""
    if len({len(array) for array in arrays}) > 1:
        raise InputError(
            f'{path}: its arrays have {", ".join(str(len(array)) for array in arrays)} rows, '
            'which should be equal: it is damaged or of another layout'
        )
