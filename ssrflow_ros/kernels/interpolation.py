"""The loop of inverse-distance interpolation."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def interpolated(points, cube, nearest, known, values, least):
    """(N, C) float32 at points (N, 3), of `values` (M, C) at `known` (M, 3): the mean over the `nearest` (n, k) of each
    point's cube (N,), weighed by one over the distance, or over `least` m where they are nearer. All float32."""
    count, width, k = len(points), values.shape[1], nearest.shape[1]
    out = np.zeros((count, width), np.float32)
    for point in range(count):
        total = np.float32(0)
        for neighbour in range(k):
            there = nearest[cube[point], neighbour]
            dx = known[there, 0] - points[point, 0]
            dy = known[there, 1] - points[point, 1]
            dz = known[there, 2] - points[point, 2]
            weight = np.float32(1) / max(np.sqrt(dx * dx + dy * dy + dz * dz), least)
            total += weight
            for channel in range(width):
                out[point, channel] += weight * values[there, channel]
        for channel in range(width):
            out[point, channel] /= total
    return out
