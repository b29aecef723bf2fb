"""Loops over the beams of a sweep, sorted by direction: what comes back beside a return."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_COLUMNS, _ROWS = 360, 180  # cells of directions, 0.64 to 1.3 degrees a side


@compiled
def _cell(azimuth, elevation):
    row = min(int(elevation * np.float32(_ROWS / 2)), _ROWS - 1)
    return row, min(int(azimuth * np.float32(_COLUMNS / 4)), _COLUMNS - 1)


@compiled
def by_direction(points, direction, reach):
    """Unit vectors and ranges (N, 4) float32 of points (N, 3) m, cell of directions by cell, and the first row of each
    cell; direction, reach as `directions` of kernels/outliers.py gives them."""
    first = np.zeros(_ROWS * _COLUMNS + 1, np.int32)
    cell = np.empty(len(points), np.int32)
    for point in range(len(points)):
        row, column = _cell(direction[point, 0], direction[point, 1])
        cell[point] = row * _COLUMNS + column
        first[cell[point] + 1] += 1
    for place in range(_ROWS * _COLUMNS):
        first[place + 1] += first[place]
    place, beams = first[:-1].copy(), np.empty((len(points), 4), np.float32)
    for point in range(len(points)):
        own = place[cell[point]]
        place[cell[point]] += 1
        scale = np.float32(1) / max(reach[point], np.float32(1e-6))
        for axis in range(3):
            beams[own, axis] = points[point, axis] * scale
        beams[own, 3] = reach[point]
    return beams, first


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
def beside(points, direction, reach, beams, first, cone, narrowest, widest, fewest, depth, depth_share, enough):
    """(M, 2) int32: of the returns beside each of M points, how many lie at its range, at least, where they are
    `enough`, and how many beyond. The points themselves are among the `beams`; these and `first` as of `by_direction`.

    Beside is what is within `narrowest` times `cone` rad, which is no more than a cell; or two, four times as much, up
    to `widest` times, until there are `fewest` returns. At its range: nearer and farther by no more than depth +
    depth_share * range, m.
    """
    found = np.zeros((len(points), 2), np.int32)
    for point in range(len(points)):
        row, column = _cell(direction[point, 0], direction[point, 1])
        scale = np.float32(1) / max(reach[point], np.float32(1e-6))
        x, y, z = points[point, 0] * scale, points[point, 1] * scale, points[point, 2] * scale
        off, own = depth + depth_share * reach[point], row * _COLUMNS + column
        wide = narrowest
        while True:
            most = (cone * wide) * (cone * wide)
            # Most have company in their own cell.
            about, at, beyond = _counted(beams, first[own], first[own + 1], x, y, z, reach[point], off, most)
            for near in range(max(row - wide, 0), min(row + wide + 1, _ROWS)):
                if at > enough:
                    break
                for turn in range(-wide, wide + 1):
                    place = near * _COLUMNS + (column + turn) % _COLUMNS
                    if place != own:
                        more = _counted(beams, first[place], first[place + 1], x, y, z, reach[point], off, most)
                        about, at, beyond = about + more[0], at + more[1], beyond + more[2]
            if at > enough or about > fewest or wide >= widest:
                break
            wide *= 2
        found[point, 0], found[point, 1] = at - 1, beyond
    return found


@compiled
def passing(points, direction, beams, first, aside, ring, rows):
    """(M, 2) float32 m: how far the beams reach that pass next below and next above each of M points; nan where none
    does within `rows` rows of cells and `aside` rad of azimuth, less than a cell. Of several, up to `ring` of the
    elevation's sine beyond the next one, less than a cell, it is the least: what has holes ends beams, too. The rest as
    of `beside`."""
    found = np.full((len(points), 2), np.nan, np.float32)
    for point in range(len(points)):
        row, column = _cell(direction[point, 0], direction[point, 1])
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
