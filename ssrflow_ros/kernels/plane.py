"""The loop that fits a plane to points of which some do not belong to it."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def robust_plane(points, turns, damping, noise):
    """(3,) a, b, c of the plane z = a x + b y + c through points (N, 3), by iterated weighted least squares.

    Weights are Geman and McClure's, of twice the median distance, at least `noise` m; `damping` m² a point keep a plane
    that is seen on one side only from tipping over.
    """
    count = len(points)
    plane, off, weight = np.zeros(3), np.empty(count), np.ones(count)
    for _ in range(turns):
        matrix, right, row = np.zeros((3, 3)), np.zeros(3), np.ones(3)
        for point in range(count):
            row[0], row[1] = points[point, 0], points[point, 1]
            for i in range(3):
                right[i] += weight[point] * row[i] * points[point, 2]
                for j in range(3):
                    matrix[i, j] += weight[point] * row[i] * row[j]
        matrix[0, 0] += damping * count
        matrix[1, 1] += damping * count
        for pivot in range(3):
            for i in range(pivot + 1, 3):
                share = matrix[i, pivot] / matrix[pivot, pivot]
                for j in range(3):
                    matrix[i, j] -= share * matrix[pivot, j]
                right[i] -= share * right[pivot]
        for i in range(2, -1, -1):
            for j in range(i + 1, 3):
                right[i] -= matrix[i, j] * plane[j]
            plane[i] = right[i] / matrix[i, i]
        for point in range(count):
            off[point] = abs(points[point, 2] - (plane[0] * points[point, 0] + plane[1] * points[point, 1] + plane[2]))
        width = max(2 * np.median(off), noise)
        for point in range(count):
            weight[point] = 1 / (1 + (off[point] / width) ** 2) ** 2
    return plane
