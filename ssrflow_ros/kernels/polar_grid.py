"""The loops of ground removal by a polar grid. A cell is ring * sectors + sector."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_BLOCK = 1024  # points that are worked on at a time, column by column, so that vector units can
_ROOT_OF_HALF = 0x3F3504F3  # its bits as a float32


@compiled
def _log_of_part(part):
    """Logarithm of a float32 from the root of 0.5 to that of 2: a polynomial, for vector units, to 1e-7."""
    over = part - np.float32(1)
    log = np.float32(-0.07451186197130896)
    log = log * over + np.float32(0.12806610411818042)
    log = log * over - np.float32(0.1326603136093714)
    log = log * over + np.float32(0.141996501017655)
    log = log * over - np.float32(0.1660836941462891)
    log = log * over + np.float32(0.2000093944018351)
    log = log * over - np.float32(0.2500157909912209)
    log = log * over + np.float32(0.3333334534981052)
    log = log * over - np.float32(0.4999998849614332)
    return (log * over + np.float32(0.9999999993832557)) * over


@compiled
def polar_cells(points, rings, sectors, offset, growth):
    """Position (N,) float32 of points (N, 3) float32 m along the rings, in rings, and cell (N,) int16.

    Ring r begins `offset` * (exp(r * growth) - 1) m from the sensor; the last one has no end.
    """
    all_along, all_cells = np.empty(len(points), np.float32), np.empty(len(points), np.int16)
    per_offset, per_growth, log_2 = np.float32(1 / offset), np.float32(1 / growth), np.float32(np.log(2))
    last, per_sector, most = np.float32(rings - 1e-3), np.float32(sectors / 4), np.int32(sectors - 1)
    x, y, part = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    bits = part.view(np.int32)
    for begin in range(0, len(points), _BLOCK):
        block = points[begin : begin + _BLOCK]
        along, cell = all_along[begin : begin + _BLOCK], all_cells[begin : begin + _BLOCK]
        for point in range(len(block)):
            x[point], y[point] = block[point, 0], block[point, 1]
        for point in range(len(block)):
            part[point] = np.float32(1) + np.sqrt(x[point] * x[point] + y[point] * y[point]) * per_offset
        for point in range(len(block)):  # into a power of two and a part of about 1, by the bits of the float
            over = bits[point] - _ROOT_OF_HALF
            along[point] = np.float32(over >> 23)
            bits[point] = (over & 0x7FFFFF) + _ROOT_OF_HALF
        for point in range(len(block)):
            ring = min((along[point] * log_2 + _log_of_part(part[point])) * per_growth, last)
            # The diamond angle: monotonic in the azimuth, and far cheaper than an arctangent.
            turn = y[point] / max(abs(x[point]) + abs(y[point]), np.float32(1e-9))
            turn = (np.float32(2) - turn if x[point] < 0 else turn) + np.float32(1)
            along[point] = ring
            cell[point] = np.int32(ring) * np.int32(sectors) + min(np.int32(turn * per_sector), most)
    return all_along, all_cells


@compiled
def heights_over(points, plane):
    """(N,) float32 m of points (N, 3) over the plane z = a x + b y + c, (3,), all float32."""
    height = np.empty(len(points), np.float32)
    for point in range(len(points)):
        height[point] = points[point, 2] - (plane[0] * points[point, 0] + plane[1] * points[point, 1] + plane[2])
    return height


@compiled
def lowest_of_cells(height, cell, thickness):
    """Of each cell (C,) the number of its points, their lowest `height` (N,), inf where there is none, and how many lie
    less than its `thickness` (C,) m above that."""
    count, low = np.zeros(len(thickness), np.int64), np.zeros(len(thickness), np.int64)
    lowest = np.full(len(thickness), np.inf, np.float32)
    for point in range(len(height)):
        own = cell[point]
        count[own] += 1
        lowest[own] = min(lowest[own], height[point])
    top = lowest + thickness
    for point in range(len(height)):
        own = cell[point]
        low[own] += height[point] < top[own]
    return count, lowest, low


@compiled
def grown(lowest, rise, radius, step, slope, gap):
    """(rings, sectors) float32 m, level of the ground, from the `lowest` return of each cell, inf where there is none.

    Ring by ring outwards a sector takes its cell's lowest return if it lies less than `step` m and `slope` times the
    way since it last did so, at most `gap` m, off the level, and rises by less than the cell's `rise`; else it keeps
    its level. Then it takes the median of its own and of those beside it.
    """
    rings, sectors = lowest.shape
    levels = np.empty((rings, sectors), np.float32)
    level, seen = np.zeros(sectors, np.float32), np.zeros(sectors)
    for ring in range(rings):
        for sector in range(sectors):
            up = lowest[ring, sector] - level[sector]
            if abs(up) < step + slope * min(radius[ring] - seen[sector], gap) and up < rise[ring, sector]:
                level[sector], seen[sector] = lowest[ring, sector], radius[ring]
        for sector in range(sectors):
            left, own, right = level[sector - 1], level[sector], level[(sector + 1) % sectors]
            levels[ring, sector] = max(min(left, own), min(max(left, own), right))
        for sector in range(sectors):
            level[sector] = levels[ring, sector]
    return levels


@compiled
def on_surface(height, along, cell, levels, tall, near, thickness):
    """(N,) bool, which of the points of `height` (N,) m lie nearer than `thickness` m to the surface.

    The surface goes through the `levels` (rings, sectors) in the middle of each ring, straight between them. As the
    lowest returns lie beneath it, by the noise of the range, each cell is twice raised by the mean of its returns that
    are `near` m to it; those that hold something `tall` (C,) bool, whose foot would lift them, by the others' median.
    """
    rings, sectors = levels.shape
    cells = rings * sectors
    level = levels.ravel().copy()
    beside, weight = np.empty(len(height), np.int16), np.empty(len(height), np.float32)
    for point in range(len(height)):
        part = along[point] - np.floor(along[point]) - np.float32(0.5)
        beside[point] = min(max(cell[point] + (-sectors if part < 0 else sectors), 0), cells - 1)
        weight[point] = abs(part)
    candidates = np.empty(len(height), np.int32)
    found = 0
    for point in range(len(height)):
        own = level[cell[point]]
        # Each of the two turns below moves the surface by less than `near`.
        if abs(height[point] - ((level[beside[point]] - own) * weight[point] + own)) < 3 * near:
            candidates[found] = point
            found += 1
    shift, count, usual = np.empty(cells), np.empty(cells, np.int64), np.empty(cells)
    for _ in range(2):
        shift[:], count[:] = 0, 0
        for candidate in range(found):
            point = candidates[candidate]
            own = level[cell[point]]
            above = height[point] - ((level[beside[point]] - own) * weight[point] + own)
            if abs(above) < near:
                shift[cell[point]] += above
                count[cell[point]] += 1
        known = 0
        for own in range(cells):
            shift[own] /= max(count[own], 1)
            if count[own] and not tall[own]:
                usual[known] = shift[own]
                known += 1
        middle = np.median(usual[:known]) if known else 0.0
        for own in range(cells):
            level[own] += np.float32(middle if tall[own] else shift[own])
    lies_on = np.zeros(len(height), np.bool_)
    for candidate in range(found):
        point = candidates[candidate]
        own = level[cell[point]]
        lies_on[point] = abs(height[point] - ((level[beside[point]] - own) * weight[point] + own)) < thickness
    return lies_on
