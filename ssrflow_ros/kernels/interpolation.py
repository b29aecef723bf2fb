"""The loop of inverse-distance interpolation."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def interpolated(points, cube, nearest, known, values, least):
    """(N, 3) float32 at points (N, 3), of `values` (M, 3) at `known` (M, 3): the mean over the `nearest` (n, k) of each
    point's cube (N,), weighed by one over the distance, or over `least` m where they are nearer. All float32."""
    out, weights = np.empty((len(points), 3), np.float32), np.empty(nearest.shape[1], np.float32)
    for point in range(len(points)):
        x, y, z, own, total = points[point, 0], points[point, 1], points[point, 2], cube[point], np.float32(0)
        for neighbour in range(len(weights)):
            there = nearest[own, neighbour]
            dx, dy, dz = known[there, 0] - x, known[there, 1] - y, known[there, 2] - z
            weights[neighbour] = np.float32(1) / max(np.sqrt(dx * dx + dy * dy + dz * dz), least)
            total += weights[neighbour]
        x, y, z = np.float32(0), np.float32(0), np.float32(0)
        for neighbour in range(len(weights)):
            there, weight = nearest[own, neighbour], weights[neighbour]
            x, y, z = x + weight * values[there, 0], y + weight * values[there, 1], z + weight * values[there, 2]
        out[point, 0], out[point, 1], out[point, 2] = x / total, y / total, z / total
    return out
