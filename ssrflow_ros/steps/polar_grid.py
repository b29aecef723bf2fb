"""Ground by a polar grid: one height a cell, grown outwards from a plane near the sensor. Arrays only."""

from __future__ import annotations

import numpy as np

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
        x, y, z = np.ascontiguousarray(points[:, :3].T, dtype=np.float32)
        grid = _Grid(x, y)
        plane = _near_plane(grid, z, self.sensor_height)
        if plane is None:
            return np.zeros(len(points), dtype=bool)
        height = z - (plane[0] * x + plane[1] * y + plane[2])
        lowest, flat = grid.lowest(height)
        return _on_surface(height, grid, _grow(grid, lowest, flat), flat)


def estimate_height(points: np.ndarray) -> float | None:
    """Height of the frame's origin above the ground, metres; None where no ground is to be seen."""
    if len(points) < _FEWEST_CELLS:
        return None
    x, y, z = np.ascontiguousarray(points[:, :3].T, dtype=np.float32)
    plane = _near_plane(_Grid(x, y), z)
    return None if plane is None else -float(plane[2])


class _Grid:
    """Which polar cell each point lies in.

    along     (N,) float32 position along the rings, in rings.
    cell      (N,) int16, ring * sectors + sector.
    occupied  (C,) int16, the cells that hold points.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        along = np.log1p(np.sqrt(x * x + y * y) * np.float32(1 / _RING_OFFSET)) * np.float32(1 / _RING_GROWTH)
        self.along = np.minimum(along, np.float32(_RINGS - 1e-3))
        # The diamond angle: monotonic in the azimuth, and far cheaper than arctan2.
        turn = y / np.maximum(np.abs(x) + np.abs(y), np.float32(1e-9))
        turn = np.where(x < 0, 2 - turn, turn) + 1
        sector = np.minimum(turn * np.float32(_SECTORS / 4), _SECTORS - 1).astype(np.int16)
        self.cell = self.along.astype(np.int16) * np.int16(_SECTORS) + sector
        self._order = np.argsort(self.cell, kind='stable')  # numpy sorts 16-bit keys by radix
        in_order = self.cell.take(self._order)
        self._first = np.flatnonzero(np.diff(in_order, prepend=np.int16(-1)))
        self.occupied = in_order[self._first]
        self.radius = _ring_radius(self.occupied // _SECTORS)

    def lowest(self, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(C,) lowest height in each occupied cell, and (C,) whether most of the cell lies about there.

        What is tall, a wall or a hedge, has returns far above its lowest one; ground has not.
        """
        height = height.take(self._order)
        lowest = np.minimum.reduceat(height, self._first)
        count = np.diff(self._first, append=len(height))
        low = height < np.repeat(lowest + _FLAT + _FLAT_SLOPE * self.radius.astype(np.float32), count)
        return lowest, np.add.reduceat(low, self._first, dtype=np.int32) > _FLAT_SHARE * count


def _ring_radius(ring: np.ndarray) -> np.ndarray:
    """Radius of the middle of a ring, metres."""
    return _RING_OFFSET * np.expm1((ring + 0.5) * _RING_GROWTH)


def _near_plane(grid: _Grid, z: np.ndarray, sensor_height: float = 0.0) -> np.ndarray | None:
    """Plane z = a x + b y + c, (3,) float32, through the flat cells near the sensor.

    The most frequent low height starts it, unless the sensor's height is known. None if too few
    cells agree: then what lies lowest is not a ground.
    """
    lowest, flat = grid.lowest(z)
    usable = flat & (lowest < _HIGHEST_GROUND) & (lowest > -_DEEPEST_GROUND)
    if sensor_height:
        usable &= np.abs(lowest + sensor_height) < 0.15 + 0.10 * grid.radius
    for reach in _NEAR:
        near = usable & (grid.radius < reach)
        if near.sum() >= _ENOUGH_CELLS:
            break
    if near.sum() < _FEWEST_CELLS:
        return None
    radius, lowest = grid.radius[near], lowest[near]
    turn = ((grid.occupied[near] % _SECTORS) + 0.5) * (4 / _SECTORS) - 1
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


def _grow(grid: _Grid, lowest: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """(rings, sectors) ground level over the plane, from the lowest return of each cell.

    Ring by ring outwards a sector takes its cell's lowest return if step and slope allow, else it
    keeps its level: under a car, behind a wall, beneath a reflection from under the ground.
    """
    found = np.full((_RINGS, _SECTORS), np.inf, dtype=np.float32)
    found.flat[grid.occupied] = lowest
    rise = np.full((_RINGS, _SECTORS), _SMALL_STEP, dtype=np.float32)
    rise.flat[grid.occupied[flat]] = np.inf
    radius = _ring_radius(np.arange(_RINGS))
    level = np.zeros(_SECTORS, dtype=np.float32)
    seen = np.zeros(_SECTORS)
    levels = np.empty((_RINGS, _SECTORS), dtype=np.float32)
    for ring in range(_RINGS):
        step = found[ring] - level
        allowed = _STEP + _SLOPE * np.minimum(radius[ring] - seen, _GAP)
        accept = (np.abs(step) < allowed) & (step < rise[ring])
        level = np.where(accept, found[ring], level)
        seen = np.where(accept, radius[ring], seen)
        left, right = np.roll(level, 1), np.roll(level, -1)
        level = np.maximum(np.minimum(left, level), np.minimum(np.maximum(left, level), right))  # median
        levels[ring] = level
    return levels


def _on_surface(height: np.ndarray, grid: _Grid, levels: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """(N,) bool, which returns of `height` (N,) lie on the surface, interpolated along the range."""
    cell = grid.cell.astype(np.intp)
    weight = grid.along - np.floor(grid.along)
    weight -= np.float32(0.5)
    beside = cell + np.where(weight < 0, -_SECTORS, _SECTORS)
    beside.clip(0, levels.size - 1, out=beside)
    np.abs(weight, out=weight)
    levels = levels.ravel()
    tall = np.ones(levels.size, dtype=bool)
    tall[grid.occupied[flat]] = False

    def above() -> np.ndarray:
        level = levels.take(beside)
        own = levels.take(cell)
        level -= own
        level *= weight
        level += own
        return np.subtract(height, level, out=level)

    # Each of the two turns below moves the surface by less than _NEAR_SURFACE.
    rows = np.flatnonzero(np.abs(above()) < 3 * _NEAR_SURFACE)
    height, cell, beside, weight = (column.take(rows) for column in (height, cell, beside, weight))
    # The lowest returns lie beneath the surface, by the noise of the range: settle on the mean.
    for _ in range(2):
        distance = above()
        near = np.flatnonzero(np.abs(distance) < _NEAR_SURFACE)
        inside = cell.take(near)
        count = np.bincount(inside, minlength=levels.size)
        shift = np.bincount(inside, distance.take(near), minlength=levels.size) / np.maximum(count, 1)
        # The foot of a wall would lift the mean: cells that hold one move as the others do.
        usual = shift[(count > 0) & ~tall]
        shift[tall] = np.median(usual) if len(usual) else 0
        levels = levels + shift.astype(np.float32)
    on_surface = np.zeros(len(grid.cell), dtype=bool)
    on_surface[rows] = np.abs(above()) < _THICKNESS
    return on_surface
