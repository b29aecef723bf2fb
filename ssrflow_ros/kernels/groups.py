"""Loops over points and the groups that they form."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def lengths(vectors):
    """(N,) of vectors (N, 3)."""
    out = np.empty(len(vectors), vectors.dtype)
    for row in range(len(vectors)):
        x, y, z = vectors[row, 0], vectors[row, 1], vectors[row, 2]
        out[row] = np.sqrt(x * x + y * y + z * z)
    return out


@compiled
def rows_by_number(numbers):
    """Rows (n,) int64 of the `numbers` (N,) that are at least 0, number by number, ascending within one, and where each
    number begins, (greatest + 2,)."""
    greatest = -1
    for row in range(len(numbers)):
        greatest = max(greatest, numbers[row])
    first = np.zeros(greatest + 2, np.int64)
    for row in range(len(numbers)):
        if numbers[row] >= 0:
            first[numbers[row] + 1] += 1
    for number in range(greatest + 1):
        first[number + 1] += first[number]
    place, rows = first.copy(), np.empty(first[-1], np.int64)
    for row in range(len(numbers)):
        if numbers[row] >= 0:
            rows[place[numbers[row]]] = row
            place[numbers[row]] += 1
    return rows, first


@compiled
def any_near(points, counts, others, reach):
    """(K,) bool, whether any of `others` (M, 3) m lies within `reach` m of the box about each group of points (N, 3),
    which stand one after the other, `counts` (K,) of each."""
    found, begin = np.zeros(len(counts), np.bool_), 0
    low, high = np.empty(3, points.dtype), np.empty(3, points.dtype)
    for k in range(len(counts)):
        low[:], high[:] = np.inf, -np.inf
        for row in range(begin, begin + counts[k]):
            for axis in range(3):
                low[axis], high[axis] = min(low[axis], points[row, axis]), max(high[axis], points[row, axis])
        begin += counts[k]
        for other in range(len(others)):
            if (
                low[0] - reach < others[other, 0] < high[0] + reach
                and low[1] - reach < others[other, 1] < high[1] + reach
                and low[2] - reach < others[other, 2] < high[2] + reach
            ):
                found[k] = True
                break
    return found


@compiled
def company(points, rows, size, side):
    """(n,) int64, how many of points (N, 3) m lie in the square of `size` m, seen from above, of each of the `rows`
    (n,); on a map of `side` squares, a power of two, that goes on anew beyond."""
    count = np.zeros((side, side), np.int64)
    for point in range(len(points)):
        count[
            int(np.floor(points[point, 0] / size)) & (side - 1), int(np.floor(points[point, 1] / size)) & (side - 1)
        ] += 1
    out = np.empty(len(rows), np.int64)
    for place in range(len(rows)):
        x, y = points[rows[place], 0], points[rows[place], 1]
        out[place] = count[int(np.floor(x / size)) & (side - 1), int(np.floor(y / size)) & (side - 1)]
    return out
