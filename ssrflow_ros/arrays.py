"""What of NumPy's arrays is a cloud of points."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError


def as_points(name: str, array: Any) -> np.ndarray:
    """(N, 3) x, y, z of an (N, 3+), (H, W, 3+) or structured array, one row for each point; `name` is told in errors.

    Raises InputError, with cause and cure, for what is none.
    """
    try:
        array = np.asarray(array)
    except (ValueError, TypeError) as error:  # such as lists of unlike lengths
        raise InputError(f'{name} is no array ({error}): give (N, 3) numbers, x y z') from None
    if array.dtype.names:
        if not {'x', 'y', 'z'} <= set(array.dtype.names):
            raise InputError(f'{name} has the fields {", ".join(array.dtype.names)}: give a cloud with x, y, z')
        if any(array[axis].shape != array.shape for axis in 'xyz'):
            raise InputError(f'{name} has fields x, y, z of several numbers each: give a cloud with x, y, z')
        array = np.stack([array[axis].reshape(-1) for axis in 'xyz'], axis=1)
    if array.dtype.kind not in 'fiu':
        raise InputError(f'{name} holds {array.dtype} and not numbers: give float32 x, y, z')
    shape = array.shape
    if array.ndim == 3:
        array = array.reshape(-1, shape[2])
    if array.ndim != 2 or array.shape[1] < 3:
        raise InputError(f'{name} holds an array of shape {shape}: give (N, 3) or more columns, x y z first')
    if array.shape[0] in (3, 4) and array.shape[1] > 8:
        raise InputError(f'{name} holds an array of shape {shape}, one point a column: transpose it')
    return array[:, :3]
