"""Which points lie in which of a few upright boxes."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_SIDE = 256  # squares of a map of 1 m squares, a power of two; it goes on anew beyond


@compiled
def box_of_each(points, centres, cosines, sines, halves, out):
    """out (n,) int32: number of the box that holds each of points (n, 3) float32 m, -1 for none; of several the one
    whose middle is nearest by its own sides, and the last of equals.

    Boxes: centres (K, 3), halves (K, 3) of their sides, both float32 m, turned about the vertical.
    """
    # Of each square the first and the last box that may reach into it: few points have to ask a box, most of them one.
    first, last = np.zeros((_SIDE, _SIDE), np.int32), np.full((_SIDE, _SIDE), -1, np.int32)
    for k in range(len(centres) - 1, -1, -1):
        reach = np.hypot(halves[k, 0], halves[k, 1]) + 0.01
        row, column = int(np.floor(centres[k, 0] - reach)), int(np.floor(centres[k, 1] - reach))
        side = min(int(2 * reach) + 2, _SIDE)
        for i in range(side):
            for j in range(side):
                square = (row + i) & (_SIDE - 1), (column + j) & (_SIDE - 1)
                first[square], last[square] = k, max(last[square], k)
    for i in range(len(points)):
        square = int(np.floor(points[i, 0])) & (_SIDE - 1), int(np.floor(points[i, 1])) & (_SIDE - 1)
        out[i], least = -1, np.float32(1)
        for k in range(last[square], first[square] - 1, -1):
            dx, dy = points[i, 0] - centres[k, 0], points[i, 1] - centres[k, 1]
            along, across = cosines[k] * dx + sines[k] * dy, cosines[k] * dy - sines[k] * dx
            off = max(abs(along) / halves[k, 0], abs(across) / halves[k, 1])
            off = max(off, abs(points[i, 2] - centres[k, 2]) / halves[k, 2])
            if off < least or (off == least and out[i] < 0):
                out[i], least = k, off
