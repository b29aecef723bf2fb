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


@compiled
def points_near_ends(points, counts, centre, yaw, size, within, share):
    """(K, 4, 5) of what is seen at the ends of the boxes of bodies with points (n, 3) m: `centre` (K, 3) m, `yaw` (K,)
    rad, `size` (K, 3) m; against its length and along it, against its width and along it.

    Shares of the points that lie `within` m of an end, and within that `share` of its side; the mean distance from it,
    as a share of its side; and of the points within so many metres the top one, and what they span across, as shares of
    the height and of the other side.
    """
    out, begin = np.zeros((len(counts), 4, 5)), 0
    for body in range(len(counts)):
        cos, sin = np.cos(yaw[body]), np.sin(yaw[body])
        for end in range(4):
            side, other = size[body, end // 2], size[body, 1 - end // 2]
            sign = 2.0 * (end % 2) - 1.0
            near, among, total, top, low, high = 0, 0, 0.0, 0.0, np.inf, -np.inf
            for row in range(begin, begin + counts[body]):
                x, y = points[row, 0] - centre[body, 0], points[row, 1] - centre[body, 1]
                along, across = cos * x + sin * y, cos * y - sin * x
                if end > 1:
                    along, across = across, along
                away = side / 2 - sign * along
                total += away
                among += away < share * side
                if away < within:
                    near += 1
                    top = max(top, points[row, 2] - centre[body, 2] + size[body, 2] / 2)
                    low, high = min(low, across), max(high, across)
            out[body, end, 0] = near / counts[body]
            out[body, end, 1] = among / counts[body]
            out[body, end, 2] = total / counts[body] / max(side, 0.1)
            out[body, end, 3] = top / max(size[body, 2], 0.1)
            out[body, end, 4] = max(high - low, 0.0) / max(other, 0.1)
        begin += counts[body]
    return out
