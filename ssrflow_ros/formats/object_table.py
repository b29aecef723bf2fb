"""Moving objects as a table for other programs: CSV, or JSON lines. The columns: docs/objects_topic.md."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import IO, Any, Iterable

import numpy as np

from ..atomic_write import signature
from ..errors import InputError
from ..sweep import Basis, MovingObject

SUFFIXES = ('.csv', '.jsonl')

_AXES = 'xyz'
_UPPER = [(i, j) for i in range(3) for j in range(i, 3)]
COLUMNS = (
    'kind',
    'stamp_ns',
    'frame_id',
    'track_id',
    'age_sweeps',
    'object',
    'points',
    *(f'{axis}_m' for axis in _AXES),
    *(f'v{axis}_mps' for axis in _AXES),
    'speed_mps',
    'length_m',
    'width_m',
    'height_m',
    'yaw_rad',
    'yaw_rate_radps',
    *(f'cov_{_AXES[i]}_{_AXES[j]}_m2' for i, j in _UPPER),
    *(f'cov_v{_AXES[i]}_v{_AXES[j]}_m2ps2' for i, j in _UPPER),
    'var_yaw_rate_rad2ps2',
    'basis',
)
"""Of a row, in their order; what is not known is empty (CSV) or null. A last one names who made the file."""
MADE_BY = 'made_by'
OBJECT, TRACK = 'object', 'track'
"""Kinds of rows."""


class ObjectTable:
    """Writes rows to an open `file`, as the suffix of `name` says: one an object. `command` of ssrflow writes it."""

    def __init__(self, name: str | Path, file: IO[str], command: str):
        self._file, self._rows = file, csv.writer(file, lineterminator='\n') if suffix_of(name) == '.csv' else None
        self._signature = signature(command)
        if self._rows:
            self._rows.writerow([*COLUMNS, self._signature])  # so that a table without a row bears it, too

    def write(self, kind: str, stamp_ns: int, frame_id: str, objects: Iterable[MovingObject]) -> None:
        """Those of one sweep, OBJECT or TRACK."""
        for item in objects:
            values = [kind, *_values(stamp_ns, frame_id, item)]
            if self._rows:
                self._rows.writerow(['' if value is None else value for value in (*values, None)])
            else:
                row = {**dict(zip(COLUMNS, values)), MADE_BY: self._signature}
                self._file.write(json.dumps(row, allow_nan=False) + '\n')


def suffix_of(name: str | Path) -> str:
    """One of SUFFIXES; InputError for another."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f'{name}: objects are written as {" or ".join(SUFFIXES)}: give a name that ends so')
    return suffix


def _values(stamp_ns: int, frame_id: str, item: MovingObject) -> list[Any]:
    return [
        int(stamp_ns),
        frame_id,
        int(item.track_id),
        int(item.age),
        int(item.id),
        int(item.n_points),
        *_numbers(item.centre),
        *_numbers(item.velocity),
        *_numbers([item.speed]),
        *_numbers(item.size),
        *_numbers([item.yaw, item.yaw_rate]),
        *_numbers(item.position_covariance[i, j] for i, j in _UPPER),
        *_numbers(item.velocity_covariance[i, j] for i, j in _UPPER),
        *_numbers([item.yaw_rate_variance]),
        None if item.basis == Basis.UNKNOWN else Basis(item.basis).name.lower(),
    ]


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]
