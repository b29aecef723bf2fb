"""Registration: how far each cluster of points moved, told by the other sweep, and by the network where that is mute.

Every cluster has a tile, a small map seen from above, with the distance to the other sweep's nearest
point that nothing static explains. The displacement that lays the cluster onto those points, and them
onto the cluster, is searched for over all that a mover can do in the time, from many starts; whatever
start leads there, the residual decides. A long smooth side slides along itself at no cost: there the
network knows better, and which of the two is trusted how far is fitted (`belief.py`). From above,
because the height of a return is where a beam happened to strike, and because all tiles are then
worked on as one array.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter

from . import belief
from .rigid import align
from .tiles import MOST_POINTS, Blocks, Tiles, spread

_FASTEST = 35.0            # m/s
_REACH = (1.0, 5.0)        # m, least and most that is searched
_MODES = 2                 # best ones of the coarse search that are followed
_INERTIA = 0.003           # cost of 1 m/s off the network's, for a cluster of 1 m from its middle; small ones
                           # find partners by chance
_GUESSES = np.array([1.0, 1.5, 2.0])[:, None]   # times the network's displacement, which may fall short
_HOPELESS = 0.3            # cost, beyond which no fit is worth to be made exact
_FLAT = 2.0                # cells, over which the cost's curvature is taken
_COARSE = 3                # cells between coarse candidates


@dataclass(frozen=True, eq=False)
class Fit:
    """Of K clusters: what `register` found.

    shift       (K, 2) m, displacement in x and y: between `measured` and `network`, as far as each is trusted.
    turn        (K,) rad, counter-clockwise about `centre` (K, 2) m.
    size        (K, 3) m, extent.
    network     (K, 2) m, median displacement by the network; `measured` (K, 2) m by the other sweep.
    trust       (K, 2, F) features of the trust in the latter, for each axis of the curvature.
    cost        (K,) in [0, 1], truncated squared distance both ways at `shift`; `cost_still` (K,) the same at rest.
    curvature   (K, 2, 2) 1/m² of the cost at `measured`: what slides along itself is flat that way.
    """

    shift: np.ndarray
    turn: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    network: np.ndarray
    measured: np.ndarray
    trust: np.ndarray
    cost: np.ndarray
    cost_still: np.ndarray
    curvature: np.ndarray


def register(clusters: list[np.ndarray], target: np.ndarray, static: np.ndarray, network: list[np.ndarray],
             dt: float) -> Fit:
    """Lay each of `clusters`, (n, 3) m, onto `target` (M, 3) m, all in one frame, the static world at rest.

    static   (S, 3) m: what stands in the source; points of the target near to it are no one's partner.
    network  (n, 3) m of each cluster: displacement of its points as the network has it.
    """
    tiles = Tiles(clusters, Blocks(static, target), float(np.clip(_FASTEST * abs(dt), *_REACH)))
    median = np.array([np.median(motion[spread(len(motion), MOST_POINTS), :2], axis=0) for motion in network])
    guesses = median[:, None] * _GUESSES
    flow = median / tiles.cell[:, None]
    shift = _best(tiles, _starts(tiles, guesses, dt), _MODES, flow, dt)
    shift = _best(tiles, shift[:, :, None] + _AROUND, 1, flow, dt)[:, 0]
    for step in (1.0, 0.5):
        shift = _best(tiles, shift[:, None] + step * _AROUND, 1, flow, dt)[:, 0]
    cell, turn = tiles.cell[:, None], np.zeros(len(clusters))
    hopeful = np.flatnonzero(tiles.cost(shift, np.arange(len(clusters))) < _HOPELESS)
    shift = shift * cell
    if len(hopeful):
        here, there = ([points[k, np.isfinite(points[k, :, 0])] * tiles.cell[k] for k in hopeful]
                       for points in (tiles.points, tiles.others))
        shift[hopeful], turn[hopeful] = align(here, there, shift[hopeful], dt)
    which = np.arange(len(clusters))
    around = tiles.cost((shift[:, None] / cell[:, None] + _FLAT * _AROUND).reshape(-1, 2),
                        np.repeat(which, len(_AROUND))).reshape(-1, len(_AROUND))
    curvature, still = _curvature(around, _FLAT * tiles.cell), tiles.cost(np.zeros_like(shift), which)
    features = belief.trust_features(curvature, shift, median, (around[:, 0], tiles.cost(flow, which), still),
                                     np.array([len(cluster) for cluster in clusters]),
                                     tiles.size[:, :2].max(axis=1), np.linalg.norm(tiles.centre, axis=1))
    trusted = belief.trusted(curvature, shift, median, features)
    return Fit(trusted, turn, tiles.centre, tiles.size, median, shift, features, tiles.cost(trusted / cell, which),
               still, curvature)


def _curvature(cost: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(K, 2, 2) second derivatives of costs (K, 9) at `_AROUND` times `step` (K,) m."""
    by = {tuple(place): cost[:, k] for k, place in enumerate(_AROUND.astype(int).tolist())}
    xx, yy = by[1, 0] + by[-1, 0] - 2 * by[0, 0], by[0, 1] + by[0, -1] - 2 * by[0, 0]
    xy = (by[1, 1] + by[-1, -1] - by[1, -1] - by[-1, 1]) / 4
    return np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1) / (step ** 2)[:, None, None]


_AROUND = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing='ij'), -1).reshape(-1, 2)
_AROUND = _AROUND[np.argsort(np.abs(_AROUND).sum(axis=1), kind='stable')]     # rest wins a draw


def _best(tiles: Tiles, shift: np.ndarray, count: int, flow: np.ndarray, dt: float) -> np.ndarray:
    """(K, count, 2) best of each cluster's displacements (K, ..., 2), cells; `flow` (K, 2), cells, by the network."""
    shift = shift.reshape(len(shift), -1, 2)
    cost = _judge(tiles, shift, flow, dt)
    best = np.argsort(cost, axis=1, kind='stable')[:, :count]
    return np.take_along_axis(shift, best[..., None], axis=1)


def _judge(tiles: Tiles, shift: np.ndarray, flow: np.ndarray, dt: float) -> np.ndarray:
    """(K, Q) cost of each cluster's displacements (K, Q, 2), cells; what contradicts the network must fit better."""
    which = np.repeat(np.arange(len(shift)), shift.shape[1])
    speed = np.linalg.norm(shift - flow[:, None], axis=-1) * tiles.cell[:, None] / abs(dt)
    return tiles.cost(shift.reshape(-1, 2), which).reshape(shift.shape[:2]) + _inertia(tiles)[:, None] * speed


def _inertia(tiles: Tiles) -> np.ndarray:
    """(K,) cost of 1 m/s."""
    return _INERTIA / np.maximum(tiles.size[:, :2].max(axis=1) / 2, 0.4)


def _starts(tiles: Tiles, guesses: np.ndarray, dt: float) -> np.ndarray:
    """(K, Q, 2) displacements, cells, to begin with: rest, the guesses, and the coarse search's best."""
    count = len(guesses)
    starts = np.zeros((count, 1 + guesses.shape[1] + _MODES, 2))
    most, inertia = tiles.reach / tiles.cell, _inertia(tiles)
    starts[:, 1:-_MODES] = np.clip(guesses / tiles.cell[:, None, None], -most[:, None, None], most[:, None, None])
    for k in range(count):
        steps = int(most[k]) // _COARSE
        axis = np.arange(-steps, steps + 1, dtype=np.int32) * _COARSE
        grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1).reshape(-1, 2)
        speed = np.linalg.norm(grid - guesses[k, 0] / tiles.cell[k], axis=1) * tiles.cell[k] / abs(dt)
        cost = (tiles.coarse(k, grid) + 2 * inertia[k] * speed).reshape(len(axis), len(axis))
        lowest = minimum_filter(cost, 3, mode='constant', cval=np.inf) == cost
        modes = grid[lowest.ravel()]
        modes = modes[np.argsort(cost[lowest], kind='stable')[:_MODES]]
        starts[k, len(starts[k]) - _MODES:][:len(modes)] = modes
    return starts
