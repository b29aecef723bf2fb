"""Tiles: small maps from above, one a cluster, on which the cluster is laid onto the other sweep."""
from __future__ import annotations

import numpy as np

CELLS = 128                # of a tile's side
_FINEST = 0.1              # m, a cell, if the cluster and its reach fit
_TRUNCATED = 4             # cells, farther ones are all the same
MOST_POINTS = 96           # of a cluster and of the other sweep that are laid onto each other
_HEIGHT = 0.3              # m above and below the cluster, within which the other sweep's points count
_ABOUT = 0.5               # m beyond the cluster's box, where the other sweep's points are still its own


class Tiles:
    """The maps of K clusters and the points that are laid onto them."""

    def __init__(self, clusters: list[np.ndarray], around: 'Blocks', reach: float):
        count, points = len(clusters), np.concatenate(clusters)
        n = np.array([len(cluster) for cluster in clusters])
        owner, first = np.repeat(np.arange(count), n), np.cumsum(n) - n
        low, high = (limit.reduceat(points, first).astype(np.float64) for limit in (np.minimum, np.maximum))
        self.centre, self.size = (low + high)[:, :2] / 2, high - low
        half = self.size[:, :2].max(axis=1) / 2
        self.cell = np.maximum(_FINEST, (half + reach + 0.5) / (CELLS / 2 - 1))
        self.reach = reach
        margin = self.size[:, :2] / 2 + _ABOUT
        self.low, self.high = (side * margin / self.cell[:, None] for side in (-1, 1))
        here, there = (np.zeros((count, CELLS, CELLS), bool) for _ in range(2))
        place = ((points[:, :2] - self.centre[owner]) / self.cell[owner, None]).astype(np.float32)
        row, column = (np.floor(place).astype(np.int64) + CELLS // 2).T
        here[owner, row, column] = True
        self.points, self.others = (np.full((count, MOST_POINTS, 2), np.inf, np.float32) for _ in range(2))
        for k in range(count):
            chosen = spread(n[k], MOST_POINTS)
            self.points[k, :len(chosen)] = place[first[k] + chosen]
            x, y, static = around.near(self.centre[k], self.cell[k] * CELLS / 2 - 1e-3, low[k, 2] - _HEIGHT,
                                       high[k, 2] + _HEIGHT)
            x, y = ((side - middle) / size for side, middle, size in zip((x, y), self.centre[k], self.cell[[k, k]]))
            cell = (x + CELLS // 2).astype(np.int32) * CELLS + (y + CELLS // 2).astype(np.int32)
            still = np.zeros(CELLS * CELLS, bool)
            still[cell[static]] = True
            new = np.flatnonzero(~(static | _grown(still.reshape(CELLS, CELLS)).ravel()[cell]))
            there[k].ravel()[cell[new]] = True
            chosen = new[spread(len(new), MOST_POINTS)]
            self.others[k, :len(chosen), 0], self.others[k, :len(chosen), 1] = x[chosen], y[chosen]
        self.here, self.there = _distance(here), _distance(there)

    def coarse(self, k: int, steps: np.ndarray) -> np.ndarray:
        """(Q,) `forward` of cluster `k` moved by whole cells `steps` (Q, 2), with every second point."""
        points = self.points[k, ::2]
        points = np.floor(points[np.isfinite(points[:, 0])]).astype(np.int32) + CELLS // 2
        index = (points[:, 0] * CELLS + points[:, 1])[:, None] + (steps[:, 0] * CELLS + steps[:, 1])
        return self.there[k].ravel()[index].sum(axis=0, dtype=np.uint16) / (len(points) * _TRUNCATED ** 2)

    def cost(self, shift: np.ndarray, which: np.ndarray) -> np.ndarray:
        """(Q,) mean truncated squared distance, 0..1, of the clusters `which` (Q,) moved by `shift` (Q, 2) cells
        to the other sweep's points, and of those, as far as they then lie about it, to the cluster."""
        shift = shift.astype(np.float32)
        x, y = (self.points[which, :, axis] + shift[:, axis, None] for axis in (0, 1))
        forward = mean(self.there, which, x, y, x < np.inf)
        x, y = (self.others[which, :, axis] - shift[:, axis, None] for axis in (0, 1))
        (west, south), (east, north) = (side[which].T[..., None] for side in (self.low, self.high))
        backward = mean(self.here, which, x, y, (x > west) & (x < east) & (y > south) & (y < north))
        return (forward + backward) / 2


class Blocks:
    """What stands and what the other sweep saw, (S, 3) and (M, 3) m, sorted into square blocks to be found at once."""

    _SIZE, _SIDE = 4.0, 128

    def __init__(self, static: np.ndarray, target: np.ndarray):
        points = np.concatenate([static, target])
        block = ((points[:, :2] / self._SIZE + self._SIDE // 2).clip(0, self._SIDE - 1)).astype(np.uint16)
        key = block[:, 0] * np.uint16(self._SIDE) + block[:, 1]
        order = np.argsort(key, kind='stable')
        self._columns = [*(column[order] for column in points.T), order < len(static)]
        self._first = np.searchsorted(key[order], np.arange(self._SIDE ** 2 + 1))

    def near(self, centre: np.ndarray, span: float, floor: float, ceiling: float) -> tuple[np.ndarray, ...]:
        """x, y and whether it stands, (n,) each, of what lies within `span` m of `centre` and between two heights."""
        (west, south), (east, north) = (
            [min(max(int((place + side * span) // self._SIZE) + self._SIDE // 2, 0), self._SIDE - 1)
             for place in centre] for side in (-1, 1))
        parts = [slice(self._first[row + south], self._first[row + north + 1])
                 for row in range(west * self._SIDE, (east + 1) * self._SIDE, self._SIDE)]
        x, y, z, static = (np.concatenate([column[part] for part in parts]) for column in self._columns)
        inside = (np.abs(x - centre[0]) < span) & (np.abs(y - centre[1]) < span) & (z > floor) & (z < ceiling)
        inside = np.flatnonzero(inside)
        return x[inside], y[inside], static[inside]


def mean(maps: np.ndarray, which: np.ndarray, x: np.ndarray, y: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(Q,) mean, 0..1, of the maps `which` (Q,) at the cells x, y (Q, n) that are `counted`; 1 if none is."""
    half = np.float32(CELLS // 2)
    row, column = ((np.where(counted, place, 0) + half).astype(np.int32) for place in (x, y))
    index = row * CELLS + column + (which * CELLS ** 2)[:, None].astype(np.int32)
    value = maps.ravel()[index]
    number = counted.sum(axis=1)
    total = (value * counted).sum(axis=1, dtype=np.int32)
    return np.where(number, total / np.maximum(number, 1) / _TRUNCATED ** 2, 1.0)


def spread(count: int, most: int) -> np.ndarray:
    """At most `most` of the rows 0 .. count - 1, evenly."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)


def _distance(occupied: np.ndarray) -> np.ndarray:
    """(K, C, C) uint8 squared distance in cells, truncated, to the next occupied cell."""
    far = _TRUNCATED ** 2
    along = np.where(occupied, 0, far).astype(np.uint8)
    for axis in (1, 2):
        before = along
        along = before.copy()
        for step in range(1, _TRUNCATED):
            rest = before + np.uint8(step * step)
            lower, upper = [slice(None)] * 3, [slice(None)] * 3
            lower[axis], upper[axis] = slice(None, -step), slice(step, None)
            np.minimum(along[tuple(upper)], rest[tuple(lower)], out=along[tuple(upper)])
            np.minimum(along[tuple(lower)], rest[tuple(upper)], out=along[tuple(lower)])
    along[:, [0, -1]] = far
    along[:, :, [0, -1]] = far
    return np.minimum(along, far)


def _grown(cells: np.ndarray) -> np.ndarray:
    """(C, C) bool, with the neighbours of what is set."""
    grown = cells.copy()
    grown[1:] |= cells[:-1]
    grown[:-1] |= cells[1:]
    wide = grown.copy()
    wide[:, 1:] |= grown[:, :-1]
    wide[:, :-1] |= grown[:, 1:]
    return wide
