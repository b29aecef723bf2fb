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
    place = np.empty(count, np.int32)
    octave = reach.view(np.int32)
    first = np.full(1, _NEAREST, np.float32).view(np.int32)[0] >> _MANTISSA
    for point in range(count):
        row = min(int(elevation[point] * np.float32(_ROWS / 2)), _ROWS - 1) - lowest + 2
        column = min(int(azimuth[point] * np.float32(_COLUMNS / 4)), _COLUMNS - 1)
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
