"""Loops over one map from above: what touches, and what lies beside something."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def connected_things(held, side, squares, square):
    """Things on a map of `side` cells: occupied cells, `held` (side²,) bool, that touch, at corners too.

    No cell of the map's border is occupied. Returns the number (side²,) int32 of each cell's thing, -1 for none, in the
    order of their first cells; its extent (K, 2) in rows and in columns, and the greatest (K,) of the values of the
    `squares` (S, S), each of `square` cells a side, in which it has cells.
    """
    number, waiting = np.full(side * side, -1, np.int32), np.empty(side * side, np.int32)
    extent, greatest = np.empty((side * side // 4, 2), np.int64), np.empty(side * side // 4, squares.dtype)
    count = 0
    for first in range(side * side):
        if not held[first] or number[first] >= 0:
            continue
        low_row, high_row, low_column, high_column = side, 0, side, 0
        greatest[count] = squares[first // side // square, first % side // square]
        number[first], waiting[0], left = count, first, 1
        while left:
            left -= 1
            cell = waiting[left]
            row, column = cell // side, cell % side
            low_row, high_row = min(low_row, row), max(high_row, row)
            low_column, high_column = min(low_column, column), max(high_column, column)
            greatest[count] = max(greatest[count], squares[row // square, column // square])
            for i in range(-1, 2):
                for j in range(-1, 2):
                    beside = cell + i * side + j
                    if held[beside] and number[beside] < 0:
                        number[beside] = count
                        waiting[left] = beside
                        left += 1
        extent[count, 0], extent[count, 1] = high_row - low_row + 1, high_column - low_column + 1
        count += 1
    return number, extent[:count], greatest[:count]


@compiled
def lies_beside(target, static, cell, layer, side):
    """(M,) bool of target (M, 3) float32 m, whether a point of static (S, 3) float32 m lies in its cell or in one of
    the 26 around it.

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
    found = np.zeros(len(target), np.bool_)
    for point in range(len(target)):
        row = int(target[point, 0] * per_cell + middle) & (side - 1)
        column = int(target[point, 1] * per_cell + middle) & (side - 1)
        height = int(min(max(target[point, 2] * per_layer + np.float32(4), np.float32(0)), np.float32(7)))
        for i in range(-1, 2):
            for j in range(-1, 2):
                if (stands[(row + i) & (side - 1), (column + j) & (side - 1)] >> height) & 1:
                    found[point] = True
    return found
