"""What a caller may give, arrays and matrices, checked and made into the sweeps and motions of the method."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

from .errors import InputError
from .settings import Settings
from .steps.ego_motion import given
from .sweep import FIRST_STAMP_NS, EgoMotion, Sweep, SweepPair

Cloud = Sweep | Any
"""A sweep, or whatever NumPy takes for an (N, 3+) array: x, y, z in metres, then anything."""
Motion = EgoMotion | Any | None
"""A motion, or its (4, 4) matrix target_from_source; None: not known."""

_LONGEST = 3600.0  # s between two sweeps


def as_sweep(settings: Settings, cloud: Cloud, stamp_ns: int | None) -> Sweep:
    """The returns of a cloud that are usable and not of the robot itself, as `min_range` and `own_body` say.

    Raises InputError where it is no cloud, or has no stamp or two.
    """
    if isinstance(cloud, Sweep):
        if stamp_ns is not None:
            raise InputError('a Sweep bears its own time stamp: leave out stamp_ns and dt, or give an array')
        return _with_sensors(cloud.outside(*settings.own), settings)
    if stamp_ns is None:
        raise InputError('an array bears no time stamp: give stamp_ns, nanoseconds, or a Sweep')
    try:
        stamp_ns = operator.index(stamp_ns)
    except TypeError:
        raise InputError(
            f'stamp_ns: {stamp_ns!r} is no whole number of nanoseconds: give round(1e9 * seconds)'
        ) from None
    if settings.deskew:
        raise InputError(
            'to deskew, the time of each point must be known: give Sweep.from_points(points, stamp_ns, '
            'times=...), or set deskew to false'
        )
    return _with_sensors(Sweep.from_points(cloud, stamp_ns, '', *settings.own), settings)


def _with_sensors(sweep: Sweep, settings: Settings) -> Sweep:
    """The sweep, whose returns know of which of several LiDARs they are."""
    if sweep.sensors is not None or not settings.origins:
        return sweep
    if settings.sensor_field:
        raise InputError(
            f"sensor_field: points alone have no field '{settings.sensor_field}': give a Sweep with sensors=..., or "
            'leave it empty, so that each return is taken to be of the nearest of sensor_origins'
        )
    return sweep.of_nearest(settings.origins)


def as_pair(settings: Settings, source: Cloud | SweepPair, target: Cloud | None, dt: float | None) -> SweepPair:
    """The pair of two arrays `dt` seconds apart, of two sweeps, or of a pair, as the settings say.

    Errors as `as_sweep`; PairError where the stamps or frames make no pair.
    """
    if isinstance(source, SweepPair):
        target, source = source.target, source.source
    if target is None:
        raise InputError('one cloud alone has no flow: give two arrays and dt, two Sweeps, or a SweepPair')
    if isinstance(source, Sweep) and isinstance(target, Sweep) and dt is None:
        stamps: tuple[int | None, int | None] = None, None
    else:
        stamps = FIRST_STAMP_NS, FIRST_STAMP_NS + round(checked_dt(dt) * 1e9)
    return SweepPair(*(as_sweep(settings, *one) for one in zip((source, target), stamps)))


def checked_dt(dt: float | None) -> float:
    """`dt`; InputError if it is no time between two sweeps, s."""
    if isinstance(dt, Real) and math.isfinite(dt) and 0 < abs(dt) <= _LONGEST:
        return dt
    raise InputError(
        f'dt: {dt!r} is no time between two sweeps: give the seconds from the first to the second, such as dt=0.1'
    )


def as_motion(motion: Motion) -> EgoMotion | None:
    """The motion, checked: EgoMotionError where it is no rigid transform."""
    if motion is None:
        return None
    if isinstance(motion, EgoMotion):
        given(motion.target_from_source)
        return motion
    return given(motion)
