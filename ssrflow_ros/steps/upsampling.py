"""Upsampling: the sampled points' flow, for every point."""

from __future__ import annotations

import numpy as np
import torch

from ..kernels.kd_tree import KdTree
from ..operators import interpolate, interpolation_weights
from .cells import by_cell

_CELL = 0.2  # metres; points of one cube share their neighbours, each has weights of its own
_NEIGHBOURS = 3
_NEAREST = 1e-4  # metres; nearer ones weigh no more


def upsample(points: np.ndarray, known: np.ndarray, values: torch.Tensor) -> np.ndarray:
    """`values` (M, C) at `known` (M, 3) interpolated at `points` (N, 3), all float32, M >= 1: (N, C) float32.

    Inverse-distance weights over the 3 known points nearest to one point of the same cube: a sweep
    has four points a cube, and the search is what costs. Not so on a GPU: values that are there are
    interpolated there, over the 3 points nearest to each.
    """
    if values.device.type != 'cpu':
        return _on_device(points, known, values)
    rows, begins = by_cell(points, _CELL)
    points = points.take(rows, axis=0)
    tree = KdTree(known)
    nearest, _ = tree.search(points.take(np.flatnonzero(begins), axis=0), min(_NEIGHBOURS, len(known)))
    nearest = np.ascontiguousarray(nearest.T).take(np.cumsum(begins) - 1, axis=1)
    # Column by column: sums along rows of three take five times as long.
    points, known, columns = (np.ascontiguousarray(table.T) for table in (points, known, values.numpy()))
    total = np.zeros(len(rows), np.float32)
    found = np.zeros((len(columns), len(rows)), np.float32)
    for index in nearest:
        squared = sum((there.take(index) - here) ** 2 for there, here in zip(known, points))
        weight = 1 / np.maximum(np.sqrt(squared), np.float32(_NEAREST))
        total += weight
        for column, value in zip(found, columns):
            column += weight * value.take(index)
    upsampled = np.empty((len(rows), len(columns)), np.float32)
    upsampled[rows] = (found / total).T
    return upsampled


def _on_device(points: np.ndarray, known: np.ndarray, values: torch.Tensor) -> np.ndarray:
    there, around = (torch.from_numpy(cloud)[None].to(values.device) for cloud in (points, known))
    return interpolate(values[None], *interpolation_weights(there, around))[0].cpu().numpy()
