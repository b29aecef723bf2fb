"""Registration: how far each cluster of points moved, told by the other sweep and not by the network.

Every cluster has a tile, a small map seen from above, with the distance to the other sweep's nearest
point that nothing static explains. The displacement that lays the cluster onto those points, and them
onto the cluster, is searched for over all that a mover can do in the time, from many starts; whatever
start leads there, the residual decides. From above, because the height of a return is where a beam
happened to strike, and because all tiles are then worked on as one array.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter

from .rigid import align

CELLS = 128                # of a tile's side
FINEST = 0.1               # m, a cell, if the cluster and its reach fit
_FASTEST = 35.0            # m/s
_REACH = (1.0, 5.0)        # m, least and most that is searched
_TRUNCATED = 4             # cells, farther ones are all the same
_MOST_POINTS = 96          # of a cluster and of the other sweep that are laid onto each other
_HEIGHT = 0.3              # m above and below the cluster, within which the other sweep's points count
_MODES = 4                 # best ones of the coarse search that are followed
_INERTIA = 0.003         # cost of 1 m/s, for a cluster of 1 m from its middle; the smaller, the more chance partners
_GUESSES = np.array([1.0, 1.5, 2.0])[:, None]   # times the network's displacement, which may fall short
_HOPELESS = 0.3            # cost, beyond which no fit is worth to be made exact
_FLAT = 2.0                # cells, over which the cost's curvature is taken
_BETTER = 0.02             # of the cost, by which flow point by point must be better: it is free to fit anything
_COARSE = 3                # cells between coarse candidates


@dataclass(frozen=True, eq=False)
class Fit:
    """Of K clusters: what `register` found.

    shift       (K, 2) m, displacement in x and y.
    turn        (K,) rad, counter-clockwise about `centre` (K, 2) m.
    size        (K, 3) m, extent.   network (K, 2) m, median displacement by the network.
    cost        (K,) in [0, 1], truncated squared distance both ways at `shift`; `cost_still` (K,) the same at rest.
    curvature   (K, 2, 2) 1/m² of the cost there: what slides along itself is flat that way.
    rigid       (K,) bool: explains the other sweep no worse than the network's flow, point by point, does.
    """

    shift: np.ndarray
    turn: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    network: np.ndarray
    cost: np.ndarray
    cost_still: np.ndarray
    curvature: np.ndarray
    rigid: np.ndarray


class Tiles:
    """The maps of K clusters and the points that are laid onto them."""

    def __init__(self, clusters: list[np.ndarray], around: 'Blocks', reach: float, dt: float):
        count, points = len(clusters), np.concatenate(clusters)
        n = np.array([len(cluster) for cluster in clusters])
        owner, first = np.repeat(np.arange(count), n), np.cumsum(n) - n
        low, high = (limit.reduceat(points, first).astype(np.float64) for limit in (np.minimum, np.maximum))
        self.centre, self.size = (low + high)[:, :2] / 2, high - low
        half = self.size[:, :2].max(axis=1) / 2
        self.cell = np.maximum(FINEST, (half + reach + 0.5) / (CELLS / 2 - 1))
        self.reach, self.dt = reach, dt
        self.inertia = _INERTIA / np.maximum(half, 0.4)
        margin = self.size[:, :2] / 2 + 0.5
        self.low, self.high = (side * margin / self.cell[:, None] for side in (-1, 1))
        here, there = (np.zeros((count, CELLS, CELLS), bool) for _ in range(2))
        place = ((points[:, :2] - self.centre[owner]) / self.cell[owner, None]).astype(np.float32)
        row, column = (np.floor(place).astype(np.int64) + CELLS // 2).T
        here[owner, row, column] = True
        self.points, self.others = (np.full((count, _MOST_POINTS, 2), np.inf, np.float32) for _ in range(2))
        for k in range(count):
            chosen = spread(n[k], _MOST_POINTS)
            self.points[k, :len(chosen)] = place[first[k] + chosen]
            x, y, static = around.near(self.centre[k], self.cell[k] * CELLS / 2 - 1e-3, low[k, 2] - _HEIGHT,
                                       high[k, 2] + _HEIGHT)
            x, y = ((side - middle) / size for side, middle, size in zip((x, y), self.centre[k], self.cell[[k, k]]))
            cell = (x + CELLS // 2).astype(np.int32) * CELLS + (y + CELLS // 2).astype(np.int32)
            still = np.zeros(CELLS * CELLS, bool)
            still[cell[static]] = True
            new = np.flatnonzero(~(static | _grown(still.reshape(CELLS, CELLS)).ravel()[cell]))
            there[k].ravel()[cell[new]] = True
            chosen = new[spread(len(new), _MOST_POINTS)]
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
        forward = _mean(self.there, which, x, y, x < np.inf)
        x, y = (self.others[which, :, axis] - shift[:, axis, None] for axis in (0, 1))
        (west, south), (east, north) = (side[which].T[..., None] for side in (self.low, self.high))
        backward = _mean(self.here, which, x, y, (x > west) & (x < east) & (y > south) & (y < north))
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


def register(clusters: list[np.ndarray], target: np.ndarray, static: np.ndarray, network: list[np.ndarray],
             dt: float) -> Fit:
    """Lay each of `clusters`, (n, 3) m, onto `target` (M, 3) m, all in one frame, the static world at rest.

    static   (S, 3) m: what stands in the source; points of the target near to it are no one's partner.
    network  (n, 3) m of each cluster: displacement of its points as the network has it.
    """
    tiles = Tiles(clusters, Blocks(static, target), float(np.clip(_FASTEST * abs(dt), *_REACH)), dt)
    median = np.array([np.median(motion[spread(len(motion), _MOST_POINTS), :2], axis=0) for motion in network])
    guesses = median[:, None] * _GUESSES
    shift = _best(tiles, _starts(tiles, guesses), _MODES, dt)
    shift = _best(tiles, shift[:, :, None] + _AROUND, 1, dt)[:, 0]
    for step in (1.0, 0.5):
        shift = _best(tiles, shift[:, None] + step * _AROUND, 1)[:, 0]
    cell, turn = tiles.cell[:, None], np.zeros(len(clusters))
    hopeful = np.flatnonzero(tiles.cost(shift, np.arange(len(clusters))) < _HOPELESS)
    shift = shift * cell
    if len(hopeful):
        here, there = ([points[k, np.isfinite(points[k, :, 0])] * tiles.cell[k] for k in hopeful]
                       for points in (tiles.points, tiles.others))
        shift[hopeful], turn[hopeful] = align(here, there, shift[hopeful], dt)
    around = tiles.cost((shift[:, None] / cell[:, None] + _FLAT * _AROUND).reshape(-1, 2),
                        np.repeat(np.arange(len(clusters)), len(_AROUND))).reshape(-1, len(_AROUND))
    still = tiles.cost(np.zeros_like(shift), np.arange(len(clusters)))
    return Fit(shift, turn, tiles.centre, tiles.size, median, around[:, 0], still,
               _curvature(around, _FLAT * tiles.cell), _no_worse(tiles, shift / cell, network))


def _curvature(cost: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(K, 2, 2) second derivatives of costs (K, 9) at `_AROUND` times `step` (K,) m."""
    by = {tuple(place): cost[:, k] for k, place in enumerate(_AROUND.astype(int).tolist())}
    xx, yy = by[1, 0] + by[-1, 0] - 2 * by[0, 0], by[0, 1] + by[0, -1] - 2 * by[0, 0]
    xy = (by[1, 1] + by[-1, -1] - by[1, -1] - by[-1, 1]) / 4
    return np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1) / (step ** 2)[:, None, None]


def _no_worse(tiles: Tiles, shift: np.ndarray, network: list[np.ndarray]) -> np.ndarray:
    """(K,) whether `shift` (K, 2), cells, lays the points onto the other sweep as well as their own flows do."""
    flows = np.zeros_like(tiles.points)
    for k, motion in enumerate(network):
        chosen = motion[spread(len(motion), _MOST_POINTS), :2]
        flows[k, :len(chosen)] = chosen / tiles.cell[k]
    fit, flow = (_mean(tiles.there, np.arange(len(shift)), *np.moveaxis(tiles.points + way, -1, 0),
                       _inside(tiles.points + way)) for way in (shift[:, None].astype(np.float32), flows))
    return fit <= flow + _BETTER


def _inside(cells: np.ndarray) -> np.ndarray:
    return (np.abs(cells) < CELLS // 2 - 1).all(axis=-1)


_AROUND = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing='ij'), -1).reshape(-1, 2)
_AROUND = _AROUND[np.argsort(np.abs(_AROUND).sum(axis=1), kind='stable')]     # rest wins a draw


def _best(tiles: Tiles, shift: np.ndarray, count: int, dt: float = np.inf) -> np.ndarray:
    """(K, count, 2) best of each cluster's displacements (K, ..., 2), cells."""
    shift = shift.reshape(len(shift), -1, 2)
    cost = _judge(tiles, shift, dt)
    best = np.argsort(cost, axis=1, kind='stable')[:, :count]
    return np.take_along_axis(shift, best[..., None], axis=1)


def _judge(tiles: Tiles, shift: np.ndarray, dt: float) -> np.ndarray:
    """(K, Q) cost of each cluster's displacements (K, Q, 2), cells; what is fast must fit better."""
    which = np.repeat(np.arange(len(shift)), shift.shape[1])
    speed = np.linalg.norm(shift, axis=-1) * tiles.cell[:, None] / abs(dt)
    return tiles.cost(shift.reshape(-1, 2), which).reshape(shift.shape[:2]) + tiles.inertia[:, None] * speed


def _starts(tiles: Tiles, guesses: np.ndarray) -> np.ndarray:
    """(K, Q, 2) displacements, cells, to begin with: rest, the guesses, and the coarse search's best."""
    count = len(guesses)
    starts = np.zeros((count, 1 + guesses.shape[1] + _MODES, 2))
    most = tiles.reach / tiles.cell
    starts[:, 1:-_MODES] = np.clip(guesses / tiles.cell[:, None, None], -most[:, None, None], most[:, None, None])
    for k in range(count):
        steps = int(most[k]) // _COARSE
        axis = np.arange(-steps, steps + 1, dtype=np.int32) * _COARSE
        grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1).reshape(-1, 2)
        speed = np.hypot(*grid.T) * tiles.cell[k] / abs(tiles.dt)
        cost = (tiles.coarse(k, grid) + 2 * tiles.inertia[k] * speed).reshape(len(axis), len(axis))
        lowest = minimum_filter(cost, 3, mode='constant', cval=np.inf) == cost
        modes = grid[lowest.ravel()]
        modes = modes[np.argsort(cost[lowest], kind='stable')[:_MODES]]
        starts[k, len(starts[k]) - _MODES:][:len(modes)] = modes
    return starts


def _mean(maps: np.ndarray, which: np.ndarray, x: np.ndarray, y: np.ndarray, counted: np.ndarray) -> np.ndarray:
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
