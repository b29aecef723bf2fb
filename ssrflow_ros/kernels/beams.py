"""Loops over the beams of a sweep, sorted by direction: what comes back beside a return."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_COLUMNS, _ROWS = 360, 180  # cells of directions, 0.64 to 1.3 degrees a side
_BLOCK = 1024  # points that are worked on at a time, column by column, so that vector units can


@compiled
def _cells(points):
    """Cell of directions, row * columns + column, and range m, (N,) int32 and float32, of points (N, 3) float32 m: by
    two numbers that grow with azimuth and elevation, as of `directions` in kernels/outliers.py, without arctangents."""
    cell, reach = np.empty(len(points), np.int32), np.empty(len(points), np.float32)
    x, y, z = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    last_row, last_column, columns = np.int32(_ROWS - 1), np.int32(_COLUMNS - 1), np.int32(_COLUMNS)
    for begin in range(0, len(points), _BLOCK):
        block = points[begin : begin + _BLOCK]
        own, away = cell[begin : begin + _BLOCK], reach[begin : begin + _BLOCK]
        for point in range(len(block)):
            x[point], y[point], z[point] = block[point, 0], block[point, 1], block[point, 2]
        for point in range(len(block)):
            level = np.sqrt(x[point] * x[point] + y[point] * y[point])
            around = y[point] / max(abs(x[point]) + abs(y[point]), np.float32(1e-9))
            azimuth = np.float32(3) - around if x[point] < 0 else np.float32(1) + around
            elevation = z[point] / max(abs(z[point]) + level, np.float32(1e-9)) + np.float32(1)
            row = min(np.int32(elevation * np.float32(_ROWS / 2)), last_row)
            own[point] = row * columns + min(np.int32(azimuth * np.float32(_COLUMNS / 4)), last_column)
            away[point] = np.sqrt(level * level + z[point] * z[point])
    return cell, reach


@compiled
def by_direction(points):
    """Unit vectors and ranges (n, 4) float32 of points (n, 3) float32 m, cell of directions by cell, where each cell
    begins, and the row (n,) int32 of the point that each beam is of."""
    cell, reach = _cells(points)
    first = np.zeros(_ROWS * _COLUMNS + 1, np.int32)
    for own in cell:
        first[own + 1] += 1
    begin = np.int32(0)
    for own in range(1, len(first)):
        begin += first[own]
        first[own] = begin
    place, scale = first[:-1].copy(), np.empty(_BLOCK, np.float32)
    beams, rows = np.empty((len(points), 4), np.float32), np.empty(len(points), np.int32)
    for begin in range(0, len(points), _BLOCK):
        size = min(_BLOCK, len(points) - begin)
        for k in range(size):
            scale[k] = np.float32(1) / max(reach[begin + k], np.float32(1e-6))
        for k in range(size):
            row = begin + k
            own = place[cell[row]]
            place[cell[row]] += 1
            beams[own, 0], beams[own, 1] = points[row, 0] * scale[k], points[row, 1] * scale[k]
            beams[own, 2], beams[own, 3], rows[own] = points[row, 2] * scale[k], reach[row], row
    return beams, first, rows


@compiled
def is_beside_the_next(beams, cone, depth, depth_share):
    """(n,) bool of the beams (n, 4), as of `by_direction`: the one before or after it lies beside it, and ended at its
    range, as `beside` says it. In a cell of directions they mostly do, in whatever order the sensor sends them."""
    found, most = np.zeros(len(beams), np.bool_), cone * cone
    for own in range(1, len(beams)):
        dx, dy, dz = (
            beams[own, 0] - beams[own - 1, 0],
            beams[own, 1] - beams[own - 1, 1],
            beams[own, 2] - beams[own - 1, 2],
        )
        if dx * dx + dy * dy + dz * dz <= most:
            reach, other = beams[own, 3], beams[own - 1, 3]
            off = abs(reach - other)
            found[own] = off <= depth + depth_share * reach
            found[own - 1] |= off <= depth + depth_share * other
    return found


@compiled
def _counted(beams, begin, end, x, y, z, reach, off, most):
    """Of the beams `begin` to `end`: how many lie within an angle of (x, y, z), `most` its square, how many of these
    end at `reach`, give or take `off` m, and how many beyond."""
    about, at, beyond = 0, 0, 0
    for other in range(begin, end):
        dx, dy, dz = beams[other, 0] - x, beams[other, 1] - y, beams[other, 2] - z
        if dx * dx + dy * dy + dz * dz <= most:
            about += 1
            at += abs(beams[other, 3] - reach) <= off
            beyond += beams[other, 3] > reach + off
    return about, at, beyond


@compiled
def _beside(x, y, z, cell, reach, beams, first, cone, narrowest, widest, fewest, depth, depth_share, enough):
    """At its range and beyond, as `beside`, of one point."""
    row, column = cell // _COLUMNS, cell % _COLUMNS
    scale = np.float32(1) / max(reach, np.float32(1e-6))
    x, y, z = x * scale, y * scale, z * scale
    off, wide = depth + depth_share * reach, narrowest
    while True:
        most = (cone * wide) * (cone * wide)
        # Most have company in their own cell.
        about, at, beyond = _counted(beams, first[cell], first[cell + 1], x, y, z, reach, off, most)
        for near in range(max(row - wide, 0), min(row + wide + 1, _ROWS)):
            if at > enough:
                break
            for turn in range(-wide, wide + 1):
                place = near * _COLUMNS + (column + turn) % _COLUMNS
                if place != cell:
                    more = _counted(beams, first[place], first[place + 1], x, y, z, reach, off, most)
                    about, at, beyond = about + more[0], at + more[1], beyond + more[2]
        if at > enough or about > fewest or wide >= widest:
            return at - 1, beyond
        wide *= 2


@compiled
def beside(points, beams, first, cone, narrowest, widest, fewest, depth, depth_share, enough):
    """(M, 2) int32: of the returns beside each of M points, how many lie at its range, at least, where they are
    `enough`, and how many beyond. The points themselves are among the `beams`; these and `first` as of `by_direction`.

    Beside is what is within `narrowest` times `cone` rad, which is no more than a cell; or two, four times as much, up
    to `widest` times, until there are `fewest` returns. At its range: nearer and farther by no more than depth +
    depth_share * range, m.
    """
    found, (cell, away) = np.empty((len(points), 2), np.int32), _cells(points)
    for point in range(len(points)):
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        found[point, 0], found[point, 1] = _beside(
            x, y, z, cell[point], away[point], beams, first, cone, narrowest, widest, fewest, depth, depth_share, enough
        )
    return found


@compiled
def filled(points, counts, beams, first, cone, widest, fewest, depth, depth_share, least):
    """(K,) bool of K groups of points (M, 3) of a sweep, one after the other, `counts` (K,) of each: of the returns
    beside a point, as of `beside`, that are not nearer, the share at its range, 1 where there are none, is `least` or
    more, on average over the group. beams, first: the sweep, as of `by_direction`."""
    cell, away = _cells(points)
    full, end = np.empty(len(counts), np.bool_), 0
    for group in range(len(counts)):
        begin, end = end, end + counts[group]
        wanted, total = least * counts[group], 0.0
        for point in range(begin, end):
            x, y, z = points[point, 0], points[point, 1], points[point, 2]
            at, beyond = _beside(
                x, y, z, cell[point], away[point], beams, first, cone, 1, widest, fewest, depth, depth_share, len(beams)
            )
            total += at / (at + beyond) if at + beyond > 0 else 1.0
            if total >= wanted or total + (end - point - 1) < wanted:  # which is told long before the last point
                break
        full[group] = total >= wanted
    return full


@compiled
def passing(points, beams, first, aside, ring, rows):
    """(M, 2) float32 m: how far the beams reach that pass next below and next above each of M points; nan where none
    does within `rows` rows of cells and `aside` rad of azimuth, less than a cell. Of several, up to `ring` of the
    elevation's sine beyond the next one, less than a cell, it is the least: what has holes ends beams, too. The rest as
    of `beside`."""
    found, (cell, _) = np.full((len(points), 2), np.nan, np.float32), _cells(points)
    for point in range(len(points)):
        row, column = cell[point] // _COLUMNS, cell[point] % _COLUMNS
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        level = np.sqrt(x * x + y * y)
        x, y, z = x / level, y / level, z / np.sqrt(level * level + z * z)
        for side in range(2):
            up, next_one, least, last = 2 * side - 1, np.float32(2), np.float32(np.inf), rows
            for look in range(2):  # for the next one, and then for those about it, which lie in its row or beside that
                for off in range(last + 1):
                    near = row + up * off
                    if near < 0 or near >= _ROWS:
                        break
                    if look == 0 and next_one < 2:
                        last = off
                        break
                    for turn in range(-1, 2):
                        place = near * _COLUMNS + (column + turn) % _COLUMNS
                        for other in range(first[place], first[place + 1]):
                            east, north = beams[other, 0], beams[other, 1]
                            away = (beams[other, 2] - z) * up
                            if away < 0 or away > next_one + ring or x * east + y * north <= 0:
                                continue
                            if abs(x * north - y * east) <= aside * np.sqrt(east * east + north * north):
                                if look == 0:
                                    next_one = min(next_one, away)
                                else:
                                    least = min(least, beams[other, 3])
            if next_one < 2:
                found[point, side] = least
    return found
