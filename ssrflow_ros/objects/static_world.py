"""The static world: what of the other sweep is explained by something that stands is no mover's partner."""
from __future__ import annotations

import numpy as np

from .tiles import Blocks

_CELL = np.float32(0.1)      # m, of the map of what stands; what is near to it is no one's partner ...
_LAYER = np.float32(1.0)     # m, and no higher or lower than about that
_SIDE = 1024                 # cells of the map, which goes on anew beyond


def unexplained(target: np.ndarray, points: np.ndarray, movers: list[np.ndarray]) -> Blocks:
    """Those of `target` (M, 3) m that do not lie beside a point that stands: one of `points` (n, 3) m which is in none
    of the groups of rows `movers`."""
    stands = np.ones(len(points), bool)
    stands[np.concatenate(movers)] = False
    return Blocks(target.take(not_beside(target, points.take(np.flatnonzero(stands), axis=0)), axis=0))


def not_beside(target: np.ndarray, static: np.ndarray) -> np.ndarray:
    """Rows of `target` (M, 3) m that do not lie beside a point of `static` (S, 3) m."""
    key, layer = _layers(static)
    stands = np.zeros(_SIDE ** 2, np.uint8)
    for number in range(8):
        cells = key[layer == number]
        stands[cells] |= np.uint8((7 << number >> 1) & 255)
    about = stands.reshape(_SIDE, _SIDE)
    for axis in (0, 1):
        about = about | np.roll(about, 1, axis) | np.roll(about, -1, axis)
    key, layer = _layers(target)
    return np.flatnonzero(~(about.ravel().take(key) >> layer) & 1)


def _layers(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) cell and layer of points (n, 3)."""
    x, y = ((column * (1 / _CELL) + np.float32(64 * _SIDE)).astype(np.int32) & (_SIDE - 1) for column in points.T[:2])
    layer = (points[:, 2] * (1 / _LAYER) + np.float32(4)).clip(0, 7).astype(np.uint8)
    return x * _SIDE + y, layer
