"""Registration: how far each cluster of points moved, told by the other sweep. Geometry alone.

Every cluster has a tile, a small map seen from above, with the distance to the other sweep's nearest
point that nothing static explains. The displacement that lays the cluster onto those points, and them
onto the cluster, is searched for over all that a mover can do in the time, from many starts; whatever
start leads there, the cost decides. From above, because the height of a return is where a beam happened to strike,
and because all tiles are then worked on as one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..kernels.groups import medians
from .alignment import align
from .groups import Clusters
from .tiles import MIDDLE, MOST_POINTS, Blocks, Tiles

_INERTIA = 0.003  # cost of 1 m/s off the network's, for a cluster of 1 m from its middle; small ones
# find partners by chance
_GUESSES = np.array([1.0, 1.5, 2.0])[:, None]  # times the network's displacement, which may fall short
_HOPELESS = 0.3  # cost, beyond which no fit is worth to be made exact
_FINE = 0.5  # cells, by which the best is made finer
_FINER_POINTS, _FINER_STEPS = 192, 3  # what makes exact where a cluster is found
_FLAT = 2.0  # cells, over which the cost's curvature is taken
_FLATTEST = 0.02  # 1/m², curvatures are not less


@dataclass(frozen=True, eq=False)
class Registration:
    """K clusters laid onto the other sweep, all in one frame, the static world at rest.

    tiles      the maps on which they were.
    network    (K, 2) m, median displacement in x and y by the network.
    measured   (K, 2) m, the one that costs least by the other sweep.
    turn       (K,) rad, counter-clockwise about `centre`.
    cost_measured, cost_network, cost_still  (K,) in [0, 1], truncated squared distance both ways at these and at rest.
    curvature  (K, 2) 1/m² of the cost at `measured` along `axes` (K, 2, 2), columns: what slides along itself is flat
               that way.
    """

    tiles: Tiles
    network: np.ndarray
    measured: np.ndarray
    turn: np.ndarray
    cost_measured: np.ndarray
    cost_network: np.ndarray
    cost_still: np.ndarray
    curvature: np.ndarray
    axes: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """(K, 2) m, of their boxes."""
        return self.tiles.centre

    @property
    def size(self) -> np.ndarray:
        """(K, 3) m, of their boxes."""
        return self.tiles.size

    @cached_property
    def longer_side(self) -> np.ndarray:
        """(K,) m, seen from above."""
        return self.size[:, :2].max(axis=1)

    @cached_property
    def range(self) -> np.ndarray:
        """(K,) m from the sensor."""
        return np.linalg.norm(self.centre, axis=1)

    def cost(self, displacement: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """(k,) as `cost_measured`, of the clusters `which` (k,), None: all, at a `displacement` (k, 2) m."""
        cell = self.tiles.cell if which is None else self.tiles.cell[which]
        return self.tiles.cost((displacement / cell[:, None])[:, None], which)[:, 0]


def register(clusters: Clusters, network: np.ndarray, target: Blocks, reach: float, dt: float) -> Registration:
    """Lay each of K clusters onto the other sweep.

    network  (n, 3) m, displacement of the clusters' points by the network, from which the search begins, too.
    target   the other sweep's points that nothing which stands in the source explains.
    reach    m, as far as they may have moved in `dt` s.
    """
    tiles = Tiles(clusters, target, reach)
    cell, median = tiles.cell[:, None], medians(network, clusters.counts, MOST_POINTS)
    inertia = _INERTIA / np.maximum(tiles.size[:, :2].max(axis=1) / 2, 0.4) * tiles.cell / abs(dt)
    guesses = median[:, None] * _GUESSES / cell[:, None]
    measured, turn = _aligned(tiles, *tiles.search(median / cell, guesses, inertia, _AROUND, _FINE), dt)
    around = measured[:, None] / cell[:, None] + _FLAT * _AROUND
    cost = tiles.cost(np.concatenate([around, median[:, None] / cell[:, None], np.zeros_like(around[:, :1])], axis=1))
    curvature, axes = np.linalg.eigh(_curvature(cost[:, : len(_AROUND)], _FLAT * tiles.cell))
    return Registration(
        tiles, median, measured, turn, cost[:, 0], cost[:, -2], cost[:, -1], np.maximum(curvature, _FLATTEST), axes
    )


def laid_onto_sweep(
    tiles: Tiles, guess: np.ndarray, dt: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the K clusters of `tiles` lie in a sweep `dt` s off, as far as their map reaches, a `guess` (K, 2) m being
    tried, too: their displacement (K, 2) m, and what that costs, rest, and the guess, (K,) each."""
    cell = tiles.cell[:, None]
    found = tiles.search(guess / cell, guess[:, None] / cell[:, None], np.zeros(len(guess)), _AROUND, _FINE)
    shift, _ = _aligned(tiles, *found, dt)
    cost = tiles.cost(np.stack([shift, np.zeros_like(shift), guess], axis=1) / cell[:, None])
    return shift, *cost.T


def _aligned(tiles: Tiles, shift: np.ndarray, cost: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Displacements (K, 2) m and turns (K,) rad, made exact from `shift` (K, 2) cells, of that `cost` (K,), where that
    promises anything."""
    turn, shift = np.zeros(len(shift)), shift * tiles.cell[:, None]
    hopeful = np.flatnonzero((cost < _HOPELESS) & (tiles.there[2] > 0))
    if len(hopeful):
        cell = tiles.cell[hopeful, None, None]
        (here, counts), (there, others) = (
            (((places[hopeful] - MIDDLE) * cell).astype(np.float32), number[hopeful])
            for _, places, number in (tiles.here, tiles.there)
        )
        shift[hopeful], turn[hopeful] = align(here, counts, there, others, shift[hopeful], turn[hopeful], dt)
        # Of the other sweep's few points about all that is searched even fewer are the cluster's own.
        here, counts, there, others = tiles.points_at(shift[hopeful], hopeful, _FINER_POINTS)
        seen = np.flatnonzero(others > 0)
        hopeful, finer = hopeful[seen], (here[seen], counts[seen], there[seen], others[seen])
        shift[hopeful], turn[hopeful] = align(*finer, shift[hopeful], turn[hopeful], dt, _FINER_STEPS)
    return shift, turn


def _curvature(cost: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(K, 2, 2) second derivatives of costs (K, 9) at `_AROUND` times `step` (K,) m."""
    by = {tuple(place): cost[:, k] for k, place in enumerate(_AROUND.astype(int).tolist())}
    xx, yy = by[1, 0] + by[-1, 0] - 2 * by[0, 0], by[0, 1] + by[0, -1] - 2 * by[0, 0]
    xy = (by[1, 1] + by[-1, -1] - by[1, -1] - by[-1, 1]) / 4
    return np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1) / (step**2)[:, None, None]


_AROUND = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing='ij'), -1).reshape(-1, 2)
_AROUND = _AROUND[np.argsort(np.abs(_AROUND).sum(axis=1), kind='stable')]  # rest wins a draw
