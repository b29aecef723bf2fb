"""From an unlabelled recording to sweeps with what space itself tells: what stands still, and what moves.

A place that another sweep saw through was free then; who stands there now has moved. A place that was taken
half a second before and is half a second later has stood still. Of the rest nothing is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..array_files import load_npz
from ..atomic_write import atomic_write
from ..errors import EgoMotionError, InputError
from ..evaluation.observer_sweep import ObserverSweep
from ..kernels.kd_tree import KdTree
from ..objects.clusters import find_clusters
from ..settings import Settings
from ..steps.deskew import Deskewing
from ..steps.ground import make_ground
from ..steps.range_image import nearest_in_cells
from ..sweep import EgoMotion, Sweep, SweepPair
from .self_losses import STATIC, UNKNOWN

_FAR = 5  # sweeps, over which even walkers leave their place
_FREE_SHARE = 0.25  # of a cluster's points that must stand where another sweep saw through
_SAFE = 2.0  # metres around what moves in which nothing is called static
_LONGEST = 20.0  # metres: whatever is longer is no mover


@dataclass(frozen=True, eq=False)
class RecordedSweep:
    """One sweep without ground, thinned.

    points (N, 3) float32 m in its sensor's frame; labels (N,) int32: STATIC, UNKNOWN, or the number of a moving
    cluster; pose (4, 4) world_from_sensor; run: sweeps with the same number follow each other without a gap;
    ground (G, 3) m, what was taken out, the nearest return in each direction.
    """

    points: np.ndarray
    labels: np.ndarray
    pose: np.ndarray
    run: int
    ground: np.ndarray

    def save(self, path: Path) -> None:
        with atomic_write(path) as unfinished:
            np.savez(unfinished, **vars(self))

    @classmethod
    def load(cls, path: Path) -> 'RecordedSweep':
        """Raises InputError for a sweep that another version wrote."""
        arrays = load_npz(path)
        try:
            return cls(arrays['points'], arrays['labels'], arrays['pose'], int(arrays['run']), arrays['ground'])
        except (KeyError, TypeError, ValueError):
            raise InputError(f'{path} was written by another version of this package: choose another folder') from None


def recorded(
    pairs: Iterable[SweepPair],
    find_ego_motion: Callable[[SweepPair], EgoMotion],
    settings: Settings,
    drop: Callable[[EgoMotionError], None] = lambda error: None,
) -> Iterator[RecordedSweep]:
    """The sweeps of a stream of pairs (source the newest, target the one before it), labelled.

    A pair for whose ego-motion there is no answer ends a run of sweeps, and `drop` is told the error.
    """
    deskewing, ground, rng = Deskewing(), make_ground(settings), np.random.default_rng(settings.seed)
    window: deque[tuple[ObserverSweep, np.ndarray]] = deque()  # and the ground's nearest returns
    last: Sweep | None = None
    pose, run = np.eye(4), -1

    def observer(sweep: Sweep) -> tuple[ObserverSweep, np.ndarray]:
        on_ground = ground(sweep.points)
        returns = sweep.points[on_ground]
        return ObserverSweep(sweep, on_ground, pose, settings.max_range, rng), returns[nearest_in_cells(returns)]

    done = 0
    for pair in pairs:
        try:
            ego = find_ego_motion(pair)
        except EgoMotionError as error:
            drop(error)
            last = None
            continue
        if pair.source.times is not None:
            pair = deskewing(pair, ego)
        if pair.target is not last:
            yield from _flush(window, done, run, settings)
            window.clear()
            done, pose, run = 0, np.eye(4), run + 1
            window.append(observer(pair.target))
        pose = pose @ ego.target_from_source
        last = pair.source
        window.append(observer(pair.source))
        if len(window) > 2 * _FAR + 1:
            window.popleft()
            done -= 1
        if len(window) > done + _FAR:
            yield _labelled(window, done, run, settings)
            done += 1
    yield from _flush(window, done, run, settings)


def _flush(window: deque, done: int, run: int, settings: Settings) -> Iterator[RecordedSweep]:
    for place in range(done, len(window)):
        yield _labelled(window, place, run, settings)


def _labelled(window: deque, place: int, run: int, settings: Settings) -> RecordedSweep:
    """The sweep at `place`, judged by those before and after it."""
    own, ground = window[place]
    free, lasting = np.zeros(len(own.points), bool), np.ones(len(own.points), bool)
    first, final = max(0, place - _FAR), min(len(window) - 1, place + _FAR)
    for other in {first, place - 1, place + 1, final} - {place}:
        if 0 <= other < len(window):
            seen_through, taken = window[other][0].sees(own.world)
            free |= seen_through
            if other in (first, final):
                lasting &= taken
    labels = np.where(lasting & ~free, STATIC, UNKNOWN).astype(np.int32)
    number = 0
    for rows in find_clusters(own.points, np.zeros_like(own.points), ~lasting | free, settings):
        if free[rows].mean() >= _FREE_SHARE and np.ptp(own.points[rows], axis=0).max() < _LONGEST:
            number += 1
            labels[rows] = number
    moving = labels > 0
    if moving.any():
        still = np.flatnonzero(labels == STATIC)
        labels[still[KdTree(own.points[moving]).search(own.points[still], 1)[1][:, 0] < _SAFE]] = UNKNOWN
    return RecordedSweep(own.points, labels, own.pose, run, ground)
