"""Evidence: which objects are believed to move.

A small flow can be an accident of sampling: two sweeps never hit a wall at the same places. So an
object that moves no farther than a few times the gap between the sweeps must also fit the other
sweep better moved than unmoved; else it stands still. Measured in docs/accuracy.md.
"""
from __future__ import annotations

import numpy as np

from ..operators.kd_tree import KdTree

_GAPS = 2.5  # a motion longer than this many gaps is no accident, and believed without more
_FARTHEST = 1.5  # metres that one point's gap counts for: partners out of sight must not decide
_MOST_POINTS = 64  # of an object that are asked


def standing_objects(points: np.ndarray, residual: np.ndarray, object_ids: np.ndarray, target: np.ndarray,
                     threads: int = 1) -> np.ndarray:
    """Ids of the objects whose motion explains nothing.

    points (N, 3), residual displacement (N, 3) and target (M, 3) in one frame, ego-motion removed,
    metres; object_ids (N,) int32, -1 for none.
    """
    rows = _some_rows_of_each(object_ids)
    if not len(rows) or not len(target):
        return np.empty(0, object_ids.dtype)
    tree = KdTree(target, threads)
    ids, owner = np.unique(object_ids[rows], return_inverse=True)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values) / np.bincount(owner)

    def gap(positions: np.ndarray) -> np.ndarray:
        return mean(np.minimum(tree.search(positions, 1)[1][:, 0], _FARTHEST))

    unmoved, moved = gap(points[rows]), gap(points[rows] + residual[rows])
    length = mean(np.linalg.norm(residual[rows], axis=1))
    return ids[(moved > unmoved) & (length < _GAPS * unmoved)]


def _some_rows_of_each(object_ids: np.ndarray) -> np.ndarray:
    """Rows of at most `_MOST_POINTS` points of each object, spread evenly over them."""
    rows = np.flatnonzero(object_ids >= 0)
    rows = rows[np.argsort(object_ids[rows], kind='stable')]
    _, first, count = np.unique(object_ids[rows], return_index=True, return_counts=True)
    return np.concatenate([rows[:0], *(rows[start:start + n:-(-n // _MOST_POINTS)] for start, n in zip(first, count))])
