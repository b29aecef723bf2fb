"""Groups of points of many sizes, one after the other in flat arrays: `counts` (K,) tells how many rows each has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.groups import chosen_evenly, greatest, moved_together, rows_by_number, shares


class Clusters(NamedTuple):
    """Points (n, 3) float32 m of K clusters, one cluster after the other, `counts` (K,) of each."""

    points: np.ndarray
    counts: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """(K + 1,) where each begins and the last one ends."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def moved(self, displacement: np.ndarray) -> np.ndarray:
        """(n, 3) m, the points after each cluster's `displacement` (K, 2) m in x and y."""
        return moved_together(self.points, self.counts, displacement.astype(self.points.dtype))

    def of(self, numbers: np.ndarray) -> Clusters:
        """Those of these numbers (k,)."""
        first = self.first
        return Clusters(np.concatenate([self.points[first[k] : first[k + 1]] for k in numbers]), self.counts[numbers])


def evenly_chosen(counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of at most `most` of each group, evenly, its first and last included, and how many of each, (K,)."""
    return chosen_evenly(counts, most)


def group_means(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(..., K) mean of values (..., n) of groups of which none is empty."""
    return np.add.reduceat(values.astype(float), np.cumsum(counts) - counts, axis=-1) / counts


def group_shares(marks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(..., K) share of those that bear marks (..., n) bool, of groups of which none is empty."""
    return shares(marks.reshape(-1, marks.shape[-1]), counts).reshape(*marks.shape[:-1], len(counts))


def greatest_of_each(values: np.ndarray, rows: np.ndarray, counts: np.ndarray, least: float, count: int) -> np.ndarray:
    """(count,) of each row the greatest of the `values` (K,) of the groups that hold it, at least `least`; rows (n,) of
    the groups, one after the other, `counts` (K,) of each."""
    out = np.full(count, least)
    greatest(values, rows, counts, out)
    return out


def rows_of_each(numbers: np.ndarray) -> list[np.ndarray]:
    """Rows of each number >= 0 in `numbers` (n,)."""
    rows, first = rows_by_number(numbers)
    return [rows[begin:end] for begin, end in zip(first[:-1].tolist(), first[1:].tolist()) if end > begin]
