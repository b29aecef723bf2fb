"""Loops over one map from above: what touches, and what lies beside something."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def _cell(point, cell, side):
    """Number of the cell, of `cell` m, of a point (2+,) on a map of `side` cells about the origin, whose border stays
    empty."""
    per_cell, middle, least, most = np.float32(1 / cell), np.float32(side // 2), np.float32(1), np.float32(side - 2)
    row = int(min(max(point[0] * per_cell + middle, least), most))
    return row * side + int(min(max(point[1] * per_cell + middle, least), most))


@compiled
def connected_things(points, marks, vacated, cell, side, square):
    """Things on a map from above of `side` cells of `cell` m: what lies in cells that touch, at corners too.

    Returns the number (N,) int32 of the thing that each of points (N, 3) float32 m belongs to, in the order of their
    first cells; and of each its extent (K, 2) in rows and in columns; the number of its points (K,); how many of these
    bear each of M `marks`, a tuple of (N,) bool, (K, M); and the number of points that were `vacated` (V, 3) float32 m
    about it: the greatest in any square of `square` cells a side, in which it has cells, and the eight around that.
    """
    number, places = np.full(side * side, -1, np.int32), np.empty(len(points), np.int32)
    waiting = np.empty((len(points), 2), np.int32)  # row and column of cells; no more are held than there are points
    lowest, highest = side * side, -1
    for point in range(len(points)):
        places[point] = _cell(points[point], cell, side)
        number[places[point]] = -2  # held, and by no thing yet
        lowest, highest = min(lowest, places[point]), max(highest, places[point])
    square_of, squares = np.arange(side) // square + 1, (side - 1) // square + 3
    left, about = np.zeros((squares, squares), np.int64), np.zeros((squares, squares), np.int64)
    for point in range(len(vacated)):
        place = _cell(vacated[point], cell, side)
        left[square_of[place // side], square_of[place % side]] += 1
    for row in range(1, squares - 1):
        for beside in range(9):
            for column in range(1, squares - 1):
                about[row, column] += left[row + beside // 3 - 1, column + beside % 3 - 1]
    most = min(len(points), side * side // 4)
    extent, vacancies = np.empty((most, 2), np.int64), np.empty(most, np.int64)
    count = 0
    for first in range(lowest, highest + 1):
        if number[first] != -2:
            continue
        low_row, high_row, low_column, high_column, greatest = side, 0, side, 0, 0
        number[first], waiting[0, 0], waiting[0, 1], held = count, first // side, first % side, 1
        while held:
            held -= 1
            row, column = waiting[held, 0], waiting[held, 1]
            low_row, high_row = min(low_row, row), max(high_row, row)
            low_column, high_column = min(low_column, column), max(high_column, column)
            greatest = max(greatest, about[square_of[row], square_of[column]])
            for i in range(row - 1, row + 2):
                for j in range(column - 1, column + 2):
                    if number[i * side + j] == -2:
                        number[i * side + j] = count
                        waiting[held, 0], waiting[held, 1] = i, j
                        held += 1
        extent[count, 0], extent[count, 1] = high_row - low_row + 1, high_column - low_column + 1
        vacancies[count] = greatest
        count += 1
    owner, size = np.empty(len(points), np.int32), np.zeros(count, np.int64)
    marked = np.zeros((count, len(marks)), np.int64)
    for point in range(len(points)):
        own = number[places[point]]
        owner[point] = own
        size[own] += 1
        for mark in range(len(marks)):
            marked[own, mark] += marks[mark][point]
    return owner, extent[:count], size, marked, vacancies[:count]


@compiled
def layers_about(static, cell, layer, side):
    """(side, side) uint8, the layers, a bit each, in which a point of static (S, 3) float32 m lies in a cell of a map
    from above or in one of the 26 around it.

    Cells are squares of `cell` m, `layer` m high, all float32; the map has `side` of them, a power of two, and goes on
    anew beyond; the lowest and the highest of its 8 layers hold all that is lower and higher.
    """
    per_cell, per_layer, middle = np.float32(1) / cell, np.float32(1) / layer, np.float32(64 * side)
    stands = np.zeros((side, side), np.uint8)
    for point in range(len(static)):
        row = int(static[point, 0] * per_cell + middle) & (side - 1)
        column = int(static[point, 1] * per_cell + middle) & (side - 1)
        height = int(min(max(static[point, 2] * per_layer + np.float32(4), np.float32(0)), np.float32(7)))
        stands[row, column] |= np.uint8(((7 << height) >> 1) & 255)
    # Each cell takes over what stands in those around it, along columns and then along rows.
    beside, about = np.empty(side, np.uint8), np.empty_like(stands)
    for row in range(side):
        above, own, below, out = stands[row - 1], stands[row], stands[(row + 1) & (side - 1)], about[row]
        for column in range(side):
            beside[column] = above[column] | own[column] | below[column]
        for column in range(1, side - 1):
            out[column] = beside[column - 1] | beside[column] | beside[column + 1]
        out[0] = beside[side - 1] | beside[0] | beside[1]
        out[side - 1] = beside[side - 2] | beside[side - 1] | beside[0]
    return about


@compiled
def lies_beside(target, about, cell, layer):
    """(M,) bool of target (M, 3) float32 m, whether a point lies in its cell or in one of the 26 around it, of those
    that the map `about` holds, as of `layers_about`."""
    side, found = len(about), np.zeros(len(target), np.bool_)
    per_cell, per_layer, middle = np.float32(1) / cell, np.float32(1) / layer, np.float32(64 * side)
    for point in range(len(target)):
        row = int(target[point, 0] * per_cell + middle) & (side - 1)
        column = int(target[point, 1] * per_cell + middle) & (side - 1)
        height = int(min(max(target[point, 2] * per_layer + np.float32(4), np.float32(0)), np.float32(7)))
        found[point] = (about[row, column] >> height) & 1
    return found
