"""Loops over the beams of a sweep, sorted by direction: what comes back beside a return, and before it."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_COLUMNS, _ROWS = 1440, 720  # cells of directions, 0.16 to 0.33 degrees a side: about a beam
_RISE = 4  # rows of cells, 0.64 to 1.3 degrees, by which rings are told apart
_STEEPEST = np.float32(0.01)  # cosine of the elevation, nearer to the vertical than which windows grow no wider
_BLOCK = 1024  # points that are worked on at a time, column by column, so that vector units can


@compiled
def directions(points):
    """Azimuth, 0 to 4, elevation, 0 to 2, and range m, (N,) float32 each, of points (N, 3) float32 m: numbers that grow
    with these angles, by no more than they do, and take no arctangents."""
    azimuth, elevation = np.empty(len(points), np.float32), np.empty(len(points), np.float32)
    reach = np.empty(len(points), np.float32)
    x, y, z = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    for begin in range(0, len(points), _BLOCK):
        block = points[begin : begin + _BLOCK]
        along, up = azimuth[begin : begin + _BLOCK], elevation[begin : begin + _BLOCK]
        away = reach[begin : begin + _BLOCK]
        for point in range(len(block)):
            x[point], y[point], z[point] = block[point, 0], block[point, 1], block[point, 2]
        for point in range(len(block)):
            level = np.sqrt(x[point] * x[point] + y[point] * y[point])
            around = y[point] / max(abs(x[point]) + abs(y[point]), np.float32(1e-9))
            along[point] = np.float32(3) - around if x[point] < 0 else np.float32(1) + around
            up[point] = z[point] / max(abs(z[point]) + level, np.float32(1e-9)) + np.float32(1)
            away[point] = np.sqrt(level * level + z[point] * z[point])
    return azimuth, elevation, reach


@compiled
def by_direction(points, azimuth, elevation, reach):
    """Unit vectors and ranges (n, 4) float32 of points (n, 3) float32 m, whose `directions` are given, cell of
    directions by cell; where each cell begins, row after row of cells, from the lowest row that holds something to the
    highest; which row that lowest is; and the row (n,) int32 of the point that each beam is of."""
    cell, last_row, last_column = np.empty(len(points), np.int32), np.int32(_ROWS - 1), np.int32(_COLUMNS - 1)
    lowest, highest = last_row, np.int32(-1)
    for point in range(len(points)):
        row = min(np.int32(elevation[point] * np.float32(_ROWS / 2)), last_row)
        column = min(np.int32(azimuth[point] * np.float32(_COLUMNS / 4)), last_column)
        cell[point] = row * np.int32(_COLUMNS) + column
        lowest, highest = min(lowest, row), max(highest, row)
    base = lowest * np.int32(_COLUMNS)
    first = np.zeros(max(highest - lowest + 1, 0) * _COLUMNS + 1, np.int32)
    for point in range(len(points)):
        first[cell[point] - base + 1] += 1
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
            own = place[cell[row] - base]
            place[cell[row] - base] += 1
            beams[own, 0], beams[own, 1] = points[row, 0] * scale[k], points[row, 1] * scale[k]
            beams[own, 2], beams[own, 3], rows[own] = points[row, 2] * scale[k], reach[row], row
    return beams, first, int(lowest), rows


@compiled
def only(beams, first, lowest, rows, chosen):
    """As `by_direction` has it, of those points alone whose rows are `chosen` (m,) int64, distinct; given is what it
    has of all."""
    number, before = np.full(len(beams), np.int32(-1)), np.empty(len(beams) + 1, np.int32)
    for place in range(len(chosen)):
        number[chosen[place]] = place
    left, left_rows = np.empty((len(chosen) + 1, 4), np.float32), np.empty(len(chosen) + 1, np.int32)
    found = 0
    for own in range(len(beams)):
        before[own] = found
        left_rows[found] = number[rows[own]]
        left[found, 0], left[found, 1] = beams[own, 0], beams[own, 1]
        left[found, 2], left[found, 3] = beams[own, 2], beams[own, 3]
        found += left_rows[found] >= 0
    before[len(beams)] = found
    left_first = np.empty_like(first)
    for cell in range(len(first)):
        left_first[cell] = before[first[cell]]
    return left[:found], left_first, lowest, left_rows[:found]


@compiled
def _window(azimuth, elevation, level, wide, first, lowest):
    """Rows of cells, from the lowest that holds something, and columns, which may go beyond the first and last one, in
    which all lies that is no more than `wide` rad off a direction, whose elevation has the cosine `level`."""
    aside = wide / max(level, _STEEPEST)
    rows = (len(first) - 1) // _COLUMNS
    low = max(int((elevation - wide) * np.float32(_ROWS / 2)) - lowest, 0)
    high = min(int((elevation + wide) * np.float32(_ROWS / 2)) - lowest, rows - 1)
    west = int(np.floor((azimuth - aside) * np.float32(_COLUMNS / 4)))
    east = int(np.floor((azimuth + aside) * np.float32(_COLUMNS / 4)))
    return low, high, west, min(east, west + _COLUMNS - 1)


@compiled
def _span(first, row, west, east, turn):
    """Where the beams of the columns `west` to `east` of a row of cells begin and end, as far as these lie so many
    turns, -1 to 1, from where the columns begin."""
    start, stop = max(west, turn * _COLUMNS), min(east, turn * _COLUMNS + _COLUMNS - 1)
    if start > stop:
        return 0, 0
    own = (row - turn) * _COLUMNS
    return first[own + start], first[own + stop + 1]


@compiled
def is_beside_the_next(beams, cone, depth, depth_share):
    """(n,) bool of the beams (n, 4), as of `by_direction`: the one before or after it lies beside it, and ended at its
    range, as `beside` says it. In their order they mostly do, in whatever order the sensor sends them."""
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
def _beside(x, y, z, direction, beams, first, lowest, cone, narrowest, widest, fewest, depth, depth_share, enough):
    """At its range and beyond, as `beside`, of one point; its `direction` as of `directions`."""
    azimuth, elevation, reach = direction
    scale = np.float32(1) / max(reach, np.float32(1e-6))
    x, y, z = x * scale, y * scale, z * scale
    off, level, wide = depth + depth_share * reach, np.sqrt(x * x + y * y), narrowest
    while True:
        angle = cone * np.float32(wide)
        low, high, west, east = _window(azimuth, elevation, level, angle, first, lowest)
        about, at, beyond = 0, 0, 0
        for row in range(low, high + 1):
            for turn in range(-1, 2):
                begin, end = _span(first, row, west, east, turn)
                if begin < end:
                    more = _counted(beams, begin, end, x, y, z, reach, off, angle * angle)
                    about, at, beyond = about + more[0], at + more[1], beyond + more[2]
            if at > enough:
                break
        if at > enough or about > fewest or wide >= widest:
            return at - 1, beyond
        wide *= 2


@compiled
def beside(points, beams, first, lowest, cone, narrowest, widest, fewest, depth, depth_share, enough):
    """(M, 2) int32: of the returns beside each of M points, how many lie at its range, at least, where they are
    `enough`, and how many beyond. The points themselves are among the `beams`; these, `first` and `lowest` as of
    `by_direction`.

    Beside is what is within `narrowest` times `cone` rad; or two, four times as much, up to `widest` times, until there
    are `fewest` returns. At its range: nearer and farther by no more than depth + depth_share * range, m.
    """
    found, (azimuth, elevation, away) = np.empty((len(points), 2), np.int32), directions(points)
    for point in range(len(points)):
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        direction = azimuth[point], elevation[point], away[point]
        found[point, 0], found[point, 1] = _beside(
            x, y, z, direction, beams, first, lowest, cone, narrowest, widest, fewest, depth, depth_share, enough
        )
    return found


@compiled
def filled(points, counts, beams, first, lowest, cone, widest, fewest, depth, depth_share, least):
    """(K,) bool of K groups of points (M, 3) of a sweep, one after the other, `counts` (K,) of each: of the returns
    beside a point, as of `beside`, that are not nearer, the share at its range, 1 where there are none, is `least` or
    more, on average over the group. beams, first, lowest: the sweep, as of `by_direction`."""
    azimuth, elevation, away = directions(points)
    full, end = np.empty(len(counts), np.bool_), 0
    for group in range(len(counts)):
        begin, end = end, end + counts[group]
        wanted, total = least * counts[group], 0.0
        for point in range(begin, end):
            x, y, z = points[point, 0], points[point, 1], points[point, 2]
            direction = azimuth[point], elevation[point], away[point]
            at, beyond = _beside(
                x, y, z, direction, beams, first, lowest, cone, 1, widest, fewest, depth, depth_share, len(beams)
            )
            total += at / (at + beyond) if at + beyond > 0 else 1.0
            if total >= wanted or total + (end - point - 1) < wanted:  # which is told long before the last point
                break
        full[group] = total >= wanted
    return full


@compiled
def passing(points, beams, first, lowest, aside, ring, rows):
    """(M, 2) float32 m: how far the beams reach that pass next below and next above each of M points; nan where none
    does within `rows` times `_RISE` rows of cells and `aside` rad of azimuth. Of several, up to `ring` of the
    elevation's sine beyond the next one, less than `_RISE` rows, it is the least: what has holes ends beams, too. The
    rest as of `beside`."""
    found, (azimuth, elevation, _) = np.full((len(points), 2), np.nan, np.float32), directions(points)
    held, beyond = (len(first) - 1) // _COLUMNS, aside * np.float32(1.01)
    for point in range(len(points)):
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        level = np.sqrt(x * x + y * y)
        x, y, z = x / level, y / level, z / np.sqrt(level * level + z * z)
        own = min(int(elevation[point] * np.float32(_ROWS / 2)), _ROWS - 1)
        west = int(np.floor((azimuth[point] - beyond) * np.float32(_COLUMNS / 4)))
        east = int(np.floor((azimuth[point] + beyond) * np.float32(_COLUMNS / 4)))
        for side in range(2):
            up, next_one, least = 2 * side - 1, np.float32(2), np.float32(np.inf)
            last = (own // _RISE + rows * up) * _RISE + (_RISE - 1) * side
            for look in range(2):  # for the next one, and then for those about it, which lie in its row or beside that
                row = own
                while (last - row) * up >= 0:
                    near = row - lowest
                    for turn in range(-1, 2):
                        begin, end = _span(first, near, west, east, turn) if 0 <= near < held else (0, 0)
                        for other in range(begin, end):
                            ahead, left = beams[other, 0], beams[other, 1]
                            away = (beams[other, 2] - z) * up
                            if away < 0 or away > next_one + ring or x * ahead + y * left <= 0:
                                continue
                            if abs(x * left - y * ahead) <= aside * np.sqrt(ahead * ahead + left * left):
                                if look == 0:
                                    next_one = min(next_one, away)
                                else:
                                    least = min(least, beams[other, 3])
                    if look == 0 and next_one < 2:
                        end_of_next = (row // _RISE + up) * _RISE + (_RISE - 1) * side
                        last = min(last, end_of_next) if side else max(last, end_of_next)
                        break
                    row += up
            if next_one < 2:
                found[point, side] = least
    return found


@compiled
def is_past_another(beams, first, lowest, rows, by, off, least, most):
    """(N,) bool of the points of a sweep: another lies nearer by `by` m or more on the same beam, which passes it at
    `off` m, but no less than `least` and no more than `most` rad. beams, first, lowest, rows: the sweep, as of
    `by_direction`."""
    count, past = len(beams), np.zeros(len(beams), np.bool_)
    per_row, per_column = np.float32(_ROWS / 2), np.float32(_COLUMNS / 4)
    # What is nearest in each cell; it goes on beyond the first and last column as far as is asked.
    held, beyond = (len(first) - 1) // _COLUMNS, int(most / _STEEPEST * per_column) + 1
    nearest = np.full((held, _COLUMNS + 2 * beyond), np.float32(np.inf))
    for i in range(held):
        for j in range(_COLUMNS):
            for own in range(first[i * _COLUMNS + j], first[i * _COLUMNS + j + 1]):
                nearest[i, j + beyond] = min(nearest[i, j + beyond], beams[own, 3])
        for j in range(beyond):
            nearest[i, j] = nearest[i, j + _COLUMNS]
            nearest[i, j + _COLUMNS + beyond] = nearest[i, j + beyond]
    low, high = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    left, right = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    some = np.empty(_BLOCK + 1, np.int32)
    xs, ys, zs = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    for begin in range(0, count, _BLOCK):
        size, found = min(_BLOCK, count - begin), 0
        for k in range(size):  # by itself, so that vector units can do the next loop
            xs[k], ys[k], zs[k] = beams[begin + k, 0], beams[begin + k, 1], beams[begin + k, 2]
        for k in range(size):
            x, y, z = xs[k], ys[k], zs[k]
            level = np.sqrt(x * x + y * y)
            around = y / max(abs(x) + abs(y), np.float32(1e-9))
            azimuth = np.float32(3) - around if x < 0 else np.float32(1) + around
            elevation = z / max(abs(z) + level, np.float32(1e-9)) + np.float32(1)
            aside = most / max(level, _STEEPEST)
            low[k] = np.int32((elevation - most) * per_row)
            high[k] = np.int32((elevation + most) * per_row)
            left[k] = np.int32(np.floor((azimuth - aside) * per_column))
            right[k] = np.int32(np.floor((azimuth + aside) * per_column))
        for k in range(size):
            before = beams[begin + k, 3] - by
            low[k], high[k] = max(low[k] - lowest, 0), min(high[k] - lowest, held - 1)
            south, north, west, east = low[k], high[k], left[k] + beyond, right[k] + beyond
            # A beam is far thinner than a cell: most have it in one to four.
            if north <= south + 1 and east <= west + 1:
                seen = min(
                    min(nearest[south, west], nearest[south, east]), min(nearest[north, west], nearest[north, east])
                )
            else:
                seen = np.float32(np.inf)
                for i in range(south, north + 1):
                    for j in range(west, east + 1):
                        seen = min(seen, nearest[i, j])
            some[found] = begin + k
            found += seen <= before  # as nearly nowhere
        for one in range(found):
            own = some[one]
            x, y, z, before = beams[own, 0], beams[own, 1], beams[own, 2], beams[own, 3] - by
            is_past, k = False, own - begin
            for row in range(low[k], high[k] + 1):
                for turn in range(-1, 2):
                    start, end = _span(first, row, left[k], right[k], turn)
                    for other in range(start, end):
                        distance = beams[other, 3]
                        dx, dy, dz = beams[other, 0] - x, beams[other, 1] - y, beams[other, 2] - z
                        beside = min(max(off / distance, least), most)
                        is_past |= (distance <= before) & (dx * dx + dy * dy + dz * dz < beside * beside)
            past[rows[own]] = is_past
    return past
