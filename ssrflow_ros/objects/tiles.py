"""Tiles: small maps from above, one a cluster, on which the cluster is laid onto the other sweep."""

from __future__ import annotations

import numpy as np

from ..kernels.tiles import distance_maps, placed, sorted_into_blocks, sums_moved, sums_on_grid, within
from .groups import evenly_chosen

CELLS = 126  # of a tile's side, a multiple of `COARSE`
COARSE = 3  # cells between coarse candidates
MOST_POINTS = 96  # of a cluster and of the other sweep that are laid onto each other
_FINEST = 0.1  # m, a cell, if the cluster and its reach fit
_TRUNCATED = 4  # cells, farther ones are all the same
_HEIGHT = 0.3  # m above and below the cluster, within which the other sweep's points count
_ABOUT = 0.5  # m beyond the cluster's box, where the other sweep's points are still its own
# The middle of a cluster is that of a cell: where it is symmetrical, its points lie on no border.
MIDDLE = np.float32(CELLS // 2 + 0.5)


class Tiles:
    """The maps of K clusters and the points that are laid onto them.

    centre (K, 2) m, size (K, 3) m of the clusters, cell (K,) m of a tile's cells.
    """

    def __init__(self, points: np.ndarray, counts: np.ndarray, around: 'Blocks', reach: float):
        """points (n, 3) m of clusters that have `counts` (K,), one after the other; reach m that is searched."""
        count, owner, first = len(counts), np.repeat(np.arange(len(counts)), counts), np.cumsum(counts) - counts
        low, high = (limit.reduceat(points, first).astype(np.float64) for limit in (np.minimum, np.maximum))
        self.centre, self.size = (low + high)[:, :2] / 2, high - low
        half = self.size[:, :2].max(axis=1) / 2
        self.cell = np.maximum(_FINEST, (half + reach + 0.5) / (CELLS / 2 - 1))
        self.reach = reach
        margin = (self.size[:, :2] / 2 + _ABOUT) / self.cell[:, None]
        self._everywhere = np.full((count, 2), -np.inf, np.float32), np.full((count, 2), np.inf, np.float32)
        self._about = (MIDDLE - margin).astype(np.float32), (MIDDLE + margin).astype(np.float32)

        # Cells, with fractions, from each tile's corner.
        scale, corner = (
            (1 / self.cell).astype(np.float32),
            (MIDDLE - self.centre / self.cell[:, None]).astype(np.float32),
        )
        x, y = placed(points[:, 0], points[:, 1], owner, scale, corner)
        self.points = Padded(x, y, counts)
        self._here = distance_maps(x, y, owner, count, CELLS, _TRUNCATED)
        span = np.minimum(half + reach + _ABOUT, self.cell * (CELLS / 2 - _TRUNCATED))
        x, y, owner = around.near(self.centre, span, low[:, 2] - _HEIGHT, high[:, 2] + _HEIGHT)
        x, y = placed(x, y, owner, scale, corner)
        self.others = Padded(x, y, np.bincount(owner, minlength=count))
        self._there = distance_maps(x, y, owner, count, CELLS, _TRUNCATED)

    def coarse(self, which: np.ndarray, steps: int) -> np.ndarray:
        """(k, 2 steps + 1, 2 steps + 1) cost, forward only, of the clusters `which` (k,) moved by whole coarse
        steps to either side, with every second point."""
        points = self.points
        cost = sums_on_grid(self._there, points.x, points.y, points.counts, which, COARSE, steps)
        return cost / ((points.counts[which] + 1) // 2 * _TRUNCATED**2)[:, None, None]

    def cost(self, shift: np.ndarray) -> np.ndarray:
        """(K, Q) mean truncated squared distance, 0..1, of each cluster moved by `shift` (K, Q, 2) cells
        to the other sweep's points, and of those, as far as they then lie about it, to the cluster.

        Farther than is searched is as far as that."""
        most = ((self.reach + 0.5) / self.cell)[:, None, None]
        shift = np.ascontiguousarray(np.clip(shift, -most, most), np.float32)
        points, others = self.points, self.others
        forward, number = sums_moved(self._there, points.x, points.y, points.counts, shift, *self._everywhere)
        backward, about = sums_moved(self._here, others.x, others.y, others.counts, -shift, *self._about)
        forward, backward = (
            value / _TRUNCATED**2 / np.maximum(count, 1) for value, count in ((forward, number), (backward, about))
        )
        return (forward + np.where(about, backward, 1.0)) / 2


class Padded:
    """At most `MOST_POINTS` of each of K sets of points, evenly.

    x, y  (K, P) cells, `there` (K, P) bool as far as they are points: the first `counts` (K,) of each set.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, counts: np.ndarray):
        rows, self.counts = evenly_chosen(counts, MOST_POINTS)
        self.there = np.arange(MOST_POINTS) < self.counts[:, None]
        self.x, self.y = (np.full(self.there.shape, MIDDLE) for _ in range(2))
        self.x[self.there], self.y[self.there] = x[rows], y[rows]


class Blocks:
    """Points (M, 3) m sorted into square blocks to be found at once."""

    _SIZE, _SIDE = 2.0, 256

    def __init__(self, points: np.ndarray):
        self._points, self._first = sorted_into_blocks(np.ascontiguousarray(points, np.float32), self._SIZE, self._SIDE)

    def near(
        self, centre: np.ndarray, span: np.ndarray, floor: np.ndarray, ceiling: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """x, y and number k, (n,) each, of what lies within `span` (K,) m of `centre` (K, 2) m
        and between two heights (K,) m, one k after the other."""
        limits = (limit.astype(np.float32) for limit in (centre, span, floor, ceiling))
        return within(self._points, self._first, self._SIZE, self._SIDE, *limits)
