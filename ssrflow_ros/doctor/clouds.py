"""What the notes on a stream of clouds tell: layout, frame, rate, order, loss, clock."""

from __future__ import annotations

from typing import Collection, Iterator, Sequence

import numpy as np

from ..formats.topics import NO_FRAME
from ..kernels.kd_tree import KdTree
from ..settings import Settings
from ..steps.pairing import CURES, DUPLICATE, GAP, OTHER_FRAME, OUT_OF_ORDER, RESTART_AFTER, SAME_POINTS
from ..steps.stamps import PAUSE, Rhythm, forward_steps, rhythm
from ..sweep import Sweep
from .cloud_log import CloudLog
from .finding import Finding, note, ok, wrong

FEW = 0.05
"""A sensor of which fewer than this share of the returns is usable is covered, or its clouds are not metres."""
FAR = 300.0
"""Metres: no LiDAR has half of its returns beyond."""
NEAREST = 15.0
"""Metres: about a sensor something is nearer, the ground if nothing else. By the horizontal, for those that fly."""
SLOW_HZ = 5.0
LOST, FEW_LOST = 0.05, 3
"""Share of missing clouds above which something is wrong, and how many may be a driver's hiccup."""
APART, UNLIKE = 0.3, 3.0
"""Metres by which clouds that follow each other lie apart, and times the distance to the one before the last, where two
sensors take turns. Of one sensor the one before the last is the further."""
CLOCK = 1.0
"""Seconds by which the stamps may be off the clock."""


def check_clouds(log: CloudLog, settings: Settings, loss_cure: str, clock: str) -> Iterator[Finding]:
    """Findings on at least one cloud.

    loss_cure  what to do about lost clouds;  clock  what the arrival times are taken from.
    """
    yield from _layout(log)
    yield from _frame(log)
    yield from misplaced(log.ranges, log.nearest, settings)
    yield from _turns(log.sweeps)
    steps = np.diff(np.array([stamp for stamp in log.stamps_ns if stamp], np.int64)) * 1e-9
    yield from _order(log, steps)
    yield from uneven(log.stamps_ns)
    if (steps > 0).any():
        yield from _rate(steps[steps > 0], settings)
        yield from _loss(rhythm(forward_steps(log.stamps_ns)), len(log), loss_cure)
    elif len(log) == 1:
        yield wrong('rate', 'only one cloud: two are needed to see motion')
    yield from _clock(log, clock)


def _layout(log: CloudLog) -> Iterator[Finding]:
    for reason, count in log.errors.most_common(3):
        yield wrong('cloud', f'{count} of {len(log)} clouds cannot be read: {reason}')
    if log.repeats and log.repeats == len(log.usable) - 1:
        yield note(
            'cloud',
            f'all {len(log.usable)} clouds hold the very same points: a simulation that stands still, '
            'or a driver that hangs',
        )
    elif log.repeats:
        yield wrong(
            'cloud',
            f'{log.repeats} of {len(log)} clouds hold the very points of the one before and are '
            f'dropped: {CURES[SAME_POINTS]}',
        )
    if not log.usable:
        if not log.errors:
            yield wrong('cloud', 'every cloud is empty: see whether the sensor spins and is not covered')
        return
    usable, half = float(np.median(log.usable)), float(np.median(log.ranges or [0.0]))
    if half > FAR:  # that is said of its own
        return
    if usable < FEW:
        yield wrong(
            'cloud',
            f'only {usable:.0%} of the returns are usable (finite, not zero, beyond min_range, '
            'not in own_body): uncover the sensor, or lower min_range',
        )
    elif not log.errors:
        yield ok(
            'cloud',
            f'{np.median(log.sizes) / 1e6:.2f} MB, fields {" ".join(log.fields)}, {usable:.0%} of the '
            f'returns usable, half of them within {half:.1f} m',
        )


def _frame(log: CloudLog) -> Iterator[Finding]:
    names = ', '.join(f"'{name}'" for name in log.frames)
    yield from unplaced(log.frames)
    if '' in log.frames:
        return
    if len(log.frames) > 1:
        yield wrong('frame', f'the frame_id changes ({names}): {CURES[OTHER_FRAME]}')
    elif log.frames:
        yield ok('frame', f'{names}')


def _turns(sweeps: Sequence[Sweep]) -> Iterator[Finding]:
    """Of two sensors on one topic, whose clouds bear one frame: each is like the one before the last."""
    full = [sweep.points for sweep in sweeps if len(sweep)]
    if len(full) < 4:
        return
    last, before = (float(np.median([_off(*two) for two in zip(full, full[step:])])) for step in (1, 2))
    if last > max(APART, UNLIKE * before):
        yield wrong(
            'frame',
            f'two sensors take turns on the topic: the points of a cloud lie {last:.1f} m off the cloud before, and '
            f'{before:.1f} m off the one before that: give each a topic and a node of its own, or merge their clouds',
        )


def _off(points: np.ndarray, others: np.ndarray) -> float:
    """m, the median distance from one of `points` (N, 3) to the nearest of `others` (M, 3)."""
    return float(np.median(KdTree(others).search(points[:: 1 + len(points) // 1000], 1)[1]))


def unplaced(frames: Collection[str]) -> Iterator[Finding]:
    """Of clouds in these frames, of which one may have no name."""
    if '' in frames:
        yield wrong('frame', f'clouds {NO_FRAME}')


def misplaced(ranges: Sequence[float], distances: Sequence[float], settings: Settings) -> Iterator[Finding]:
    """Of clouds that are not in metres, or not in the frame of the sensor; as `CloudLog.ranges` and `.nearest`."""
    half = float(np.median(ranges)) if ranges else 0.0
    if half > FAR:
        yield wrong(
            'cloud',
            f'half of the points are more than {half:.0f} m away, as they stand: they are millimetres, or in the '
            'frame of a map: feed metres in the frame of the sensor',
        )
        return
    distance = float(np.median(distances)) if distances else 0.0
    if distance > max(NEAREST, 2 * settings.min_range):
        yield wrong(
            'frame',
            f"no return near the frame's origin, the nearest are {distance:.0f} m away, so it is the "
            'frame of a map or of odometry: feed the cloud in the frame of the sensor',
        )


def uneven(stamps_ns: Sequence[int]) -> Iterator[Finding]:
    """Of stamps that do not come in the rhythm of the sensor."""
    beat = rhythm(forward_steps(stamps_ns))
    if beat is not None and beat.complaint:
        yield note('stamps', beat.complaint)


def _order(log: CloudLog, steps: np.ndarray) -> Iterator[Finding]:
    zeros = log.stamps_ns.count(0)
    if zeros and zeros == len(log.stamps_ns):
        yield wrong('stamps', 'every stamp is 0, so no velocity can be found: let the driver fill in header.stamp')
        return
    if zeros == 1 and log.stamps_ns[0] == 0:
        yield note('stamps', 'the first stamp is 0: that cloud has no partner; let the driver wait for its clock')
    elif zeros:
        yield wrong('stamps', f'{zeros} of {len(log)} stamps are 0: let the driver fill in header.stamp each time')
    equal, back = int(np.sum(steps == 0)), int(np.sum((steps < 0) & (steps >= -RESTART_AFTER)))
    restarts, pauses = int(np.sum(steps < -RESTART_AFTER)), int(np.sum(steps > PAUSE))
    if equal:
        yield wrong(
            'stamps',
            f'{equal} of {len(log)} clouds bear the stamp of the one before and are dropped: {CURES[DUPLICATE]}',
        )
    if back:
        yield wrong(
            'stamps',
            f'{back} of {len(log)} clouds are older than the one before and are dropped: {CURES[OUT_OF_ORDER]}',
        )
    if restarts:
        yield note(
            'stamps',
            f'time starts anew {restarts} times (a loop, or a clock that was set): each time everything is forgotten',
        )
    if pauses:
        yield note(
            'stamps',
            f'time goes on by more than {PAUSE:.0f} s {pauses} times, by {steps.max():.1f} s at most: '
            'the stream paused, or a clock was set',
        )
    if not (zeros or equal or back or restarts or pauses) and len(steps):
        yield ok('stamps', 'each later than the one before')


def _rate(forward: np.ndarray, settings: Settings) -> Iterator[Finding]:
    step = float(np.median(forward))
    gaps = int(np.sum(forward > settings.max_gap))
    if step > settings.max_gap:
        yield wrong(
            'rate',
            f'{step:.2f} s between clouds is more than max_gap ({settings.max_gap} s), so no pair is '
            f'made: {CURES[GAP]}',
        )
    elif 1 / step < SLOW_HZ:
        yield note('rate', f'{1 / step:.1f} Hz: things move far between two sweeps; {SLOW_HZ:.0f} Hz or more is better')
    else:
        yield ok('rate', f'{1 / step:.1f} Hz by the stamps' + (f', {gaps} gaps above max_gap' if gaps else ''))


def _loss(beat: Rhythm | None, clouds: int, cure: str) -> Iterator[Finding]:
    if beat is None:
        return
    share = beat.missing / (beat.missing + clouds)
    if share > LOST and beat.missing >= FEW_LOST:
        yield wrong(
            'loss',
            f'about {share:.0%} of the clouds are missing (the sensor sends {1 / beat.period:.1f} per second): {cure}',
        )
    else:
        yield ok('loss', f'{share:.0%} of the clouds are missing')


def _clock(log: CloudLog, clock: str) -> Iterator[Finding]:
    if len(log.stamps_ns) < len(log) or not any(log.stamps_ns):
        return
    late = float(np.median(np.array(log.times_ns, np.int64) - np.array(log.stamps_ns, np.int64))) * 1e-9
    if abs(late) > CLOCK:
        yield wrong(
            'clock',
            f'the stamps are {abs(late):.1f} s {"behind" if late > 0 else "ahead of"} {clock}, so '
            'that latency cannot be told and poses do not fit: synchronise the sensor (PTP, NTP), '
            'or let the driver stamp with the time of the host',
        )
    else:
        yield ok('clock', f'stamps {abs(1e3 * late):.0f} ms {"before" if late >= 0 else "after"} {clock}')
