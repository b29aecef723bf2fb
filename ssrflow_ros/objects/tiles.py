"""Tiles: small maps from above, one a cluster, on which the cluster is laid onto the other sweep."""
from __future__ import annotations

import numpy as np

from .groups import evenly_chosen, ranges

CELLS = 126                # of a tile's side, a multiple of `COARSE`
COARSE = 3                 # cells between coarse candidates
MOST_POINTS = 96           # of a cluster and of the other sweep that are laid onto each other
_FINEST = 0.1              # m, a cell, if the cluster and its reach fit
_TRUNCATED = 4             # cells, farther ones are all the same
_HEIGHT = 0.3              # m above and below the cluster, within which the other sweep's points count
_ABOUT = 0.5               # m beyond the cluster's box, where the other sweep's points are still its own
# The middle of a cluster is that of a cell: where it is symmetrical, its points lie on no border.
MIDDLE = np.float32(CELLS // 2 + 0.5)
_AREA = CELLS ** 2


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
        self._low, self._high = (side.astype(np.float32).T[..., None, None]
                                 for side in (MIDDLE - margin, MIDDLE + margin))

        def placed(x: np.ndarray, y: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, ...]:
            """Cells, with fractions, from the tile's corner."""
            scale = (1 / self.cell).astype(np.float32)[owner]
            corner = (MIDDLE - self.centre / self.cell[:, None]).astype(np.float32)
            return x * scale + corner[owner, 0], y * scale + corner[owner, 1]

        x, y = placed(points[:, 0], points[:, 1], owner)
        self.points = Padded(x, y, counts)
        self._here = _distances(_cells(x, y, owner), count)
        span = np.minimum(half + reach + _ABOUT, self.cell * (CELLS / 2 - _TRUNCATED))
        x, y, owner = around.near(self.centre, span, low[:, 2] - _HEIGHT, high[:, 2] + _HEIGHT)
        x, y = placed(x, y, owner)
        cell = _cells(x, y, owner)
        self.others = Padded(x, y, np.bincount(owner, minlength=count))
        self._there = _distances(cell, count)

    def coarse(self, which: np.ndarray, steps: int) -> np.ndarray:
        """(k, 2 steps + 1, 2 steps + 1) cost, forward only, of the clusters `which` (k,) moved by whole coarse
        steps to either side, with every second point."""
        side = CELLS // COARSE
        maps = self._there.reshape(-1, side, COARSE, side, COARSE).transpose(0, 2, 4, 1, 3)
        windows = np.lib.stride_tricks.sliding_window_view(maps, (2 * steps + 1,) * 2, axis=(3, 4))
        tile, (row, column) = self.points.tile[which, ::2], (
            place[which, ::2].astype(np.intp) for place in (self.points.x, self.points.y))
        cost = windows[tile, row % COARSE, column % COARSE, row // COARSE - steps, column // COARSE - steps]
        most = (self.points.counts[which] + 1) // 2 * _TRUNCATED ** 2
        return cost.sum(axis=1, dtype=np.uint16) / most[:, None, None]

    def cost(self, shift: np.ndarray) -> np.ndarray:
        """(K, Q) mean truncated squared distance, 0..1, of each cluster moved by `shift` (K, Q, 2) cells
        to the other sweep's points, and of those, as far as they then lie about it, to the cluster.

        Farther than is searched is as far as that."""
        most = ((self.reach + 0.5) / self.cell)[:, None, None]
        shift = np.clip(shift, -most, most)
        east, north = np.moveaxis(shift.astype(np.float32), -1, 0)[..., None]
        points, others = self.points, self.others
        forward = _looked_up(self._there, points.tile[:, None], points.x[:, None] + east, points.y[:, None] + north)
        x, y = others.x[:, None] - east, others.y[:, None] - north
        about = (x > self._low[0]) & (x < self._high[0]) & (y > self._low[1]) & (y < self._high[1])
        about &= others.there[:, None]
        backward = _looked_up(self._here, others.tile[:, None], x, y) * about
        number = np.count_nonzero(about, axis=-1)
        forward, backward = (value.sum(axis=-1, dtype=np.uint16) / _TRUNCATED ** 2 for value in (forward, backward))
        return (forward / points.counts[:, None] + np.where(number, backward / np.maximum(number, 1), 1.0)) / 2


class Padded:
    """At most `MOST_POINTS` of each of K sets of points, evenly.

    x, y  (K, P) cells; beyond the `counts` (K,) of a set its points lie on `tile` (K, P) K, which costs nothing.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, counts: np.ndarray):
        rows, self.counts = evenly_chosen(counts, MOST_POINTS)
        self.there = np.arange(MOST_POINTS) < self.counts[:, None]
        self.x, self.y = (np.full(self.there.shape, MIDDLE) for _ in range(2))
        self.x[self.there], self.y[self.there] = x[rows], y[rows]
        self.tile = np.where(self.there, np.arange(len(counts))[:, None], len(counts))


class Blocks:
    """Points (M, 3) m sorted into square blocks to be found at once."""

    _SIZE, _SIDE = 2.0, 256

    def __init__(self, points: np.ndarray):
        key = self._blocks(points[:, 0]) * np.uint16(self._SIDE) + self._blocks(points[:, 1])
        self._points = points.take(np.argsort(key, kind='stable'), axis=0)
        self._first = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=self._SIDE ** 2))])

    def near(self, centre: np.ndarray, span: np.ndarray, floor: np.ndarray,
             ceiling: np.ndarray) -> tuple[np.ndarray, ...]:
        """x, y and number k, (n,) each, of what lies within `span` (K,) m of `centre` (K, 2) m
        and between two heights (K,) m, one k after the other."""
        (west, south), (east, north) = (self._blocks((centre + side * span[:, None]).T).astype(int) for side in (-1, 1))
        row, owner = ranges(west, east - west + 1)
        begin, end = (self._first[row * self._SIDE + column[owner]] for column in (south, north + 1))
        row, run = ranges(begin, end - begin)
        owner = owner[run]
        x, y, z = self._points.take(row, axis=0).T
        middle, span, floor, ceiling = (side.astype(np.float32)[owner] for side in (centre, span, floor, ceiling))
        inside = np.flatnonzero((np.abs(x - middle[:, 0]) < span) & (np.abs(y - middle[:, 1]) < span)
                                & (z > floor) & (z < ceiling))
        return x[inside], y[inside], owner[inside]

    def _blocks(self, place: np.ndarray) -> np.ndarray:
        block = place * np.float32(1 / self._SIZE) + np.float32(self._SIDE // 2)
        return block.clip(0, self._SIDE - 1).astype(np.uint16)


def _cells(x: np.ndarray, y: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Number of the cell on all tiles."""
    return (tile * CELLS + x.astype(np.intp)) * CELLS + y.astype(np.intp)


def _looked_up(maps: np.ndarray, tile: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the `maps`; none of the cells lies outside, and so to clip is the quickest."""
    return maps.take(_cells(x, y, tile), mode='clip')


_STAMP = np.arange(1 - _TRUNCATED, _TRUNCATED)
_SQUARED = _STAMP[:, None] ** 2 + _STAMP ** 2


def _distances(cells: np.ndarray, count: int) -> np.ndarray:
    """((K + 1) C C) uint8 squared distance in cells, truncated, to the next of the occupied `cells` (n,), which are
    not at the border; of `count` tiles and one that is all 0."""
    occupied = np.zeros(count * _AREA, bool)
    occupied[cells] = True
    cells = np.flatnonzero(occupied)
    maps = np.full((count + 1) * _AREA, _TRUNCATED ** 2, np.uint8)
    maps[count * _AREA:] = 0
    for squared in np.unique(_SQUARED[_SQUARED < _TRUNCATED ** 2])[::-1]:     # the nearest one is written last
        row, column = _STAMP[np.argwhere(_SQUARED == squared)].T
        for step in row * CELLS + column:
            maps[cells + step] = squared
    return maps
