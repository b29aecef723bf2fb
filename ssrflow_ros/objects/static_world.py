"""The static world: what of the other sweep is explained by something that stands is no mover's partner."""

from __future__ import annotations

import numpy as np

from ..kernels.maps import layers_about, lies_beside
from ..kernels.returns import rows_of
from .tiles import Blocks

_CELL = np.float32(0.1)  # m, of the map of what stands; what is near to it is no one's partner ...
_LAYER = np.float32(1.0)  # m, and no higher or lower than about that
_SIDE = 1024  # cells of the map, which goes on anew beyond


def unexplained(targets: tuple[np.ndarray, ...], points: np.ndarray, movers: np.ndarray) -> tuple[Blocks, ...]:
    """Of each of the `targets` (M, 3) m those that do not lie beside a point that stands: one of `points` (n, 3) m that
    is in none of the rows `movers` (m,)."""
    stands = np.ones(len(points), bool)
    stands[movers] = False
    static = surroundings(rows_of(points, np.flatnonzero(stands)))
    return tuple(Blocks(rows_of(target, np.flatnonzero(~beside(target, static)))) for target in targets)


def surroundings(static: np.ndarray) -> np.ndarray:
    """A map of what lies beside points (S, 3) m, to be asked by `beside`."""
    return layers_about(static, _CELL, _LAYER, _SIDE)


def beside(target: np.ndarray, static: np.ndarray) -> np.ndarray:
    """(M,) bool of `target` (M, 3) m: it lies beside one of the points of whose `surroundings` the map `static` is."""
    return lies_beside(target, static, _CELL, _LAYER)
