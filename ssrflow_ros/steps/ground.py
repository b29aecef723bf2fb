"""Ground removal: which returns lie on the ground, so that only the rest is matched and clustered.

Two methods behind one call. `PolarGrid` is plain array code that runs wherever numpy does;
`Patchwork` wraps Patchwork++ (Lee et al., IROS 2022), which has no wheel for aarch64. The figures
of both, and what follows from them, are in docs/steps.md.
"""
from __future__ import annotations

from typing import Protocol

import numpy as np

from ..errors import InputError
from ..settings import Settings

_RINGS, _SECTORS = 44, 120
_RING_OFFSET, _RING_GROWTH = 5.0, 0.07   # rings 0.35 m wide at the sensor, 1 m at 10 m, 3 m at 40 m
_NEAR = 15.0             # m, within which the first plane is sought
_HIGHEST_GROUND = 0.5    # m over the frame's origin: 0 in frames laid on the ground, below it in a sensor's
_DEEPEST_GROUND = 20.0   # m under the frame's origin
_FEWEST_CELLS = 10       # cells that can carry a plane
_MIN_SUPPORT = 0.25      # share of the near cells that must lie on the first plane
_STEP = 0.15             # m, greatest step between neighbouring cells: a kerb
_SLOPE = 0.10            # greatest departure from the first plane's slope
_GAP = 5.0               # m, longest unseen stretch over which the slope may build up a difference
_NEAR_SURFACE = 0.15     # m, returns that have a say in where the surface of their cell is
_THICKNESS = 0.10        # m, a return nearer to the surface than this lies on the ground


class GroundRemoval(Protocol):
    """(N, 3) float32 points, metres, z up, sensor frame -> (N,) bool, True on the ground."""

    def __call__(self, points: np.ndarray) -> np.ndarray: ...


def make_ground(settings: Settings) -> GroundRemoval:
    """The ground removal that `settings.ground` names."""
    if settings.ground == 'polar_grid':
        return PolarGrid(settings.sensor_height)
    if settings.ground == 'patchwork':
        return Patchwork(settings.sensor_height)
    return no_ground


def no_ground(points: np.ndarray) -> np.ndarray:
    """No point is ground: for sensors that fly or are strongly tilted."""
    return np.zeros(len(points), dtype=bool)


class PolarGrid:
    """The ground as one height per cell of a polar grid, grown outwards from a plane near the sensor.

    sensor_height  m above the ground; 0 estimates it from each sweep.
    """

    def __init__(self, sensor_height: float = 0.0):
        self.sensor_height = sensor_height

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N,) bool; all False where no ground is to be seen."""
        if len(points) < _FEWEST_CELLS:
            return no_ground(points)
        x, y, z = np.ascontiguousarray(points[:, :3].T, dtype=np.float32)
        along, cell = _cells(x, y)
        order = np.argsort(cell, kind='stable')         # numpy sorts 16-bit keys by radix
        first = np.flatnonzero(np.diff(cell[order], prepend=-1))
        occupied = cell[order[first]]

        plane = _near_plane(occupied, np.minimum.reduceat(z[order], first), self.sensor_height)
        if plane is None:
            return no_ground(points)
        height = z - (plane[0] * x + plane[1] * y + plane[2])
        lowest = np.full(_RINGS * _SECTORS, np.inf, dtype=np.float32)
        lowest[occupied] = np.minimum.reduceat(height[order], first)
        return _on_surface(height, _grow(lowest.reshape(_RINGS, _SECTORS)), along, cell)


class Patchwork:
    """Patchwork++ from PyPI; it adapts to its sensor, so one object serves one stream.

    sensor_height  m above the ground; 0 estimates it from the first sweep.
    """

    def __init__(self, sensor_height: float = 0.0):
        try:
            import pypatchworkpp
        except ImportError:
            raise InputError("ground 'patchwork' needs Patchwork++, which is not installed: "
                             "pip install pypatchworkpp, or choose ground 'polar_grid'") from None
        self._library = pypatchworkpp
        self._estimator = None
        self.sensor_height = sensor_height

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N,) bool; all False where no ground is to be seen."""
        if self._estimator is None:
            height = self.sensor_height or estimate_height(points)
            if height is None:
                return no_ground(points)
            parameters = self._library.Parameters()
            parameters.verbose = False
            parameters.enable_RNR = False       # the removal of reflections needs intensities
            parameters.sensor_height = height
            self._estimator = self._library.patchworkpp(parameters)
        self._estimator.estimateGround(np.ascontiguousarray(points[:, :3], dtype=np.float32))
        mask = no_ground(points)
        mask[self._estimator.getGroundIndices()] = True
        return mask


def estimate_height(points: np.ndarray) -> float | None:
    """Height of the frame's origin above the ground, metres; None where no ground is to be seen."""
    if len(points) < _FEWEST_CELLS:
        return None
    x, y, z = np.ascontiguousarray(points[:, :3].T, dtype=np.float32)
    _, cell = _cells(x, y)
    order = np.argsort(cell, kind='stable')
    first = np.flatnonzero(np.diff(cell[order], prepend=-1))
    plane = _near_plane(cell[order[first]], np.minimum.reduceat(z[order], first))
    return None if plane is None else -float(plane[2])


def _cells(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) float32 position along the rings, in rings, and (N,) int16 cell = ring * sectors + sector."""
    along = np.log1p(np.sqrt(x * x + y * y) * np.float32(1 / _RING_OFFSET)) * np.float32(1 / _RING_GROWTH)
    along = np.minimum(along, np.float32(_RINGS - 1e-3))
    # The diamond angle: monotonic in the azimuth, and far cheaper than arctan2.
    size = np.abs(x) + np.abs(y)
    turn = y / np.maximum(size, np.float32(1e-9))
    turn = np.where(x < 0, 2 - turn, turn) + 1
    sector = np.minimum(turn * np.float32(_SECTORS / 4), _SECTORS - 1).astype(np.int16)
    return along, along.astype(np.int16) * np.int16(_SECTORS) + sector


def _ring_radius(ring: np.ndarray) -> np.ndarray:
    """Radius of the middle of a ring, metres."""
    return _RING_OFFSET * np.expm1((ring + 0.5) * _RING_GROWTH)


def _near_plane(occupied: np.ndarray, lowest: np.ndarray, sensor_height: float = 0.0) -> np.ndarray | None:
    """Plane z = a x + b y + c, (3,) float32, through the lowest returns of the cells near the sensor.

    The most frequent low height starts it, unless the sensor's height is known. None if too few
    cells agree: then what lies lowest is not a ground.
    """
    radius = _ring_radius(occupied // _SECTORS)
    near = (radius < _NEAR) & (lowest < _HIGHEST_GROUND) & (lowest > -_DEEPEST_GROUND)
    radius, lowest = radius[near], lowest[near]
    if len(lowest) < _FEWEST_CELLS:
        return None
    turn = ((occupied[near] % _SECTORS) + 0.5) * (4 / _SECTORS) - 1
    sine = np.where(turn > 1, 2 - turn, turn)
    cosine = (1 - np.abs(sine)) * np.where(turn > 1, -1, 1)
    scale = radius / np.hypot(sine, cosine)
    design = np.stack([scale * cosine, scale * sine, np.ones_like(scale)], axis=1)

    height = -sensor_height
    if not sensor_height:
        count, edges = np.histogram(lowest, np.arange(-_DEEPEST_GROUND, _HIGHEST_GROUND + 0.05, 0.1))
        height = edges[np.argmax(np.convolve(count, (1, 1, 1), 'same'))] + 0.05
    plane = np.array([0.0, 0.0, height])
    for tolerance, slope in ((0.15, 0.10), (0.10, 0.04), (0.10, 0.02)):
        agree = np.abs(lowest - design @ plane) < tolerance + slope * radius
        if agree.sum() < max(_FEWEST_CELLS, _MIN_SUPPORT * len(lowest)):
            return None
        kept = design[agree]
        # A touch of damping keeps a plane that is seen on one side only from tipping over.
        plane = np.linalg.solve(kept.T @ kept + np.diag((50.0, 50.0, 0.0)), kept.T @ lowest[agree])
    return plane.astype(np.float32)


def _grow(lowest: np.ndarray) -> np.ndarray:
    """(rings, sectors) ground level over the plane, from the lowest return of each cell.

    Ring by ring outwards a sector takes its cell's lowest return if step and slope allow, else it
    keeps its level: under a car, behind a wall, beneath a reflection from under the ground.
    """
    radius = _ring_radius(np.arange(_RINGS))
    level = np.zeros(_SECTORS, dtype=np.float32)
    seen = np.zeros(_SECTORS)
    levels = np.empty((_RINGS, _SECTORS), dtype=np.float32)
    for ring in range(_RINGS):
        allowed = _STEP + _SLOPE * np.minimum(radius[ring] - seen, _GAP)
        accept = np.abs(lowest[ring] - level) < allowed
        level = np.where(accept, lowest[ring], level)
        seen = np.where(accept, radius[ring], seen)
        left, right = np.roll(level, 1), np.roll(level, -1)
        level = np.maximum(np.minimum(left, level), np.minimum(np.maximum(left, level), right))     # median
        levels[ring] = level
    return levels


def _on_surface(height: np.ndarray, levels: np.ndarray, along: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(N,) bool, which returns of `height` (N,) lie on the surface, interpolated along the range."""
    weight = along - np.floor(along) - np.float32(0.5)
    beside = np.clip(cell + np.where(weight < 0, -_SECTORS, _SECTORS), 0, levels.size - 1)
    weight = np.abs(weight)
    levels = levels.ravel()

    def above() -> np.ndarray:
        own = levels[cell]
        return height - own - weight * (levels[beside] - own)

    # The lowest returns lie beneath the surface, by the noise of the range: settle on the mean.
    for _ in range(2):
        distance = above()
        near = np.flatnonzero(np.abs(distance) < _NEAR_SURFACE)
        count = np.bincount(cell[near], minlength=levels.size)
        total = np.bincount(cell[near], distance[near], minlength=levels.size)
        levels = levels + (total / np.maximum(count, 1)).astype(np.float32)
    return np.abs(above()) < _THICKNESS
