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
def touched_by(rows, first, thing, free, things):
    """(E, 6) int64 of E groups of rows, group e from `first`[e] on (E + 1,): how many of its points are of a thing; how
    many of these are `free`, (n,) bool; how many other points the things that it touches have; how many of those are
    free, and how many of another group; and how many things it touches. thing (n,): which of so many `things` each
    point is of, -1 for none."""
    found = np.zeros((len(first) - 1, 6), np.int64)
    held, held_free, newest = np.zeros(things, np.int64), np.zeros(things, np.int64), np.full(things, -1)
    grouped = np.zeros(things, np.int64)
    for point in range(len(thing)):
        if thing[point] >= 0:
            held[thing[point]] += 1
            held_free[thing[point]] += free[point]
    for row in rows:
        if thing[row] >= 0:
            grouped[thing[row]] += 1
    for group in range(len(found)):
        own, own_free, other, other_free, other_grouped, touched = 0, 0, 0, 0, 0, 0
        for row in rows[first[group] : first[group + 1]]:
            of = thing[row]
            if of >= 0:
                own, own_free = own + 1, own_free + free[row]
                if newest[of] != group:
                    newest[of], touched = group, touched + 1
                    other, other_free = other + held[of], other_free + held_free[of]
                    other_grouped += grouped[of]
        found[group, 0], found[group, 1], found[group, 2] = own, own_free, other - own
        found[group, 3], found[group, 4], found[group, 5] = other_free - own_free, other_grouped - own, touched
    return found


@compiled
def mostly_of(rows, first, thing, marks, things):
    """(E, 3) int64 of E groups of rows as of `touched_by`, none empty, each point of which is of a thing: the thing of
    which most of its points are, of several the lowest number; how many these are; how many of them bear `marks` (n,)
    bool."""
    found, held, held_marked = (
        np.empty((len(first) - 1, 3), np.int64),
        np.zeros(things, np.int64),
        np.zeros(things, np.int64),
    )
    for group in range(len(found)):
        own, most = rows[first[group] : first[group + 1]], thing[rows[first[group]]]
        for row in own:
            held[thing[row]] += 1
            held_marked[thing[row]] += marks[row]
        for row in own:
            of = thing[row]
            if held[of] > held[most] or (held[of] == held[most] and of < most):
                most = of
        found[group, 0], found[group, 1], found[group, 2] = most, held[most], held_marked[most]
        for row in own:
            held[thing[row]], held_marked[thing[row]] = 0, 0
    return found


@compiled
def summed_up(points, vectors, counts, rows, marks):
    """(K, 4 + M) float64 of K groups of points (n, 3) m, none empty, one after the other, `counts` (K,) of each: mean x
    and y of their vectors (n, 3), mean distance of these from that mean, height m, and the share of the points that
    bear each of M `marks`, a tuple of (N,) bool, of which the points are those `rows` (n,)."""
    out, begin = np.zeros((len(counts), 4 + len(marks))), 0
    for k in range(len(counts)):
        end, own = begin + counts[k], out[k]
        low, high = np.inf, -np.inf
        for point in range(begin, end):
            own[0] += vectors[point, 0]
            own[1] += vectors[point, 1]
            low, high = min(low, points[point, 2]), max(high, points[point, 2])
        own[0], own[1], own[3] = own[0] / counts[k], own[1] / counts[k], high - low
        for point in range(begin, end):
            east, north = vectors[point, 0] - own[0], vectors[point, 1] - own[1]
            own[2] += np.sqrt(east * east + north * north)
        own[2] /= counts[k]
        for number in range(len(marks)):
            mark, marked = marks[number], 0
            for point in range(begin, end):
                marked += mark[rows[point]]
            own[4 + number] = marked / counts[k]
        begin = end
    return out


@compiled
def any_near(points, counts, asked, others, reach):
    """(K,) bool, whether any of `others` (M, 3) m lies within `reach` m of the box about each group of points (N, 3),
    of those that are `asked` (K,) bool; they stand one after the other, `counts` (K,) of each."""
    found, end = np.zeros(len(counts), np.bool_), 0
    low, high = np.empty(3, points.dtype), np.empty(3, points.dtype)
    for k in range(len(counts)):
        begin, end = end, end + counts[k]
        if not asked[k]:
            continue
        low[:], high[:] = np.inf, -np.inf
        for row in range(begin, end):
            for axis in range(3):
                low[axis], high[axis] = min(low[axis], points[row, axis]), max(high[axis], points[row, axis])
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
    count, square, per_square = np.zeros(side * side, np.int32), np.empty(len(points), np.int32), np.float32(1 / size)
    for point in range(len(points)):
        row, column = np.floor(points[point, 0] * per_square), np.floor(points[point, 1] * per_square)
        square[point] = (np.int32(row) & (side - 1)) * side + (np.int32(column) & (side - 1))
    for point in range(len(points)):
        count[square[point]] += 1
    out = np.empty(len(rows), np.int64)
    for place in range(len(rows)):
        out[place] = count[square[rows[place]]]
    return out


@compiled
def shares(marks, counts):
    """(M, K) float64, of the points of each of K groups, none empty, one after the other, `counts` (K,) of each, the
    share that bears each of M marks (M, n) bool."""
    out = np.empty((len(marks), len(counts)))
    for number in range(len(marks)):
        own, end = marks[number], 0
        for k in range(len(counts)):
            begin, end, marked = end, end + counts[k], 0
            for point in range(begin, end):
                marked += own[point]
            out[number, k] = marked / counts[k]
    return out


@compiled
def greatest(values, rows, counts, out):
    """Raise out (N,) to the greatest of the `values` (K,) of those groups of `rows` (n,) that hold each row; one group
    after the other, `counts` (K,) of each."""
    end = 0
    for k in range(len(counts)):
        begin, end = end, end + counts[k]
        for place in range(begin, end):
            out[rows[place]] = max(out[rows[place]], values[k])


@compiled
def moved_together(points, counts, shift):
    """(N, 3) m of points (N, 3) m after the shift (K, 2) m in x and y of the group that each is of: groups stand one
    after the other, `counts` (K,) of each."""
    out, end = np.empty_like(points), 0
    for k in range(len(counts)):
        begin, end = end, end + counts[k]
        for row in range(begin, end):
            out[row, 0], out[row, 1] = points[row, 0] + shift[k, 0], points[row, 1] + shift[k, 1]
            out[row, 2] = points[row, 2]
    return out


@compiled
def chosen_evenly(counts, most):
    """Rows (n,) int64 of at most `most` of each of K groups, one after the other, `counts` (K,) of each: evenly, the
    first and the last included; and how many of each, (K,)."""
    few = np.minimum(counts, most)
    rows, found, begin = np.empty(few.sum(), np.int64), 0, 0
    for group in range(len(counts)):
        for step in range(few[group]):
            rows[found] = begin + step * (counts[group] - 1) // max(few[group] - 1, 1)
            found += 1
        begin += counts[group]
    return rows, few


@compiled
def medians(vectors, counts, most):
    """(K, 2) float64, medians of x and of y of the vectors (N, 2+) float32 of each of K groups, none empty, one after
    the other, `counts` (K,) of each: of at most `most` of a group, as `chosen_evenly` has them."""
    out, begin = np.empty((len(counts), 2)), 0
    rows, few = chosen_evenly(counts, most)
    for group in range(len(counts)):
        end = begin + few[group]
        for axis in range(2):
            values = vectors[rows[begin:end], axis]
            values.sort()
            out[group, axis] = np.float64(values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        begin = end
    return out
