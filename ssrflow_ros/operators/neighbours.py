"""k nearest neighbours between two point sets, batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import team
from ..kernels.curve import along_curve
from .padding import is_padding
from .reference import is_traced, k_nearest_reference
from .triton_kernels import triton_kernels

_FAR = 1e9  # metres; nothing real is farther, and its square is a float32 still


class Searched:
    """Points (B, N, 3) float32 m among which, or for which, neighbours are looked for, more than once.

    count (B,) int64: only so many rows of each cloud, the first, are points; at least one. Not differentiable, as
    indices are not; the same input gives the same indices. On the CPU a kd-tree is made of each cloud at its first
    search, and gives the order in which its own points are asked about; on a GPU a Triton kernel looks through all.
    """

    def __init__(self, points: torch.Tensor, count: torch.Tensor | None = None):
        self.points, self.count = points.detach().float(), count
        self._trees: list[Any] | None = None

    def swapped(self) -> 'Searched':
        """Those of both frames' clouds, each one's partner in its place."""
        half = len(self.points) // 2
        other = Searched(self.points.roll(half, 0), None if self.count is None else self.count.roll(half, 0))
        other._trees = self._trees and self._trees[half:] + self._trees[:half]
        return other

    def nearest(self, to: 'Searched', k: int) -> torch.Tensor:
        """Rows (B, M, k) int64 of the k points nearest to each of those of `to` (B, M, 3), nearest first.

        Where there are fewer than k points, the nearest one is repeated.
        """
        with torch.no_grad():
            found = min(k, self.points.shape[1])
            index = self._search(to, found)
            if found < k:
                index = torch.cat([index, index[..., :1].expand(-1, -1, k - found)], dim=-1)
            if self.count is not None:
                index = torch.where(is_padding(self.count, k)[:, None], index[..., :1], index)
            return index

    def _search(self, to: 'Searched', k: int) -> torch.Tensor:
        if _by_trees(self.points):
            queries, trees = to.points.numpy(), self.trees()
            orders = to.orders()
            index = np.empty((*queries.shape[:2], k), np.int64)
            squared = np.empty(index.shape, np.float32)

            def search(part: tuple[int, slice]) -> None:
                cloud, asked = part
                trees[cloud].search_into(queries[cloud], orders[cloud][asked], index[cloud], squared[cloud])

            team.each(queries.shape[1], search, team.parts(*index.shape[:2]))
            return torch.from_numpy(index)
        kernels = None if is_traced() else triton_kernels(self.points.device)
        return (kernels.k_nearest if kernels else k_nearest_reference)(to.points, self.known(), k)

    def known(self) -> torch.Tensor:
        """The points, padding where nobody finds it."""
        if self.count is None:
            return self.points
        return self.points.masked_fill(is_padding(self.count, self.points.shape[1])[..., None], _FAR)

    def orders(self) -> list[np.ndarray]:
        """In which to ask about the points of each cloud: as its tree has them side by side, or along a curve."""
        if self._trees is None:
            return [along_curve(cloud) for cloud in self.points.numpy()]
        return [tree.tree.rows for tree in self._trees]

    def trees(self) -> list[Any]:
        """A `KdTree` of each cloud."""
        from ..kernels.kd_tree import KdTree

        if self._trees is None:
            self._trees = team.each(self.points.shape[1], KdTree, [*self.known().numpy()])
        return self._trees


def k_nearest(queries: torch.Tensor, points: torch.Tensor, k: int, count: torch.Tensor | None = None) -> torch.Tensor:
    """`Searched.nearest` of points (B, N, 3), of which `count` (B,) are any, to queries (B, M, 3): (B, M, k) int64."""
    return Searched(points, count).nearest(Searched(queries), k)


def _by_trees(points: torch.Tensor) -> bool:
    return points.device.type == 'cpu' and not is_traced()
