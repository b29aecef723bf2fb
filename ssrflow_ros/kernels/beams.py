"""Loops over the beams of a sweep, sorted by direction: what comes back beside a return."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_COLUMNS, _ROWS = 360, 180  # cells of directions, 0.64 to 1.3 degrees a side


@compiled
def _directed(x, y, z):
    """Cell of directions, row and column, and range of a point: as `directions` of kernels/outliers.py has it, what
    takes no arctangent."""
    level = np.sqrt(x * x + y * y)
    around = y / max(abs(x) + abs(y), np.float32(1e-9))
    azimuth = np.float32(3) - around if x < 0 else np.float32(1) + around
    elevation = z / max(abs(z) + level, np.float32(1e-9)) + np.float32(1)
    row = min(int(elevation * np.float32(_ROWS / 2)), _ROWS - 1)
    return row, min(int(azimuth * np.float32(_COLUMNS / 4)), _COLUMNS - 1), np.sqrt(level * level + z * z)


@compiled
def by_direction(points):
    """Unit vectors and ranges (N, 4) float32 of points (N, 3) float32 m, cell of directions by cell, and the first row
    of each cell."""
    first = np.zeros(_ROWS * _COLUMNS + 1, np.int32)
    cell, away = np.empty(len(points), np.int32), np.empty(len(points), np.float32)
    for point in range(len(points)):
        row, column, away[point] = _directed(points[point, 0], points[point, 1], points[point, 2])
        cell[point] = row * _COLUMNS + column
        first[cell[point] + 1] += 1
    for place in range(_ROWS * _COLUMNS):
        first[place + 1] += first[place]
    place, beams = first[:-1].copy(), np.empty((len(points), 4), np.float32)
    for point in range(len(points)):
        own = place[cell[point]]
        place[cell[point]] += 1
        scale = np.float32(1) / max(away[point], np.float32(1e-6))
        for axis in range(3):
            beams[own, axis] = points[point, axis] * scale
        beams[own, 3] = away[point]
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
def _beside(x, y, z, beams, first, cone, narrowest, widest, fewest, depth, depth_share, enough):
    """At its range and beyond, as `beside`, of one point."""
    row, column, reach = _directed(x, y, z)
    scale = np.float32(1) / max(reach, np.float32(1e-6))
    x, y, z = x * scale, y * scale, z * scale
    off, own = depth + depth_share * reach, row * _COLUMNS + column
    wide = narrowest
    while True:
        most = (cone * wide) * (cone * wide)
        # Most have company in their own cell.
        about, at, beyond = _counted(beams, first[own], first[own + 1], x, y, z, reach, off, most)
        for near in range(max(row - wide, 0), min(row + wide + 1, _ROWS)):
            if at > enough:
                break
            for turn in range(-wide, wide + 1):
                place = near * _COLUMNS + (column + turn) % _COLUMNS
                if place != own:
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
    found = np.empty((len(points), 2), np.int32)
    for point in range(len(points)):
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        found[point, 0], found[point, 1] = _beside(
            x, y, z, beams, first, cone, narrowest, widest, fewest, depth, depth_share, enough
        )
    return found


@compiled
def filled(points, counts, asked, beams, first, cone, widest, fewest, depth, depth_share, least):
    """(K,) bool, of those of K groups of points (M, 3), one after the other, `counts` (K,) of each, that are `asked`
    (K,) bool: of the returns beside a point, as of `beside`, that are not nearer, the share at its range, 1 where there
    are none, is `least` or more, on average over the group."""
    full, end = np.zeros(len(counts), np.bool_), 0
    for group in range(len(counts)):
        begin, end = end, end + counts[group]
        wanted, total = least * counts[group], 0.0
        for point in range(begin, end if asked[group] else begin):
            x, y, z = points[point, 0], points[point, 1], points[point, 2]
            at, beyond = _beside(x, y, z, beams, first, cone, 1, widest, fewest, depth, depth_share, len(beams))
            total += at / (at + beyond) if at + beyond > 0 else 1.0
            if total >= wanted or total + (end - point - 1) < wanted:  # which is told long before the last point
                break
        full[group] = asked[group] and total >= wanted
    return full
