"""Loops over the directions of a sweep's returns: which have company at their range."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

# Cells of directions, 1.8 to 3.6 degrees a side: two above and below hold a sparse sensor's rings.
_COLUMNS, _ROWS = 128, 64
_MANTISSA = 18  # bits of a float32 below those that tell 32 ranges an octave, 1.6 to 3.1 % apart
_NEAREST = 0.5  # m, where the ranges that are told apart begin
_RANGES = 32 * 6  # of them, up to 32 m


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
def has_company(azimuth, elevation, reach, fewest, share):
    """(N,) bool: of all returns about the direction of each of N, it included, that `share` lies at about its range, of
    where little comes back, of what mostly does, and no less than `fewest` others.

    azimuth, elevation, reach as of `directions` in kernels/beams.py. What lies farther than 32 m is not judged: True.
    """
    count, lowest, highest = len(reach), _ROWS - 1, 0
    for point in range(count):
        row = min(int(elevation[point] * np.float32(_ROWS / 2)), _ROWS - 1)
        lowest, highest = min(lowest, row), max(highest, row)
    rows = max(highest - lowest + 1, 0)  # only those in which something lies
    held = np.zeros((rows + 4, _COLUMNS, _RANGES + 2), np.uint8)
    total = np.zeros((rows + 4, _COLUMNS), np.int32)
    about = np.zeros((rows + 4, _COLUMNS), np.int32)
    cell, place, octave = np.empty(count, np.int32), np.empty(count, np.int32), reach.view(np.int32)
    first = np.full(1, _NEAREST, np.float32).view(np.int32)[0] >> _MANTISSA
    base, last_row, last_column = np.int32(lowest - 2), np.int32(_ROWS - 1), np.int32(_COLUMNS - 1)
    for point in range(count):  # by itself, so that vector units can
        row = min(np.int32(elevation[point] * np.float32(_ROWS / 2)), last_row) - base
        column = min(np.int32(azimuth[point] * np.float32(_COLUMNS / 4)), last_column)
        cell[point] = row * np.int32(_COLUMNS) + column
        depth = min(max((octave[point] >> np.int32(_MANTISSA)) - first, np.int32(0)), np.int32(_RANGES)) + np.int32(1)
        place[point] = cell[point] * np.int32(_RANGES + 2) + depth if depth <= np.int32(_RANGES) else np.int32(-1)
    flat, each = held.reshape(-1), total.reshape(-1)
    for point in range(count):
        each[cell[point]] += 1
        if place[point] >= 0 and flat[place[point]] < 255:
            flat[place[point]] += 1
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
    least_flat = least.reshape(-1)
    for point in range(count):
        own = place[point]
        if own < 0:
            continue
        # Nearly every return has its company in its own cell.
        found = int(flat[own]) + flat[own - 1] + flat[own + 1]
        if found >= least_flat[cell[point]]:
            continue
        row, column, depth = cell[point] // _COLUMNS, cell[point] % _COLUMNS, own % (_RANGES + 2)
        found = 0
        for i in range(-2, 3):
            wide = 1 if abs(i) < 2 else 0
            for j in range(-wide, wide + 1):
                beside = (column + j) % _COLUMNS
                for k in range(-1, 2):
                    found += held[row + i, beside, depth + k]
        answer[point] = found >= least[row, column]
    return answer
