"""Own body: the returns that ride along with the sensor, learnt in the first seconds of motion.

What is of the robot itself stays where it is in the sensor's frame. So does, for a while, what is alike all along the
way, such as a wall or the ground, and who goes along in step. It is the robot only if all of this speaks for it:

  * it ends within `REACH` of the sensor, where no other vehicle as long as a car has room, and is not ground;
  * it was seen at the same place, to `_DRIFT`, in nearly all sweeps of some metres and seconds of motion;
  * stood it in the world, then earlier sweeps saw through its place, and later ones too;
  * the way was so uneven that who goes along evenly would have been left by `_UNEVEN`.

What was learnt and is not seen any more, such as an arm that was folded, is forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import label

from ..kernels.near_field import near_cells
from ..sweep import EgoMotion, Sweep, SweepPair
from ..transforms import invert, transformed
from .dead_reckoning import DeadReckoning
from .newest_sweeps import NewestSweeps
from .range_image import RangeImage

REACH = 2.5
"""m from the vertical through the sensor, within which all of it must lie."""
_CELL = 0.2  # m
_HALF = round(REACH / _CELL) + 2  # cells from the middle of the grid to its border, which is empty
_SIDE, _CELLS = 2 * _HALF, (2 * _HALF) ** 3
_TOUCHING = np.ones((3, 3, 3), bool)

_STEP, _VIEW_STEP = 0.05, 0.5  # m from one sweep that is looked at to the next, and of those whose views are kept
_LEVER = 1.5  # m from the sensor, where a turn is counted as a way
_LEAST_SWEEPS, _LEAST_TIME, _LEAST_WAY = 15, 1.5, 2.0  # s and m of motion, before anything is learnt
_ENOUGH_TIME, _ENOUGH_WAY = 3.0, 10.0  # s and m, after which nothing more is, or the next way is tried
_TRIES = 3
_LONGEST = 30.0  # s for all that; a sensor that hardly moves begins anew

_UNEVEN, _DRIFT = 0.1, 0.05  # m
_SOMETIMES, _SEEN = 0.25, 0.75  # share of the sweeps, in which all of a thing is seen, and what is steady of it
_APART = 1.0, 6.0  # m between two sweeps, one of which tells what the other's places hold
_TOLD, _FREE = 3, 0.6  # answers of one side that count, and share of them that saw through
_GONE = 20  # sweeps in a row without a return


class _Look(NamedTuple):
    """What one sweep saw near the sensor.

    cells, counts, sums  (n,) occupied cells, (n,) their returns, (n, 3) m the sum of their places.
    some                 (n, 3) float32 m, one return of each.
    """

    pose: np.ndarray
    seconds: float
    cells: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    some: np.ndarray


class OwnBody:
    """What rides along with one sensor. It is told of each pair of the stream, and cuts their sweeps.

    learnt  what is cut, in one line for the user; '' as long as nothing is.
    done    nothing more will be learnt.
    """

    def __init__(self) -> None:
        self._frame_id = ''
        self._forget()

    def _forget(self) -> None:
        self.learnt, self.done, self._tries = '', False, 0
        self._own = np.zeros(0, np.int64)  # cells
        self._missed = np.zeros(0, np.int64)  # of each, sweeps in a row without a return
        self._mask: np.ndarray | None = None  # (cells,) bool, what is cut: those, and what touches them
        self._cut: NewestSweeps[Sweep] = NewestSweeps()
        self._begin()

    def _begin(self) -> None:
        """A way of which nothing is known yet."""
        self._reckoning = DeadReckoning()
        self._way = 0.0  # m
        self._looks: list[_Look] = []
        self._views: list[tuple[_Look, RangeImage]] = []
        self._hits = np.zeros(_CELLS, np.int64)
        self._free, self._told = np.zeros((2, 2, _CELLS), np.int64)  # by earlier sweeps, and by later ones

    def cut(self, pair: SweepPair) -> SweepPair:
        """The pair without what was learnt; this very pair where nothing was."""
        self._heed_frame(pair)
        return pair if self._mask is None else SweepPair(self._without(pair.source), self._without(pair.target))

    def add(self, pair: SweepPair, ego: EgoMotion, seen: Sweep, ground: np.ndarray, image: RangeImage) -> None:
        """Learn from a pair that was not cut; `seen` is its source, cut, with the `ground` (N,) bool of its points and
        the range `image` of them."""
        self._heed_frame(pair)
        if self.done or pair.dt > 0:
            return
        if self._looks and pair.source.stamp_ns * 1e-9 - self._looks[0].seconds > _LONGEST:
            self._begin()
        pose = self._reckoning(pair, ego)
        if self._reckoning.begun and self._looks:
            self._begin()
            pose = self._reckoning(pair, ego)
        way = _way(self._looks[-1].pose, pose) if self._looks else 0.0
        if self._looks and way < _STEP:
            return
        self._way += way
        look = _look(pair.source, seen, ground, pose)
        self._hits[look.cells] += 1
        self._looks.append(look)
        for earlier, view in self._views:
            if _APART[0] <= _way(earlier.pose, pose) <= _APART[1]:
                self._ask(0, view, earlier.pose, look)
                self._ask(1, image, pose, earlier)
        if not self._views or _way(self._views[-1][0].pose, pose) >= _VIEW_STEP:
            self._views = [*self._views, (look, image)][-round(2 * _APART[0] / _VIEW_STEP) - 1 :]
            self._judge()

    def _heed_frame(self, pair: SweepPair) -> None:
        if pair.source.frame_id != self._frame_id:
            self._frame_id = pair.source.frame_id
            self._forget()  # it was another sensor's

    def _ask(self, side: int, view: RangeImage, pose: np.ndarray, look: _Look) -> None:
        """What a sensor at `pose` saw where things stand that, in the world, did not move since the `look`."""
        seen = view.at(transformed(look.some, invert(pose) @ look.pose).astype(np.float32))
        free = seen.is_free()
        self._free[side][look.cells] += free
        self._told[side][look.cells] += free | seen.is_at_return()

    def _judge(self) -> None:
        looks = self._looks
        lasted = looks[-1].seconds - looks[0].seconds
        if len(looks) < _LEAST_SWEEPS or lasted < _LEAST_TIME or self._way < _LEAST_WAY or not self._is_uneven():
            return
        answers = self._told >= _TOLD
        passes = answers.any(axis=0) & (~answers | (self._free >= _FREE * self._told)).all(axis=0)
        rides = np.flatnonzero(passes & (self._hits >= _SOMETIMES * len(looks)))
        things, count = label(_dilated(rides).reshape(_SIDE, _SIDE, _SIDE), _TOUCHING)
        parts = [rides[things.ravel()[rides] == thing] for thing in range(1, count + 1)]
        own = [self._steady(cells) for cells in parts if self._is_own(cells)]
        self._keep(np.concatenate([np.zeros(0, np.int64), *own]))
        if lasted >= _ENOUGH_TIME and self._way >= _ENOUGH_WAY:
            self._tries += 1
            self.done = len(self._own) > 0 or self._tries == _TRIES
            self._begin()

    def _steady(self, cells: np.ndarray) -> np.ndarray:
        """Those of the cells that are seen in nearly all sweeps."""
        return cells[self._hits[cells] >= _SEEN * len(self._looks)]

    def _is_uneven(self) -> bool:
        """Somebody who went along at one speed, straight on, is not where he was."""
        seconds = np.array([look.seconds for look in self._looks]) - self._looks[0].seconds
        poses = np.array([look.pose for look in self._looks])
        places = poses[:, :3, 3]
        even = np.column_stack([np.ones_like(seconds), seconds])
        off = places - even @ np.linalg.lstsq(even, places, rcond=None)[0]
        return bool(np.linalg.norm(off, axis=1).max() + _LEVER * _turns(poses[0], poses).max() >= _UNEVEN)

    def _is_own(self, cells: np.ndarray) -> bool:
        """A thing that ends within reach, is steady for the most part, and did not drift."""
        if 2 * self._hits[self._steady(cells)].sum() < self._hits[cells].sum():
            return False
        middles = (np.stack(np.unravel_index(cells, (_SIDE,) * 3), axis=1) - _HALF + 0.5) * _CELL
        if max(np.hypot(middles[:, 0], middles[:, 1]).max(), np.abs(middles[:, 2]).max()) > REACH - _CELL:
            return False
        held = _dilated(cells)
        centres = np.array([_centre(look, held) for look in self._looks if held[look.cells].any()])
        third = max(len(centres) // 3, 1)
        drift = np.linalg.norm(np.median(centres[-third:], axis=0) - np.median(centres[:third], axis=0))
        # What is scanned along other lines each time has its centre elsewhere each time.
        scatter = np.sqrt(np.square(np.diff(centres, axis=0)).sum(axis=1).mean() / third)
        return bool(drift <= _DRIFT + 2 * scatter)

    def _keep(self, cells: np.ndarray) -> None:
        if not len(cells) or np.array_equal(cells, self._own):
            return
        self._own, self._missed, self._mask = cells, np.zeros(len(cells), np.int64), _dilated(cells)
        self._cut.clear()
        middles = (np.stack(np.unravel_index(cells, (_SIDE,) * 3), axis=1) - _HALF + 0.5) * _CELL
        returns = np.mean([look.counts[self._mask[look.cells]].sum() for look in self._looks])
        far = np.hypot(middles[:, 0], middles[:, 1]).max() + _CELL
        self.learnt = (
            f'about {returns:.0f} returns a sweep within {far:.1f} m of the sensor ride along with it and are left out '
            "(own_body: auto; '' keeps them)"
        )

    def _without(self, sweep: Sweep) -> Sweep:
        if sweep not in self._cut:
            assert self._mask is not None
            rows, cells = _near(sweep.points)
            own = rows[self._mask[cells]]
            self._cut[sweep] = sweep.without(own) if len(own) else sweep
            self._forget_what_is_gone(cells)
        return self._cut[sweep]

    def _forget_what_is_gone(self, seen: np.ndarray) -> None:
        hit = np.zeros(_CELLS, bool)
        hit[seen] = True
        self._missed = np.where(hit[self._own], 0, self._missed + 1)
        stays = self._missed < _GONE
        if not stays.all():
            self._own, self._missed = self._own[stays], self._missed[stays]
            self._mask = _dilated(self._own)


def _near(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of the points (N, 3) m that are in reach, and their cells (n,)."""
    return near_cells(points, np.float32(REACH), np.float32(_CELL), _HALF)


def _look(sweep: Sweep, seen: Sweep, ground: np.ndarray, pose: np.ndarray) -> _Look:
    """Of the returns of a `sweep` but for the ground, which is known of those that were `seen`, (N,) bool."""
    rows, near = _near(sweep.points)
    above = ~_is_marked(seen.rows, ground, sweep.rows[rows])
    rows, near = rows[above], near[above]
    points = sweep.points.take(rows, axis=0)
    counts, one = np.bincount(near, minlength=_CELLS), np.zeros(_CELLS, np.int64)
    one[near] = np.arange(len(near))
    cells = np.flatnonzero(counts)
    sums = np.stack([np.bincount(near, axis, minlength=_CELLS)[cells] for axis in points.T], axis=1)
    return _Look(pose, sweep.stamp_ns * 1e-9, cells, counts[cells], sums, points[one[cells]])


def _is_marked(ascending: np.ndarray, marks: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n,) bool, which of the `numbers` (n,) are among the `ascending` (m,) and bear one of their `marks` (m,) bool."""
    if not len(ascending):
        return np.zeros(len(numbers), bool)
    at = np.minimum(np.searchsorted(ascending, numbers), len(ascending) - 1)
    return marks[at] & (ascending[at] == numbers)


def _centre(look: _Look, held: np.ndarray) -> np.ndarray:
    """(3,) m, the mean of its returns in the cells `held` (cells,) bool."""
    inside = held[look.cells]
    return look.sums[inside].sum(axis=0) / look.counts[inside].sum()


def _dilated(cells: np.ndarray) -> np.ndarray:
    """(cells,) bool: `cells` and those that touch them."""
    mask = np.zeros((_SIDE, _SIDE, _SIDE), bool)
    mask.ravel()[cells] = True
    for axis in range(3):
        mask |= np.roll(mask, 1, axis) | np.roll(mask, -1, axis)
    return mask.ravel()


def _turns(pose: np.ndarray, later: np.ndarray) -> np.ndarray:
    """(n,) rad, by which each of the `later` poses (n, 4, 4) is turned against `pose` (4, 4)."""
    trace = np.einsum('ij,nij->n', pose[:3, :3], later[:, :3, :3])
    return np.arccos(np.clip((trace - 1) / 2, -1, 1))


def _way(pose: np.ndarray, later: np.ndarray) -> float:
    """m from the one pose (4, 4) to the other, turns as felt at `_LEVER`."""
    return float(np.linalg.norm(later[:3, 3] - pose[:3, 3]) + _LEVER * _turns(pose, later[None])[0])
