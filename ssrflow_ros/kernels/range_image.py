"""Loops over range images: which cell a point lies in, the nearest return in each, and the nearest about each."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_BRIDGED = 3  # rows, of 0.75 degrees, that the beams of a sparse sensor may lie apart
_BLOCK = 1024  # points that are worked on at a time, column by column, so that vector units can


@compiled
def _arctan2(y, x):
    """As NumPy's of two float64, to 1e-14 rad, but the same on every processor, and in a loop for vector units.

    arctan(t) / t is a polynomial in t², interpolated at the 17 Chebyshev nodes of [0, 1].
    """
    up, along = abs(y), abs(x)
    ratio = min(up, along) / max(max(up, along), 1e-300)
    squared = ratio * ratio
    angle = 6.552513441722181e-05
    angle = angle * squared - 0.0006364041542474389
    angle = angle * squared + 0.0029164394995327384
    angle = angle * squared - 0.008464656925153968
    angle = angle * squared + 0.0177171911227864
    angle = angle * squared - 0.029088911946599065
    angle = angle * squared + 0.04013961256673462
    angle = angle * squared - 0.0495689849024251
    angle = angle * squared + 0.05785485614834687
    angle = angle * squared - 0.06643505678213611
    angle = angle * squared + 0.07688232927692465
    angle = angle * squared - 0.09090400463720133
    angle = angle * squared + 0.11111068342131036
    angle = angle * squared - 0.1428571204574935
    angle = angle * squared + 0.1999999993581937
    angle = angle * squared - 0.3333333333255279
    angle = angle * squared + 0.9999999999999813
    angle *= ratio
    angle = np.pi / 2 - angle if up > along else angle
    angle = np.pi - angle if x < 0 else angle
    return -angle if y < 0 else angle


@compiled
def cells_of(points, transform, azimuth, elevation, rows, columns):
    """Cell (N,) int32, row * columns + column, and range (N,) float32 m of points (N, 3) float32 m that transform
    (3, 4) float32 leads to the sensor's frame; cells are `azimuth` wide and `elevation` high, rad.

    Angles are found in double precision, for whole rings of common sensors lie on the edge of a row (multiples of 0.75
    degrees), where the last bit of a float32 angle, which is not the same on every processor, would choose the row.
    """
    all_cells, all_reaches = np.empty(len(points), np.int32), np.empty(len(points), np.float32)
    x, y, z, flat = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    per_column, per_row = 1 / azimuth, 1 / elevation
    (a, b, c, d), (e, f, g, h), (i, j, k, m) = transform[0], transform[1], transform[2]
    for begin in range(0, len(points), _BLOCK):
        block = points[begin : begin + _BLOCK]
        cell, reach = all_cells[begin : begin + _BLOCK], all_reaches[begin : begin + _BLOCK]
        for point in range(len(block)):
            east, north, up = block[point, 0], block[point, 1], block[point, 2]
            ahead = a * east + b * north + c * up + d
            aside = e * east + f * north + g * up + h
            above = i * east + j * north + k * up + m
            level = np.sqrt(ahead * ahead + aside * aside)
            x[point], y[point], z[point], flat[point] = ahead, aside, above, level
            reach[point] = np.sqrt(level * level + above * above)
        for point in range(len(block)):
            column = np.int32((_arctan2(y[point], x[point]) + np.pi) * per_column)
            row = np.int32((_arctan2(z[point], flat[point]) + np.pi / 2) * per_row)
            cell[point] = min(row, rows - 1) * columns + min(column, columns - 1)
    return all_cells, all_reaches


@compiled
def nearest_in_each(cell, reach, rows, columns):
    """(rows * columns,) float32 m, the least `reach` (N,) in each `cell` (N,); inf where there is none.

    Fine rows tell a thing from the ground before it; a sensor whose beams lie farther apart leaves rows empty. Between
    two of its returns, no more than `_BRIDGED` rows apart, the nearer one counts: what only one beam of two saw past
    may well be there. Where there is no second one, rows are looked at in pairs, and the neighbour's return counts.
    """
    nearest = np.full(rows * columns, np.inf, np.float32)
    for point in range(len(cell)):
        nearest[cell[point]] = min(nearest[cell[point]], reach[point])
    last = np.full(columns, -rows, np.int32)  # row of the last return so far of each column
    for row in range(rows):
        for column in range(columns):
            here = nearest[row * columns + column]
            if here < np.inf:
                below = last[column]
                if 1 < row - below <= _BRIDGED:
                    between = min(here, nearest[below * columns + column])
                    for empty in range(below + 1, row):
                        nearest[empty * columns + column] = between
                last[column] = row
    for row in range(0, rows, 2):
        one, other = nearest[row * columns : (row + 1) * columns], nearest[(row + 1) * columns : (row + 2) * columns]
        for column in range(columns):
            first, second = one[column], other[column]
            one[column] = first if first < np.inf else second
            other[column] = second if second < np.inf else first
    return nearest


@compiled
def nearest_about(nearest, rows, columns, high, wide):
    """(rows * columns,) the least of `nearest` in `high` rows and `wide` columns, odd numbers, about each cell; the
    columns go round."""
    across, about = np.empty_like(nearest), np.empty_like(nearest)
    half = wide // 2
    padded = np.empty(columns + wide, nearest.dtype)
    for row in range(rows):
        own, out = nearest[row * columns : (row + 1) * columns], across[row * columns : (row + 1) * columns]
        padded[:half], padded[half : half + columns], padded[half + columns : 2 * half + columns] = (
            own[columns - half :],
            own,
            own[:half],
        )
        out[:] = own
        for off in range(wide):
            beside = padded[off : off + columns]
            for column in range(columns):
                out[column] = min(out[column], beside[column])
    half = high // 2
    for row in range(rows):
        out = about[row * columns : (row + 1) * columns]
        out[:] = np.inf
        for near in range(max(row - half, 0), min(row + half + 1, rows)):
            own = across[near * columns : (near + 1) * columns]
            for column in range(columns):
                out[column] = min(out[column], own[column])
    return about
