"""Groups of points of many sizes, one after the other in flat arrays: `counts` (K,) tells how many rows each has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.groups import rows_by_number


class Clusters(NamedTuple):
    """Points (n, 3) float32 m of K clusters, one cluster after the other, `counts` (K,) of each."""

    points: np.ndarray
    counts: np.ndarray

    def moved(self, displacement: np.ndarray) -> np.ndarray:
        """(n, 3) m, the points after each cluster's `displacement` (K, 2) m in x and y."""
        x_y = self.points[:, :2] + np.repeat(displacement, self.counts, axis=0).astype(self.points.dtype)
        return np.column_stack([x_y, self.points[:, 2]])

    def of(self, numbers: np.ndarray) -> Clusters:
        """Those of these numbers (k,)."""
        counts = self.counts[numbers]
        rows, _ = ranges((np.cumsum(self.counts) - self.counts)[numbers], counts)
        return Clusters(self.points.take(rows, axis=0), counts)


def ranges(begin: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """begin[k] .. begin[k] + counts[k] - 1 for one k after the other, and the k of each; (n,) both."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(owner)) + (begin - np.cumsum(counts) + counts)[owner], owner


def evenly_chosen(counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of at most `most` of each group, evenly, its first and last included, and how many of each, (K,)."""
    few = np.minimum(counts, most)
    step, owner = ranges(np.zeros_like(few), few)
    return (np.cumsum(counts) - counts)[owner] + step * (counts - 1)[owner] // np.maximum(few - 1, 1)[owner], few


def group_means(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(K,) mean of values (n,) of groups of which none is empty."""
    return np.add.reduceat(values.astype(float), np.cumsum(counts) - counts) / counts


def reduced(ufunc: np.ufunc, values: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """(K,) `ufunc` over the values (n,) of each of the groups of rows, of which none is empty."""
    first = np.cumsum([0, *(len(rows) for rows in groups[:-1])])
    return ufunc.reduceat(values.take(np.concatenate(groups)), first)


def rows_of_each(numbers: np.ndarray) -> list[np.ndarray]:
    """Rows of each number >= 0 in `numbers` (n,)."""
    rows, first = rows_by_number(numbers)
    return [rows[begin:end] for begin, end in zip(first[:-1].tolist(), first[1:].tolist()) if end > begin]
