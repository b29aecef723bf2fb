"""When each point of a cloud was measured. No ROS.

Drivers agree neither on name, unit nor origin: Ouster `t` is uint32 ns since the stamp, Velodyne `time` float32 s
around it, Hesai and RoboSense `timestamp` float64 s since 1970, Livox `timestamp` float64 ns since 1970 and
`offset_time` uint32 ns since the stamp, Autoware `time_stamp` likewise.
"""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import InputError
from ..sweep import Sweep
from .pointcloud2 import has_field, read_field

NAMES = ('t', 'time', 'timestamp', 'offset_time', 'time_stamp')
LONGEST = 0.5
"""Seconds from the stamp to the first or last point of a sweep, at most."""


def with_times(sweep: Sweep, message: Any) -> Sweep:
    """`sweep`, decoded from `message`, with the time of each point; errors as `point_times`."""
    return dataclasses.replace(sweep, times=point_times(message, sweep.stamp_ns, sweep.rows))


def point_times(message: Any, stamp_ns: int, rows: np.ndarray) -> np.ndarray:
    """(N,) float32, seconds from `stamp_ns` to each of the points in `rows` of a PointCloud2.

    The unit is the first in which all times lie near the stamp, counted from the stamp or from 1970; integers are
    nanoseconds. InputError if there is no such field or no such unit.
    """
    if not len(rows):
        return np.empty(0, np.float32)
    name = next((name for name in NAMES if has_field(message, name)), None)
    if name is None:
        raise InputError(f"there is no time of each point (no field {', '.join(NAMES)}), so nothing can be deskewed: "
                         'set deskew to false, or let the driver add the field')
    values = read_field(message, name)[rows]
    units = (1e-9,) if values.dtype.kind in 'iu' else (1.0, 1e-3, 1e-6, 1e-9)
    for origin in (0.0, stamp_ns * 1e-9):
        for unit in units:
            times = values * np.float64(unit) - origin
            if np.all(np.abs(times) <= LONGEST):  # never true of NaN
                return times.astype(np.float32)
    raise InputError(f"the times in field '{name}' do not lie within {LONGEST} s of the stamp in any unit: let the "
                     'driver stamp points and cloud with one clock, or set deskew to false')
