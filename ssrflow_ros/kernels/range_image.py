"""Loops over range images: which cell a point lies in, the nearest return in each, and the nearest about each."""

from __future__ import annotations

import numpy as np

from .compiled import compiled, contracted

_BRIDGED = 3  # rows, of 0.75 degrees, that the beams of a sparse sensor may lie apart
_EDGE = 1e-3  # of a cell, nearer to whose edge a float32 angle may lie beyond it
_FEW = 32  # points of which mostly none is near an edge
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


@contracted
def _arctan2_near(y, x):
    """As `_arctan2`, of two float32, to 1e-6 rad, in a quarter of the time."""
    up, along = abs(y), abs(x)
    ratio = min(up, along) / max(max(up, along), np.float32(1e-30))
    squared = ratio * ratio
    angle = np.float32(-0.0017011700578580616)
    angle = angle * squared + np.float32(0.01048764922965374)
    angle = angle * squared - np.float32(0.030351864742619892)
    angle = angle * squared + np.float32(0.05708955589005119)
    angle = angle * squared - np.float32(0.08349724966066922)
    angle = angle * squared + np.float32(0.10932341500557294)
    angle = angle * squared - np.float32(0.1426001608267949)
    angle = angle * squared + np.float32(0.1999807528113553)
    angle = angle * squared - np.float32(0.33333276291981945)
    angle = (angle * squared + np.float32(1)) * ratio
    angle = np.float32(np.pi / 2) - angle if up > along else angle
    angle = np.float32(np.pi) - angle if x < 0 else angle
    return -angle if y < 0 else angle


@compiled
def _made_exact(cell, is_near, up, along, start, per_cell, rows, angle):
    """Choose the `cell` along one axis anew, in double precision, where `is_near`; `rows`, `angle` are to work in."""
    count = 0
    for begin in range(0, len(cell), _FEW):
        end, found = min(begin + _FEW, len(cell)), np.int32(0)
        for point in range(begin, end):
            found |= is_near[point]
        if found:  # as among few
            for point in range(begin, end):
                rows[count] = point
                count += is_near[point]
    for k in range(count):
        angle[k] = (_arctan2(np.float64(up[rows[k]]), np.float64(along[rows[k]])) + start) * per_cell
    for k in range(count):
        cell[rows[k]] = np.int32(angle[k])


@compiled
def cells_of(points, transform, azimuth, elevation, rows, columns):
    """Cell (N,) int32, row * columns + column, and range (N,) float32 m of points (N, 3) float32 m that transform
    (3, 4) float32 leads to the sensor's frame; cells are `azimuth` wide and `elevation` high, rad.

    Near the edge of a cell angles are found in double precision, for whole rings of common sensors lie on the edge of
    a row (multiples of 0.75 degrees), where the last bit of a float32 angle, which is not the same on every processor,
    would choose the row.
    """
    cell, reach = np.empty(len(points), np.int32), np.empty(len(points), np.float32)
    x, y, z, flat = (
        np.empty(_BLOCK, np.float32),
        np.empty(_BLOCK, np.float32),
        np.empty(_BLOCK, np.float32),
        np.empty(_BLOCK, np.float32),
    )
    row_of, column_of, some = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32), np.empty(_BLOCK + 1, np.int32)
    near_row, near_column, angle = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32), np.empty(_BLOCK)
    per_column, per_row = 1 / azimuth, 1 / elevation
    wide, high, half = np.float32(per_column), np.float32(per_row), np.float32(np.pi / 2)
    (a, b, c, d), (e, f, g, h), (i, j, k, m) = transform[0], transform[1], transform[2]
    for begin in range(0, len(points), _BLOCK):
        block = points[begin : begin + _BLOCK]
        size = len(block)
        own, away = cell[begin : begin + size], reach[begin : begin + size]
        for point in range(size):
            x[point], y[point], z[point] = block[point, 0], block[point, 1], block[point, 2]
        for point in range(size):
            east, north, up = x[point], y[point], z[point]
            ahead = a * east + b * north + c * up + d
            aside = e * east + f * north + g * up + h
            above = i * east + j * north + k * up + m
            level = np.sqrt(ahead * ahead + aside * aside)
            x[point], y[point], z[point], flat[point] = ahead, aside, above, level
            away[point] = np.sqrt(level * level + above * above)
        for point in range(size):
            across = (_arctan2_near(y[point], x[point]) + half + half) * wide
            along = (_arctan2_near(z[point], flat[point]) + half) * high
            column, row = np.int32(across), np.int32(along)
            column_of[point], row_of[point] = column, row
            off_column, off_row = across - np.float32(column), along - np.float32(row)
            near_column[point] = (off_column < np.float32(_EDGE)) | (off_column > np.float32(1 - _EDGE))
            near_row[point] = (off_row < np.float32(_EDGE)) | (off_row > np.float32(1 - _EDGE))
        _made_exact(column_of[:size], near_column, y, x, np.pi, per_column, some, angle)
        _made_exact(row_of[:size], near_row, z, flat, np.pi / 2, per_row, some, angle)
        for point in range(size):
            row, column = min(row_of[point], np.int32(rows - 1)), min(column_of[point], np.int32(columns - 1))
            own[point] = row * np.int32(columns) + column
    return cell, reach


@compiled
def nearest_in_each(cell, reach, rows, columns):
    """(rows * columns,) float32 m, the least `reach` (N,) in each `cell` (N,); inf where there is none.

    Fine rows tell a thing from the ground before it; a sensor whose beams lie farther apart leaves rows empty. Between
    two of its returns, no more than `_BRIDGED` rows apart, the nearer one counts: what only one beam of two saw past
    may well be there. Where there is no second one, rows are looked at in pairs, and the neighbour's return counts.
    """
    nearest, low, high = np.full(rows * columns, np.inf, np.float32), rows * columns, 0
    for point in range(len(cell)):
        nearest[cell[point]] = min(nearest[cell[point]], reach[point])
        low, high = min(low, cell[point]), max(high, cell[point])
    first, end = low // columns // 2 * 2, min(high // columns // 2 * 2 + 2, rows)  # pairs of rows that hold something
    last = np.full(columns, -rows, np.int32)  # row of the last return so far of each column
    for row in range(first, end):
        for column in range(columns):
            here = nearest[row * columns + column]
            if here < np.inf:
                below = last[column]
                if 1 < row - below <= _BRIDGED:
                    between = min(here, nearest[below * columns + column])
                    for empty in range(below + 1, row):
                        nearest[empty * columns + column] = between
                last[column] = row
    for row in range(first, end, 2):
        one, other = nearest[row * columns : (row + 1) * columns], nearest[(row + 1) * columns : (row + 2) * columns]
        for column in range(columns):
            here, there = one[column], other[column]
            one[column] = here if here < np.inf else there
            other[column] = there if there < np.inf else here
    return nearest


@compiled
def lies_beyond(nearest, cell, reach, share, depth):
    """(N,) bool, whether what is `nearest` in the `cell` (N,) of each point lies beyond its `reach` (N,) by more than
    that `share` of it and `depth` m; inf there means that nothing is known. All float32."""
    beyond = np.empty(len(cell), np.bool_)
    for point in range(len(cell)):
        seen = nearest[cell[point]]
        beyond[point] = (seen < np.inf) & (seen > reach[point] * share + depth)
    return beyond


@compiled
def nearest_beside(nearest, cell, columns, wide):
    """(N,) the least of `nearest` in the `wide` columns, an odd number, about each `cell` (N,); they go round."""
    out, half = np.empty(len(cell), np.float32), wide // 2
    for point in range(len(cell)):
        column = cell[point] % columns
        begin, least = cell[point] - column, np.float32(np.inf)
        for near in range(column - half, column + half + 1):
            place = near + columns if near < 0 else near - columns if near >= columns else near
            least = min(least, nearest[begin + place])
        out[point] = least
    return out


@compiled
def nearest_about(nearest, rows, columns, high, wide):
    """(rows * columns,) the least of `nearest` in `high` rows and `wide` columns, odd numbers, about each cell; the
    columns go round."""
    across, about = np.full(rows * columns, np.inf, np.float32), np.full(rows * columns, np.inf, np.float32)
    half, half_high = wide // 2, high // 2
    padded = np.empty(columns + wide, nearest.dtype)
    for row in range(rows):
        own, out = nearest[row * columns : (row + 1) * columns], across[row * columns : (row + 1) * columns]
        column = 0
        while column < columns and not own[column] < np.inf:
            column += 1
        if column == columns:  # as most rows, of which nothing came back
            continue
        for column in range(columns):
            padded[half + column] = own[column]
        for column in range(half):
            padded[column], padded[half + columns + column] = own[columns - half + column], own[column]
        for off in range(wide):
            beside = padded[off : off + columns]
            for column in range(columns):
                out[column] = min(out[column], beside[column])
        for near in range(max(row - half_high, 0), min(row + half_high + 1, rows)):
            other = about[near * columns : (near + 1) * columns]
            for column in range(columns):
                other[column] = min(other[column], out[column])
    return about
