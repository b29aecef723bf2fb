"""Ground by a polar grid: one height a cell, grown outwards from a plane near the sensor."""

from __future__ import annotations

import numpy as np

from ..kernels.polar_grid import grown, heights_over, lowest_of_cells, on_surface, polar_cells

_RINGS, _SECTORS = 44, 120
_RING_OFFSET, _RING_GROWTH = 5.0, 0.07  # rings 0.35 m wide at the sensor, 1 m at 10 m, 3 m at 40 m
_NEAR = (15.0, 30.0, 60.0)  # m, within which the first plane is sought; the further ones if little is seen
_HIGHEST_GROUND = 0.5  # m over the frame's origin: 0 in frames laid on the ground, below it in a sensor's
_DEEPEST_GROUND = 20.0  # m under the frame's origin
_ENOUGH_CELLS, _FEWEST_CELLS = 60, 10  # flat cells that are plenty for a plane, and that can carry one
_MIN_SUPPORT = 0.25  # share of the near cells that must lie on the first plane
_FLAT, _FLAT_SLOPE, _FLAT_SHARE = 0.15, 0.01, 0.7  # a cell is flat if 0.7 of it lie in 0.15 m + 0.01 radius
_SMALL_STEP = 0.05  # m, a step up that a cell which is not flat may make
_STEP = 0.15  # m, greatest step between neighbouring cells: a kerb
_SLOPE = 0.10  # greatest departure from the first plane's slope
_GAP = 8.0  # m, longest unseen stretch over which the slope may build up a difference
_NEAR_SURFACE = 0.15  # m, returns that have a say in where the surface of their cell is
_THICKNESS = 0.08  # m, a return nearer to the surface than this lies on the ground
_RADIUS = _RING_OFFSET * np.expm1((np.arange(_RINGS) + 0.5) * _RING_GROWTH)  # m, of the middle of each ring
_CELL_RADIUS = np.repeat(_RADIUS, _SECTORS)  # (C,) m
_FLAT_THICKNESS = (_FLAT + _FLAT_SLOPE * _CELL_RADIUS).astype(np.float32)
_EDGES = np.arange(-_DEEPEST_GROUND, _HIGHEST_GROUND + 0.05, 0.1)  # m, heights among which the most frequent is sought


def _middles() -> np.ndarray:
    """(C, 2) m, the middle of each cell."""
    turn = (np.arange(_RINGS * _SECTORS) % _SECTORS + 0.5) * (4 / _SECTORS) - 1
    sine = np.where(turn > 1, 2 - turn, turn)
    cosine = (1 - np.abs(sine)) * np.where(turn > 1, -1, 1)
    scale = _CELL_RADIUS / np.hypot(sine, cosine)
    return np.stack([scale * cosine, scale * sine], axis=1)


_DESIGN = np.column_stack([_middles(), np.ones(_RINGS * _SECTORS)])  # (C, 3), of the plane's equation in each cell


class PolarGrid:
    """(N, 3) points, sensor frame, z up -> (N,) bool, True on the ground.

    sensor_height  m above the ground; 0 estimates it from each sweep.
    """

    def __init__(self, sensor_height: float = 0.0):
        self.sensor_height = sensor_height

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N,) bool; all False where no ground is to be seen."""
        if len(points) < _FEWEST_CELLS:
            return np.zeros(len(points), dtype=bool)
        grid = _Grid(points)
        plane = _near_plane(grid, self.sensor_height)
        if plane is None:
            return np.zeros(len(points), dtype=bool)
        height = heights_over(grid.points, plane)
        lowest, flat = grid.lowest(height)
        rise = np.where(flat, np.float32(np.inf), np.float32(_SMALL_STEP)).reshape(_RINGS, _SECTORS)
        levels = grown(lowest.reshape(_RINGS, _SECTORS), rise, _RADIUS, _STEP, _SLOPE, _GAP)
        return on_surface(
            height, grid.along, grid.cell, levels, ~flat, np.float32(_NEAR_SURFACE), np.float32(_THICKNESS)
        )


def estimate_height(points: np.ndarray) -> float | None:
    """Height of the frame's origin above the ground, metres; None where no ground is to be seen."""
    if len(points) < _FEWEST_CELLS:
        return None
    plane = _near_plane(_Grid(points))
    return None if plane is None else -float(plane[2])


class _Grid:
    """Which of the C polar cells each of N points lies in.

    points  (N, 3) float32 m.
    along   (N,) float32, position along the rings, in rings.
    cell    (N,) int16, ring * sectors + sector.
    """

    def __init__(self, points: np.ndarray):
        self.points = np.ascontiguousarray(points[:, :3], np.float32)
        self.along, self.cell = polar_cells(self.points, _RINGS, _SECTORS, _RING_OFFSET, _RING_GROWTH)

    def lowest(self, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(C,) lowest height in each cell, inf where it is empty, and (C,) whether most of the cell lies about there.

        What is tall, a wall or a hedge, has returns far above its lowest one; ground has not.
        """
        count, lowest, low = lowest_of_cells(height, self.cell, _FLAT_THICKNESS)
        return lowest, low > _FLAT_SHARE * count


def _near_plane(grid: _Grid, sensor_height: float = 0.0) -> np.ndarray | None:
    """Plane z = a x + b y + c, (3,) float32, through the flat cells near the sensor.

    The most frequent low height starts it, unless the sensor's height is known. None if too few
    cells agree: then what lies lowest is not a ground.
    """
    lowest, flat = grid.lowest(grid.points[:, 2])
    usable = flat & (lowest < _HIGHEST_GROUND) & (lowest > -_DEEPEST_GROUND)
    if sensor_height:
        usable &= np.abs(lowest + sensor_height) < 0.15 + 0.10 * _CELL_RADIUS
    for reach in _NEAR:
        near = np.flatnonzero(usable & (_CELL_RADIUS < reach))
        if len(near) >= _ENOUGH_CELLS:
            break
    if len(near) < _FEWEST_CELLS:
        return None
    radius, lowest, design = _CELL_RADIUS[near], lowest[near], _DESIGN[near]

    height = -sensor_height
    if not sensor_height:
        count, _ = np.histogram(lowest, _EDGES)
        height = _EDGES[np.argmax(np.convolve(count, (1, 1, 1), 'same'))] + 0.05
    plane = np.array([0.0, 0.0, height])
    for tolerance, slope in ((0.15, 0.10), (0.10, 0.04), (0.10, 0.02)):
        agree = np.abs(lowest - design @ plane) < tolerance + slope * radius
        if agree.sum() < max(_FEWEST_CELLS, _MIN_SUPPORT * len(lowest)):
            return None
        kept = design[agree]
        # A touch of damping keeps a plane that is seen on one side only from tipping over.
        plane = np.linalg.solve(kept.T @ kept + np.diag((50.0, 50.0, 0.0)), kept.T @ lowest[agree])
    return plane.astype(np.float32)
