"""Tiles: small maps from above, one a cluster, on which the cluster is laid onto the other sweep."""

from __future__ import annotations

import numpy as np

from ..kernels.tiles import TRUNCATED, costs, evenly_within, extents, laid_out, searched, sorted_into_blocks, within
from .groups import Clusters

CELLS = 126  # of a tile's side, a multiple of `COARSE`
COARSE = 3  # cells between coarse candidates
MOST_POINTS = 96  # of a cluster and of the other sweep that are laid onto each other
_FINEST = 0.1  # m, a cell, if the cluster and its reach fit
_HEIGHT = 0.3  # m above and below the cluster, within which the other sweep's points count
_ABOUT = 0.5  # m beyond the cluster's box, where the other sweep's points are still its own
# The middle of a cluster is that of a cell: where it is symmetrical, its points lie on no border.
MIDDLE = np.float32(CELLS // 2 + 0.5)


class Tiles:
    """The maps of K clusters and the points that are laid onto them.

    centre (K, 2) m, size (K, 3) m of the clusters, cell (K,) m of a tile's cells.
    here, there  of the clusters, and of the other sweep: maps (K, C, C), at most `MOST_POINTS` of the points of each,
                 evenly, (K, 2, P) cells, and how many these are, (K,).
    """

    def __init__(self, clusters: Clusters, around: 'Blocks', reach: float):
        """around: the other sweep's points.   reach: m that is searched."""
        points, first = clusters.points, clusters.first
        low, high = extents(points, clusters.counts)
        self.centre, self.size = (low + high)[:, :2] / 2, high - low
        half = self.size[:, :2].max(axis=1) / 2
        self.cell = np.maximum(_FINEST, (half + reach + 0.5) / (CELLS / 2 - 1))
        self._reach = reach
        margin = (self.size[:, :2] / 2 + _ABOUT) / self.cell[:, None]
        about = (MIDDLE - margin).astype(np.float32), (MIDDLE + margin).astype(np.float32)

        scale = (1 / self.cell).astype(np.float32)
        corner = (MIDDLE - self.centre / self.cell[:, None]).astype(np.float32)
        span = np.minimum(half + reach + _ABOUT, self.cell * (CELLS / 2 - TRUNCATED))
        x, y, others = around.near(self.centre, span, low[:, 2] - _HEIGHT, high[:, 2] + _HEIGHT)
        own = np.ascontiguousarray(points[:, :2].T)
        # Of its own map only its box and what lies about it is asked, of the other one what it reaches.
        far = margin + ((reach + 0.5 - _ABOUT) / self.cell + 1)[:, None]
        reached = (MIDDLE - far).astype(np.float32), (MIDDLE + far).astype(np.float32)
        self.here = laid_out(own[0], own[1], first, scale, corner, *about, CELLS, MOST_POINTS)
        self.there = laid_out(x, y, others, scale, corner, *reached, CELLS, MOST_POINTS)
        self._points = (own[0], own[1], first), (x, y, others)
        self._sides = self.here, self.there, (reach + 0.5) / self.cell, *about, TRUNCATED**2

    def points_at(
        self, shift: np.ndarray, which: np.ndarray, most: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """At most so many points of each of the clusters `which` (k,), about its centre, and of the other sweep's that
        lie about it after a `shift` (k, 2) m, about the centre, too: (k, 2, P) float32 m, and how many these are, (k,),
        of both."""
        here, there = self._points
        centre, half = self.centre[which], self.size[which, :2] / 2 + _ABOUT
        own = evenly_within(*here, which, centre, half, most)
        others, counts = evenly_within(*there, which, centre + shift, half, most)
        return *own, (others + shift[:, :, None]).astype(np.float32), counts

    def cost(self, shift: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """(k, Q) mean truncated squared distance, 0..1, of each of the clusters `which` (k,), None: all, moved by
        `shift` (k, Q, 2) cells to the other sweep's points, and of those, as far as they then lie about it, to it.

        Farther than is searched is as far as that."""
        return costs(*self._sides, np.arange(len(self.cell)) if which is None else which, shift)

    def search(
        self, network: np.ndarray, guesses: np.ndarray, inertia: np.ndarray, around: np.ndarray, fine: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best shift (K, 2) of each cluster, cells, and its cost (K,), as the kernel `searched` finds it."""
        far = self._reach / self.cell
        return searched(*self._sides, network, guesses, inertia, far, COARSE, around, fine)


class Blocks:
    """Points (M, 3) m sorted into square blocks to be found at once."""

    _SIZE, _SIDE = 2.0, 256

    def __init__(self, points: np.ndarray):
        self._points, self._first = sorted_into_blocks(np.ascontiguousarray(points, np.float32), self._SIZE, self._SIDE)

    def near(
        self, centre: np.ndarray, span: np.ndarray, floor: np.ndarray, ceiling: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y (n,) m of what lies within `span` (K,) m of `centre` (K, 2) m and between two heights (K,) m, one k
        after the other, and where each begins, (K + 1,)."""
        limits = (limit.astype(np.float32) for limit in (centre, span, floor, ceiling))
        return within(self._points, self._first, self._SIZE, self._SIDE, *limits)
