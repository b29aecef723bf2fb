"""Loops over the points of rigid bodies, seen from above: `counts` (K,) of each, one body after the other."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def displaced(points, counts, centre, displacement, turn, slope):
    """(n, 3) m by which points (n, 3) m move with their bodies: by `displacement` (K, 2) m, turning by `turn` (K,) rad
    about `centre` (K, 2) m, along a ground that rises by `slope` (2,)."""
    out, begin = np.empty((len(points), 3)), 0
    for body in range(len(counts)):
        cos, sin = np.cos(turn[body]) - 1, np.sin(turn[body])
        for row in range(begin, begin + counts[body]):
            x, y = points[row, 0] - centre[body, 0], points[row, 1] - centre[body, 1]
            out[row, 0] = displacement[body, 0] + cos * x - sin * y
            out[row, 1] = displacement[body, 1] + sin * x + cos * y
            out[row, 2] = out[row, 0] * slope[0] + out[row, 1] * slope[1]
        begin += counts[body]
    return out


@compiled
def boxes(points, counts, yaw):
    """Corners low and high (K, 3) m of the boxes of bodies with points (n, 3) m, in axes that are turned by `yaw` (K,)
    rad."""
    low, high, begin = np.empty((len(counts), 3)), np.empty((len(counts), 3)), 0
    for body in range(len(counts)):
        own = points[begin : begin + counts[body]]
        begin += counts[body]
        cos, sin = np.cos(yaw[body]), np.sin(yaw[body])
        low[body], high[body] = np.inf, -np.inf
        for row in range(len(own)):
            along, across = cos * own[row, 0] + sin * own[row, 1], cos * own[row, 1] - sin * own[row, 0]
            for axis, value in enumerate((along, across, np.float64(own[row, 2]))):
                low[body, axis], high[body, axis] = min(low[body, axis], value), max(high[body, axis], value)
    return low, high
