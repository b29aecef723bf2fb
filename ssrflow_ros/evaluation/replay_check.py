"""Judge moving objects without labels, by what earlier and later sweeps saw at their places.

The method sees two sweeps, 0.1 s apart. A recording holds those of two seconds before and after: through a place that
was free then, who stands there now has come; a place that was taken all the time holds nothing that moved. What rides
along with the sensor leaves its place in the world like a mover, and keeps it beside the sensor: it is not judged.
How often these verdicts are right is measured where the truth is known: `studies/replay_check.py`, docs/objects.md.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import NamedTuple, Sequence

import numpy as np

from ..objects.clusters import find_clusters
from ..settings import Settings
from ..sweep import FlowField, MovingObject, Sweep
from .observer_sweep import ObserverSweep

MOVED, STOOD, UNTOLD, BESIDE = 'moved', 'stood', 'untold', 'beside'
"""Verdicts. UNTOLD: too little was seen. BESIDE: it kept its place beside the sensor, as the robot's own body does."""

_SOONEST, _LATEST = 0.5, 2.0  # s, over which even walkers leave their place, and are still in view
_APART = 0.4  # s, between observer sweeps
_MOST, _LEAST = 0.6, 0.3  # share of what was told that was free: from here on moved, up to here stood
_ENOUGH, _ENOUGH_OF_POINT = 8, 2  # points of an object that an observer, and observers of a point that must tell
_MOSTLY = 0.5  # share of what was told to be free, that is found at the same place beside the sensor
_COVERED = 0.25  # share of a mover's points that must lie in objects, as where labels are known
_LONGEST = 20.0  # m, whatever is longer is no mover


@dataclass(frozen=True, eq=False)
class Judged:
    """One sweep.

    stamp_ns  of the sweep.
    objects   (object, its verdict) of each that was reported.
    movers    (rows of its points, whether it was found) of each thing that could be seen to have moved.
    """

    stamp_ns: int
    objects: tuple[tuple[MovingObject, str], ...]
    movers: tuple[tuple[np.ndarray, bool], ...]


class _Told(NamedTuple):
    """What an observer, `apart` s from a sweep, says of the places (n,) bool of its points in the world.

    free    it saw through.
    taken   it found something there.
    beside  free ones of points that it, too, found at the same place in its own frame.
    """

    apart: float
    free: np.ndarray
    taken: np.ndarray
    beside: np.ndarray


class ReplayCheck:
    """Feed it a stream's flows in their order, newest sweep as source; `add` and `finish` return what is judged."""

    def __init__(self, settings: Settings):
        self._settings, self._rng = settings, np.random.default_rng(settings.seed)
        self._window: deque[tuple[ObserverSweep, FlowField | None]] = deque()
        self._last: Sweep | None = None
        self._done = 0  # of the window, so many are judged

    def add(self, flow: FlowField) -> list[Judged]:
        judged = []
        if flow.pair.target is not self._last:  # a gap: places before it are not known any more
            judged = self.finish()
            nothing = np.zeros(len(flow.pair.target), bool)
            self._see(flow.pair.target, nothing, np.eye(4), None)
        pose = self._window[-1][0].pose @ flow.ego_motion.target_from_source
        self._see(flow.pair.source, flow.ground, pose, flow)
        while self._age(self._done) > _LATEST:
            judged += self._judge()
        while self._age(0) > 2 * _LATEST:
            self._window.popleft()
            self._done -= 1
        return judged

    def finish(self) -> list[Judged]:
        """Judge what is left, by what there is."""
        judged = []
        while self._done < len(self._window):
            judged += self._judge()
        self._window.clear()
        self._done, self._last = 0, None
        return judged

    def _see(self, sweep: Sweep, ground: np.ndarray, pose: np.ndarray, flow: FlowField | None) -> None:
        wanted = None if flow is None else flow.object_ids >= 0
        seen = ObserverSweep(sweep, ground, pose, self._settings.max_range, self._rng, wanted=wanted)
        self._window.append((seen, flow))
        self._last = sweep

    def _age(self, place: int) -> float:
        return (self._window[-1][0].stamp_ns - self._window[place][0].stamp_ns) * 1e-9

    def _judge(self) -> list[Judged]:
        own, flow = self._window[self._done]
        told = [
            self._told(own, side) for side in (range(self._done - 1, -1, -1), range(self._done + 1, len(self._window)))
        ]
        self._done += 1
        if flow is None:
            return []
        ids = flow.object_ids[own.rows]
        objects = tuple((item, _verdict(item, told, ids == item.id)) for item in flow.objects)
        gone = np.ones(len(ids), bool)
        for side in told:
            free, taken, beside = (
                sum((getattr(seen, what) for seen in side), np.zeros(len(ids), int))
                for what in ('free', 'taken', 'beside')
            )
            gone &= (free + taken >= _ENOUGH_OF_POINT) & (free >= _MOST * (free + taken)) & (beside < _MOSTLY * free)
        things = find_clusters(own.points, np.zeros_like(own.points), gone, self._settings)
        movers = tuple(
            (own.rows[rows], bool((ids[rows] >= 0).mean() >= _COVERED))
            for rows in things
            if np.ptp(own.points[rows], axis=0).max() < _LONGEST
        )
        return [Judged(own.stamp_ns, objects, movers)]

    def _told(self, own: ObserverSweep, places: range) -> list[_Told]:
        """What the observers of one side say."""
        told, next_one = [], _SOONEST
        for place in places:
            observer = self._window[place][0]
            apart = abs(observer.stamp_ns - own.stamp_ns) * 1e-9
            if apart > _LATEST:
                break
            if apart >= next_one:
                free, taken = observer.sees(own.world)
                beside = free.copy()
                beside[free] = observer.meets(own.points[free])
                told.append(_Told(apart, free, taken, beside))
                next_one = apart + _APART
        return told


def counts(judged: Sequence[Judged]) -> dict[str, int]:
    """Objects by verdict, movers, and those of them that were found; nothing if nothing was judged."""
    if not judged:
        return {}
    verdicts = Counter(verdict for sweep in judged for _, verdict in sweep.objects)
    movers = [found for sweep in judged for _, found in sweep.movers]
    return {
        **{verdict: verdicts[verdict] for verdict in (MOVED, STOOD, UNTOLD, BESIDE)},
        'movers': len(movers),
        'movers_found': sum(movers),
    }


def summary(judged: Sequence[Judged]) -> list[tuple[str, str]]:
    """Rows of a table, title and text; none if nothing was judged."""
    if not judged:
        return []
    seen = counts(judged)
    moved, told, untold = seen[MOVED], seen[MOVED] + seen[STOOD], seen[UNTOLD] + seen[BESIDE]
    return [
        (
            'in hindsight',
            (f'{moved} of {told} objects had moved ({moved / told:.0%}); ' if told else '')
            + f'of {untold} it cannot be told'
            + (f' ({untold / (told + untold):.0%} of all)' if untold else '')
            + (f', {seen[BESIDE]} of them keep their place beside the sensor' if seen[BESIDE] else ''),
        ),
        (
            'movers found',
            f'{seen["movers_found"]} of {seen["movers"]} ({seen["movers_found"] / seen["movers"]:.0%}) of those that '
            'could be seen to have moved'
            if seen['movers']
            else 'nothing could be seen to have moved',
        ),
    ]


def told_apart(judged: Sequence[Judged]) -> tuple[np.ndarray, np.ndarray]:
    """Of the objects that were seen to have moved, or to have stood: their probabilities (n,), and which moved (n,)."""
    told = [pair for sweep in judged for pair in sweep.objects if pair[1] in (MOVED, STOOD)]
    return np.array([item.probability for item, _ in told], float), np.array([v == MOVED for _, v in told], bool)


def _verdict(item: MovingObject, told: list[list[_Told]], rows: np.ndarray) -> str:
    """Of an object with the points `rows`, by the observers before and by those after it.

    Only those are asked in whose time it would, at its speed, have left the place that it takes.
    """
    asked = [
        [
            (seen.free[rows].sum(), seen.taken[rows].sum(), seen.beside[rows].sum())
            for seen in side
            if seen.apart * item.speed >= item.size[:2].max() and (seen.free | seen.taken)[rows].sum() >= _ENOUGH
        ]
        for side in told
    ]
    if not all(asked):
        return UNTOLD
    free, taken, beside = np.concatenate(asked).T
    most = (free / (free + taken)).max()
    if most <= _LEAST:
        return STOOD
    if most < _MOST:
        return UNTOLD
    return BESIDE if beside.sum() >= _MOSTLY * free.sum() else MOVED
