"""Loops over the directions of a sweep's returns: which have company at their range, which lie past another."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

# Cells of directions, 1.8 to 3.6 degrees a side: two above and below hold a sparse sensor's rings.
_COLUMNS, _ROWS = 128, 64
_FINE_COLUMNS, _FINE_ROWS = 1200, 600  # 0.2 to 0.4 degrees a side: about a beam
_STEEPEST = np.float32(0.01)  # cosine of the elevation, nearer to the vertical than which cells grow no wider
_BLOCK = 1024  # points that are worked on at a time
_MANTISSA = 18  # bits of a float32 below those that tell 32 ranges an octave, 1.6 to 3.1 % apart
_NEAREST = 0.5  # m, where the ranges that are told apart begin
_RANGES = 32 * 6  # of them, up to 32 m


@compiled
def directions(points):
    """Direction of each of the points (N, 3) float32 m, as two numbers (N, 2) float32 that grow with its azimuth, 0 to
    4, and with its elevation, 0 to 2, and its range (N,) m: what takes no arctangent."""
    direction, reach = np.empty((len(points), 2), np.float32), np.empty(len(points), np.float32)
    x, y, z = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    for begin in range(0, len(points), _BLOCK):  # column by column, so that vector units can
        block, away = points[begin : begin + _BLOCK], reach[begin : begin + _BLOCK]
        for point in range(len(block)):
            x[point], y[point], z[point] = block[point, 0], block[point, 1], block[point, 2]
        for point in range(len(block)):
            level = np.sqrt(x[point] * x[point] + y[point] * y[point])
            around = y[point] / max(abs(x[point]) + abs(y[point]), np.float32(1e-9))
            away[point] = np.sqrt(level * level + z[point] * z[point])
            x[point] = np.float32(3) - around if x[point] < 0 else np.float32(1) + around
            y[point] = z[point] / max(abs(z[point]) + level, np.float32(1e-9)) + np.float32(1)
        for point in range(len(block)):
            direction[begin + point, 0], direction[begin + point, 1] = x[point], y[point]
    return direction, reach


@compiled
def _median(times, count):
    """Of `count` whole numbers, of which each number is there so many `times` (most + 1,); 0 of none."""
    lower, below = -1, 0
    for number in range(len(times)):
        below += times[number]
        if lower < 0 and below > (count - 1) // 2:
            lower = number
        if below > count // 2:
            return (lower + number) / 2
    return 0.0


@compiled
def has_company(direction, reach, fewest, share):
    """(N,) bool: of all returns about the direction of each of N, it included, that `share` lies at about its range, of
    where little comes back, of what mostly does, and no less than `fewest` others.

    direction, reach as of `directions`. What lies farther than 32 m is not judged: True.
    """
    count, lowest, highest = len(reach), _ROWS - 1, 0
    for point in range(count):
        row = min(int(direction[point, 1] * np.float32(_ROWS / 2)), _ROWS - 1)
        lowest, highest = min(lowest, row), max(highest, row)
    rows = max(highest - lowest + 1, 0)  # only those in which something lies
    held = np.zeros((rows + 4, _COLUMNS, _RANGES + 2), np.uint8)
    total = np.zeros((rows + 4, _COLUMNS), np.int32)
    about = np.zeros((rows + 4, _COLUMNS), np.int32)
    place = np.empty(count, np.int32)
    octave = reach.view(np.int32)
    first = np.full(1, _NEAREST, np.float32).view(np.int32)[0] >> _MANTISSA
    for point in range(count):
        row = min(int(direction[point, 1] * np.float32(_ROWS / 2)), _ROWS - 1) - lowest + 2
        column = min(int(direction[point, 0] * np.float32(_COLUMNS / 4)), _COLUMNS - 1)
        total[row, column] += 1
        depth = min(max((octave[point] >> _MANTISSA) - first, 0), _RANGES) + 1
        place[point] = -1
        if depth <= _RANGES:
            place[point] = (row * _COLUMNS + column) * (_RANGES + 2) + depth
            if held[row, column, depth] < 255:
                held[row, column, depth] += 1
    occupied, usual = 0, np.zeros(count + 1, np.int64)  # cells, and how many of them have so many returns about them
    for row in range(2, rows + 2):
        for column in range(_COLUMNS):
            if total[row, column]:
                for i in range(-2, 3):
                    wide = 1 if abs(i) < 2 else 0
                    for j in range(-wide, wide + 1):
                        about[row, column] += total[row + i, (column + j) % _COLUMNS]
                usual[about[row, column]] += 1
                occupied += 1
    mostly = _median(usual, occupied)
    least = np.empty(about.shape)
    for row in range(2, rows + 2):
        for column in range(_COLUMNS):
            least[row, column] = min(max(max(about[row, column], mostly) * share, fewest) + 1, 250)
    answer = np.ones(count, np.bool_)
    flat, least_flat = held.reshape(-1), least.reshape(-1)
    for point in range(count):
        own = place[point]
        if own < 0:
            continue
        cell = own // (_RANGES + 2)
        # Nearly every return has its company in its own cell.
        found = int(flat[own]) + flat[own - 1] + flat[own + 1]
        if found >= least_flat[cell]:
            continue
        row, column, depth = cell // _COLUMNS, cell % _COLUMNS, own % (_RANGES + 2)
        found = 0
        for i in range(-2, 3):
            wide = 1 if abs(i) < 2 else 0
            for j in range(-wide, wide + 1):
                beside = (column + j) % _COLUMNS
                for k in range(-1, 2):
                    found += held[row + i, beside, depth + k]
        answer[point] = found >= least[row, column]
    return answer


@compiled
def is_past_another(points, direction, reach, by, off, least, most):
    """(N,) bool of points: another lies nearer by `by` m or more on the same beam, which passes it at `off` m, but no
    less than `least` and no more than `most` rad; direction, reach as of `directions`."""
    count, past = len(reach), np.zeros(len(reach), np.bool_)
    per_row, per_column = np.float32(_FINE_ROWS / 2), np.float32(_FINE_COLUMNS / 4)
    row, column = np.empty(count, np.int32), np.empty(count, np.int32)
    lowest, highest = _FINE_ROWS, -1
    for point in range(count):
        row[point] = min(np.int32(direction[point, 1] * per_row), np.int32(_FINE_ROWS - 1))
        column[point] = min(np.int32(direction[point, 0] * per_column), np.int32(_FINE_COLUMNS - 1))
        lowest, highest = min(lowest, row[point]), max(highest, row[point])
    # Only the rows in which something lies; `nearest` goes on beyond its first and last column as far as is asked.
    rows, beyond = max(highest - lowest + 1, 0), int(most / _STEEPEST * per_column) + 1
    head, after = np.full((rows, _FINE_COLUMNS), np.int32(-1)), np.empty(count, np.int32)
    nearest = np.full((rows, _FINE_COLUMNS + 2 * beyond), np.float32(np.inf))
    for point in range(count):
        i, j = row[point] - lowest, column[point]
        after[point], head[i, j] = head[i, j], point
        nearest[i, j + beyond] = min(nearest[i, j + beyond], reach[point])
    for i in range(rows):
        for j in range(beyond):
            nearest[i, j] = nearest[i, j + _FINE_COLUMNS]
            nearest[i, j + _FINE_COLUMNS + beyond] = nearest[i, j + beyond]
    low, high = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    left, right = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    for begin in range(0, count, _BLOCK):
        size = min(_BLOCK, count - begin)
        for k in range(size):  # by itself, so that vector units can
            point = begin + k
            scale = max(reach[point], np.float32(1e-6))
            x, y = points[point, 0] / scale, points[point, 1] / scale
            aside = most / max(np.sqrt(x * x + y * y), _STEEPEST)
            low[k] = np.int32((direction[point, 1] - most) * per_row)
            high[k] = np.int32((direction[point, 1] + most) * per_row)
            left[k] = np.int32(np.floor((direction[point, 0] - aside) * per_column))
            right[k] = np.int32(np.floor((direction[point, 0] + aside) * per_column))
        for k in range(size):
            point, before = begin + k, reach[begin + k] - by
            first, last = max(low[k] - lowest, 0), min(high[k] - lowest, rows - 1)
            west, east = left[k] + beyond, right[k] + beyond
            # A beam is far thinner than a cell: most have it in one to four.
            if last <= first + 1 and east <= west + 1:
                seen = min(
                    min(nearest[first, west], nearest[first, east]), min(nearest[last, west], nearest[last, east])
                )
            else:
                seen = np.float32(np.inf)
                for i in range(first, last + 1):
                    for j in range(west, east + 1):
                        seen = min(seen, nearest[i, j])
            if seen > before:  # as nearly everywhere
                continue
            scale = max(reach[point], np.float32(1e-6))
            x, y, z = points[point, 0] / scale, points[point, 1] / scale, points[point, 2] / scale
            for i in range(first, last + 1):
                for j in range(west, east + 1):
                    if nearest[i, j] > before:
                        continue
                    other = head[i, (j - beyond) % _FINE_COLUMNS]
                    while other >= 0:
                        distance = reach[other]
                        if distance <= before:
                            dx, dy = points[other, 0] - x * distance, points[other, 1] - y * distance
                            dz, beside = (
                                points[other, 2] - z * distance,
                                min(max(off, least * distance), most * distance),
                            )
                            past[point] |= dx * dx + dy * dy + dz * dz < beside * beside
                        other = after[other]
    return past
