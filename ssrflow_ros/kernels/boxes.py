"""Which points lie in which of a few upright boxes."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def box_of_each(points, centres, cosines, sines, halves, out):
    """out (n,) int32: number of the box that holds each of points (n, 3) float32 m, -1 for none; of several the last.

    Boxes: centres (K, 3), halves (K, 3) of their sides, both float32 m, turned about the vertical.
    """
    for i in range(len(points)):
        out[i] = -1
        for k in range(len(centres) - 1, -1, -1):
            dx, dy = points[i, 0] - centres[k, 0], points[i, 1] - centres[k, 1]
            along, across = cosines[k] * dx + sines[k] * dy, cosines[k] * dy - sines[k] * dx
            if (
                np.abs(along) <= halves[k, 0]
                and np.abs(across) <= halves[k, 1]
                and np.abs(points[i, 2] - centres[k, 2]) <= halves[k, 2]
            ):
                out[i] = k
                break
