"""What the readers share: finding files, reading them, and saying what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Collection, Iterable

import numpy as np

from ..array_files import load_npy, load_npz
from ..errors import InputError


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
    points = load_npy(path)
    if points.ndim != 2 or points.shape[1] < 3:
        raise InputError(f'{path} holds an array of shape {points.shape}: points (N, 3) are wanted')
    return points[:, :3]


def alike(path: Path, *arrays: np.ndarray) -> None:
    """InputError unless the arrays of a file have one number of rows."""
    if len({len(array) for array in arrays}) > 1:
        raise InputError(
            f'{path}: its arrays have {", ".join(str(len(array)) for array in arrays)} rows, '
            'which should be equal: it is damaged or of another layout'
        )
