"""When each point of a cloud was measured. No ROS.

Drivers agree neither on name, unit nor origin: Ouster `t` is uint32 ns since the stamp, Velodyne `time` float32 s
around it, Hesai and RoboSense `timestamp` float64 s since 1970, Livox `timestamp` float64 ns since 1970 and
`offset_time` uint32 ns since the stamp, Autoware `time_stamp` likewise; others count microseconds, give the share of
the sweep, or count from the sensor's start.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Iterator, NamedTuple

import numpy as np

from ..errors import InputError
from ..sweep import Sweep
from .message_types import PointCloud2
from .pointcloud2 import has_field, read_field

NAMES = ('t', 'time', 'timestamp', 'offset_time', 'time_stamp')
LONGEST = 0.5
"""Seconds from the stamp to the first or last point of a sweep, at most."""
SHORTEST = 0.1
"""Share of the time between two sweeps that the points of one take, at least."""
MOST_BAD = 0.1
"""Share of the points that may have no time; they are left out."""
_FEW = 1000  # points of a sweep that are looked at to find the unit
_PERIOD, _SHORTEST_SPAN = 0.1, 0.002  # s, of a sensor of which only one sweep is known
_UNITS = (1.0, 1e-3, 1e-6, 1e-9)
_EPOCH = 1e8  # s; no sensor has run for so long, so that this is the time of a clock
_CURE = 'or set deskew to false'
STAMP, CLOCK, START = 'stamp', 'clock', 'start'
"""From where times are counted: the cloud's stamp, 1970, the start of the sensor."""


class Layout(NamedTuple):
    """How a field holds times. unit: s, 0 for the share of the sweep; origin: STAMP, CLOCK or START."""

    name: str
    unit: float
    origin: str

    def seconds(self, values: np.ndarray, stamp_ns: int, period: float | None) -> np.ndarray:
        """(N,) float64 s from the stamp, NaN for what is too far from it, or from the others.

        Where a sensor counts from its start, the first point is taken to be measured at the stamp.
        """
        with np.errstate(invalid='ignore', over='ignore'):
            times = values * np.float64(self.unit or period or _PERIOD)
            if self.origin == CLOCK:
                times = times - stamp_ns * 1e-9
            elif self.origin == START:
                times = times - np.nanpercentile(times, 1)
                times = times - np.min(times, initial=LONGEST, where=np.abs(times) <= LONGEST)
            times = np.where(np.abs(times) <= LONGEST, times, np.nan)
        if np.isnan(times).all():
            return times
        first, last = np.nanpercentile(times, (1, 99))
        slack = max(last - first, (period or _PERIOD) / 2)
        return np.where((times >= first - slack) & (times <= last + slack), times, np.nan)


class PointTimes:
    """Gives the sweeps of one stream the times of their points; the stamps tell it how long a sweep takes."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._steps: deque[float] = deque(maxlen=9)
        self._layout: Layout | None = None
        self._sure = False  # the period was known when it was found

    def __call__(self, sweep: Sweep, message: PointCloud2) -> Sweep:
        """`sweep`, decoded from `message`, with the time of each point, without those of no time.

        InputError if there is no field of times, or none of a unit and origin in which they fit the sweep.
        """
        times = self.of(message, sweep.stamp_ns, sweep.rows)
        good = np.flatnonzero(np.isfinite(times))
        return dataclasses.replace(sweep.without(np.flatnonzero(~np.isfinite(times))), times=times[good])

    def of(self, message: PointCloud2, stamp_ns: int, rows: np.ndarray) -> np.ndarray:
        """(N,) float32, seconds from `stamp_ns` to each of the points in `rows` of a PointCloud2, NaN for no time."""
        if not len(rows):
            return np.empty(0, np.float32)
        if self._last_ns is not None and 0 < (step := (stamp_ns - self._last_ns) * 1e-9) <= LONGEST:
            self._steps.append(step)
        self._last_ns = stamp_ns
        period = float(np.median(self._steps)) if self._steps else None
        try:
            layout = _find_layout(message, stamp_ns, rows, period, self._layout if self._sure else None)
            self._layout, self._sure = layout, period is not None
        except InputError:
            # Few returns may all be of one moment; the others have told how times are written.
            if self._layout is None or not has_field(message, self._layout.name):
                raise
            layout = self._layout
            known = layout.seconds(read_field(message, layout.name)[rows], stamp_ns, period)
            if np.mean(np.isnan(known)) > MOST_BAD or len(rows) > 1 and not np.nanmax(known) > np.nanmin(known):
                raise
        return layout.seconds(read_field(message, layout.name)[rows], stamp_ns, period).astype(np.float32)


def _find_layout(
    message: PointCloud2, stamp_ns: int, rows: np.ndarray, period: float | None, known: Layout | None
) -> Layout:
    """How the points in `rows` of a PointCloud2 bear their times: as `known`, or what best fits `period`, s."""
    names = [name for name in NAMES if has_field(message, name)]
    if not names:
        raise InputError(
            f'there is no time of each point (no field {", ".join(NAMES)}), so nothing can be deskewed: '
            'set deskew to false, or let the driver add the field'
        )
    few = rows[np.linspace(0, len(rows) - 1, min(len(rows), _FEW)).astype(np.int64)]
    causes = []
    for name in names:
        values = read_field(message, name)[few]
        shortest = SHORTEST * period if period else _SHORTEST_SPAN
        spans = {}
        for layout in _layouts(name, values):
            times = layout.seconds(values, stamp_ns, period)
            if np.mean(np.isnan(times)) <= MOST_BAD:
                spans[layout] = float(np.ptp(np.nanpercentile(times, (1, 99))))
        fitting = [layout for layout, span in spans.items() if span >= shortest]
        if known in fitting:
            return known
        if fitting:
            return min(
                fitting, key=lambda layout: (layout.origin == START, abs(np.log(spans[layout] / (period or _PERIOD))))
            )
        causes.append(_why_none(name, values, stamp_ns, spans, period))
    raise InputError(causes[0])


def _layouts(name: str, values: np.ndarray) -> Iterator[Layout]:
    """Those in which `values` may be written."""
    counted, known = values.dtype.kind in 'iu', values[np.isfinite(values)]
    for unit in _UNITS[counted:]:
        yield Layout(name, unit, STAMP)
        yield Layout(name, unit, CLOCK)
        if len(known) and 0 <= np.median(known) * unit < _EPOCH:
            yield Layout(name, unit, START)
    if not counted and len(known) and np.percentile(np.abs(known), 99) <= 1.01:
        yield Layout(name, 0.0, STAMP)


def _why_none(name: str, values: np.ndarray, stamp_ns: int, spans: dict[Layout, float], period: float | None) -> str:
    known = values[np.isfinite(values)] * np.float64(1)
    of_a_clock = len(known) and any(abs(np.median(known) * unit - stamp_ns * 1e-9) < 1e5 for unit in _UNITS)
    if values.dtype == np.float32 and of_a_clock and stamp_ns > _EPOCH * 1e9:
        return (
            f"the times in field '{name}' are those of a clock as float32, which knows it to a minute only: let "
            f'the driver write float64, {_CURE}'
        )
    short = [span for layout, span in spans.items() if layout.origin != START or not np.ptp(known)]
    if short:
        return (
            f"the times in field '{name}' span {1e3 * max(short):.3g} ms of a sweep of "
            f'{1e3 * (period or _PERIOD):.0f} ms, so nothing would be deskewed: let the driver fill them in, ' + _CURE
        )
    return (
        f"the times in field '{name}' do not lie within {LONGEST} s of the stamp in any unit: let the driver "
        f'stamp points and cloud with one clock, {_CURE}'
    )
