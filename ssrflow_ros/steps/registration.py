"""Registration: how far each cluster of points moved, told by the other sweep, and by the network where that is mute.

Every cluster has a tile, a small map seen from above, with the distance to the other sweep's nearest
point that nothing static explains. The displacement that lays the cluster onto those points, and them
onto the cluster, is searched for over all that a mover can do in the time, from many starts; whatever
start leads there, the residual decides. A long smooth side slides along itself at no cost: there the
network knows better, and which of the two is trusted how far is fitted (`belief.py`), as it is of what a stream
expects. From above, because the height of a return is where a beam happened to strike, and because all tiles are then
worked on as one array.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import minimum_filter

from . import belief
from .fit import Fit
from .rigid import align
from .tiles import COARSE, MIDDLE, MOST_POINTS, Blocks, Tiles, spread

_FASTEST = 35.0            # m/s
_REACH = (1.0, 5.0)        # m, least and most that is searched
_MODES = 2                 # best ones of the coarse search that are followed
_INERTIA = 0.003           # cost of 1 m/s off the network's, for a cluster of 1 m from its middle; small ones
                           # find partners by chance
_GUESSES = np.array([1.0, 1.5, 2.0])[:, None]   # times the network's displacement, which may fall short
_HOPELESS = 0.3            # cost, beyond which no fit is worth to be made exact
_FINE = 0.5                # cells, by which the best is made finer
_FLAT = 2.0                # cells, over which the cost's curvature is taken


def reach(dt: float) -> float:
    """m, how far a mover may get in the time."""
    return float(np.clip(_FASTEST * abs(dt), *_REACH))


def register(points: np.ndarray, counts: np.ndarray, around: Blocks, flow: np.ndarray, dt: float,
             against: Callable[[np.ndarray], np.ndarray],
             expected: Callable[[np.ndarray], np.ndarray]) -> Fit:
    """Lay each of K clusters onto the other sweep, all in one frame, the static world at rest.

    points  (n, 3) m of the clusters, `counts` (K,) of each, one after the other.
    around  the other sweep's points that nothing which stands in the source explains.
    flow    (n, 3) m, displacement of the points as the network has it.
    against of displacements (K, 2) m, the share (K,) of each cluster's points through whose places, moved so, the
            other sweep saw.
    expected of the centres (K, 2) m, the displacements (K, 2) m that a stream expects there, NaN where it has none.
    """
    tiles = Tiles(points, counts, around, reach(dt))
    cell = tiles.cell[:, None]
    median = _medians(flow, counts)
    judge = _Judge(tiles, median / cell, dt)
    shift = judge.best(_starts(judge, median[:, None] * _GUESSES / cell[:, None]), _MODES)
    shift = judge.best(shift[:, :, None] + _AROUND, 1)[:, 0]
    shift = judge.best(shift[:, None] + _FINE * _AROUND, 1)[:, 0]
    turn, cost, shift = np.zeros(len(counts)), tiles.cost(shift[:, None])[:, 0], shift * cell
    hopeful = np.flatnonzero((cost < _HOPELESS) & (tiles.others.counts > 0))
    if len(hopeful):
        here, there = ((np.stack([padded.x, padded.y], axis=-1)[hopeful] - MIDDLE) * cell[hopeful, None]
                       for padded in (tiles.points, tiles.others))
        shift[hopeful], turn[hopeful] = align(here, tiles.points.there[hopeful], there, tiles.others.there[hopeful],
                                              shift[hopeful], dt)
    asked = shift[:, None] / cell[:, None] + _FLAT * _AROUND
    cost = tiles.cost(np.concatenate([asked, median[:, None] / cell[:, None], np.zeros_like(asked[:, :1])], axis=1))
    around, network, still = cost[:, :len(_AROUND)], cost[:, -2], cost[:, -1]
    curvature = _curvature(around, _FLAT * tiles.cell)
    size = tiles.size[:, :2].max(axis=1)
    trust = belief.trust_features(curvature, shift, median, (around[:, 0], network, still),
                                  (against(shift), against(median)), counts, size,
                                  np.linalg.norm(tiles.centre, axis=1))
    trusted = belief.trusted(curvature, shift, median, trust)
    expected = expected(tiles.centre)
    known = np.isfinite(expected)
    then = np.where(known, expected, trusted)
    cost, opposed = tiles.cost(np.stack([trusted, then], axis=1) / cell[:, None]), against(trusted)
    steadiness = belief.steady_features(curvature, then, trusted, cost[:, ::-1].T,
                                        (against(then) if known.any() else opposed, opposed), size, shift - median)
    return Fit(trusted, belief.steadied(curvature, then, trusted, steadiness), turn, tiles.centre, tiles.size, median,
               shift, trust, expected, steadiness, cost[:, 0], still, curvature, opposed)


def _medians(flow: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(K, 2) of x and y of flow (n, 3)."""
    rows, few = spread(counts, MOST_POINTS)
    padded = np.full((len(counts), MOST_POINTS, 2), np.inf, np.float32)
    padded[np.arange(MOST_POINTS) < few[:, None]] = flow[rows, :2]
    padded.sort(axis=1)
    which = np.arange(len(counts))
    return (padded[which, (few - 1) // 2] + padded[which, few // 2]).astype(float) / 2


def _curvature(cost: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(K, 2, 2) second derivatives of costs (K, 9) at `_AROUND` times `step` (K,) m."""
    by = {tuple(place): cost[:, k] for k, place in enumerate(_AROUND.astype(int).tolist())}
    xx, yy = by[1, 0] + by[-1, 0] - 2 * by[0, 0], by[0, 1] + by[0, -1] - 2 * by[0, 0]
    xy = (by[1, 1] + by[-1, -1] - by[1, -1] - by[-1, 1]) / 4
    return np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1) / (step ** 2)[:, None, None]


_AROUND = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing='ij'), -1).reshape(-1, 2)
_AROUND = _AROUND[np.argsort(np.abs(_AROUND).sum(axis=1), kind='stable')]     # rest wins a draw


class _Judge:
    """Which displacements of K clusters are the best; what contradicts the network must fit better.

    flow  (K, 2) cells, by the network.
    """

    def __init__(self, tiles: Tiles, flow: np.ndarray, dt: float):
        self.tiles, self._flow = tiles, flow
        self._inertia = _INERTIA / np.maximum(tiles.size[:, :2].max(axis=1) / 2, 0.4) * tiles.cell / abs(dt)

    def best(self, shift: np.ndarray, count: int) -> np.ndarray:
        """(K, count, 2) best of each cluster's displacements (K, ..., 2), cells."""
        shift = shift.reshape(len(shift), -1, 2)
        cost = self.tiles.cost(shift) + self.inertia(shift, slice(None))
        best = np.argsort(cost, axis=1, kind='stable')[:, :count]
        return np.take_along_axis(shift, best[..., None], axis=1)

    def inertia(self, shift: np.ndarray, which: slice | np.ndarray) -> np.ndarray:
        """(k, Q) cost of what the displacements (k, Q, 2), cells, of the clusters `which` are off the network's."""
        off = shift - self._flow[which, None]
        return self._inertia[which, None] * np.hypot(off[..., 0], off[..., 1])


def _starts(judge: _Judge, guesses: np.ndarray) -> np.ndarray:
    """(K, Q, 2) displacements, cells, to begin with: rest, the guesses (K, G, 2), and the coarse search's best."""
    tiles = judge.tiles
    far = tiles.reach / tiles.cell
    most = far[:, None, None]
    starts = np.concatenate([np.zeros((len(guesses), 1, 2)), np.clip(guesses, -most, most),
                             np.zeros((len(guesses), _MODES, 2))], axis=1)
    sides = far.astype(int) // COARSE
    for side in np.unique(sides):
        which, axis = np.flatnonzero(sides == side), COARSE * np.arange(-side, side + 1)
        grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1).reshape(-1, 2)
        cost = tiles.coarse(which, side)
        cost += 2 * judge.inertia(grid[None], which).reshape(cost.shape)
        lowest = minimum_filter(cost, (1, 3, 3), mode='constant', cval=np.inf) == cost
        cost = np.where(lowest, cost, np.inf).reshape(len(which), -1)
        modes = np.argsort(cost, axis=1, kind='stable')[:, :_MODES]
        found = np.isfinite(np.take_along_axis(cost, modes, axis=1))
        starts[which, -_MODES:] = np.where(found[..., None], grid[modes], 0)
    return starts
