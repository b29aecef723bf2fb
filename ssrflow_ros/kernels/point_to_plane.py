"""The loops of point-to-plane alignment: the sums of one Gauss-Newton step."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def moved(points, transform):
    """(n, 3) of points (n, 3), by transform (4, 4)."""
    out = np.empty_like(points)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for axis in range(3):
            out[i, axis] = transform[axis, 0] * x + transform[axis, 1] * y + transform[axis, 2] * z + transform[axis, 3]
    return out


@compiled
def normal_equations(points, surface, normal, squared, reach, kernel):
    """Matrix (6, 6) and right side (6,) of the step, rotation before translation, that lays points (n, 3) onto planes.

    surface, normal (n, 3) of the plane that is nearest to each, and the squared distance (n,) to its point; farther
    ones than `reach` m do not count, and those off their plane count less (Geman-McClure, of width `kernel` m).
    """
    matrix, right, row = np.zeros((6, 6)), np.zeros(6), np.empty(6)
    for i in range(len(points)):
        if squared[i] >= reach * reach:
            continue
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        off = nx * (surface[i, 0] - x) + ny * (surface[i, 1] - y) + nz * (surface[i, 2] - z)
        weight = 1 / (1 + (off / kernel) ** 2) ** 2
        row[0], row[1], row[2] = y * nz - z * ny, z * nx - x * nz, x * ny - y * nx
        row[3], row[4], row[5] = nx, ny, nz
        for p in range(6):
            scaled = row[p] * weight
            right[p] += scaled * off
            for q in range(p, 6):
                matrix[p, q] += scaled * row[q]
    for p in range(6):
        for q in range(p):
            matrix[p, q] = matrix[q, p]
    return matrix, right
