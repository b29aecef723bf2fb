"""The loops of point-to-plane alignment: normals of patches, and the sums of one Gauss-Newton step."""

from __future__ import annotations

import numpy as np

from .compiled import compiled

_LINE = 0.01  # of the squared spread, what a patch must have of two directions
_POWERS = 3  # of the adjugate, after which its largest direction is all that is left


@compiled
def normals(points, index):
    """(n, 3) unit normals of the patches of k points each, index (n, k) into points (N, 3), and how rough each is,
    (n,): its spread across the plane by the middle one.

    0 of a patch that is a line, as that of one ring of a sparse sensor, of which any direction across it would be one.
    """
    n, k = index.shape
    out, rough = np.empty((n, 3)), np.full(n, np.inf)
    for i in range(n):
        mx, my, mz = 0.0, 0.0, 0.0
        for j in range(k):
            row = index[i, j]
            mx, my, mz = mx + points[row, 0], my + points[row, 1], mz + points[row, 2]
        mx, my, mz = mx / k, my / k, mz / k
        xx, xy, xz, yy, yz, zz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(k):
            row = index[i, j]
            x, y, z = points[row, 0] - mx, points[row, 1] - my, points[row, 2] - mz
            xx, xy, xz = xx + x * x, xy + x * y, xz + x * z
            yy, yz, zz = yy + y * y, yz + y * z, zz + z * z
        # The adjugate has the covariance's directions; its largest eigenvalue is that of the smallest.
        a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
        d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
        if a + d + f < _LINE * (xx + yy + zz) ** 2:
            out[i] = 0.0
            continue
        # The least spread by the middle one, as the determinant is the product of all three.
        rough[i] = max(xx * a + xy * b + xz * c, 0.0) * (xx + yy + zz) / (a + d + f) ** 2
        if a >= d and a >= f:
            x, y, z = a, b, c
        elif d >= f:
            x, y, z = b, d, e
        else:
            x, y, z = c, e, f
        for _ in range(_POWERS):
            x, y, z = a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z
            length = max(np.sqrt(x * x + y * y + z * z), 1e-300)
            x, y, z = x / length, y / length, z / length
        out[i, 0], out[i, 1], out[i, 2] = x, y, z
    return out, rough


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
def normal_equations(points, surface, normal, flat, squared, reach, kernel):
    """Matrix (6, 6) and right side (6,) of the step, rotation before translation, that lays points (n, 3) onto planes.

    surface, normal (n, 3) and `flat` (n,) of the plane that is nearest to each, and the squared distance (n,) to its
    point; farther ones than `reach` m do not count; those that are less flat and those off their plane count less
    (Geman-McClure, of width `kernel` m).
    """
    matrix, right, row = np.zeros((6, 6)), np.zeros(6), np.empty(6)
    for i in range(len(points)):
        if squared[i] >= reach * reach:
            continue
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        off = nx * (surface[i, 0] - x) + ny * (surface[i, 1] - y) + nz * (surface[i, 2] - z)
        weight = flat[i] / (1 + (off / kernel) ** 2) ** 2
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


@compiled
def off_planes(points, surface, normal):
    """(n,) m that points (n, 3) lie off the planes of `normal_equations`; inf where the normal is 0: there is none."""
    off = np.empty(len(points))
    for i in range(len(points)):
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        x, y, z = surface[i, 0] - points[i, 0], surface[i, 1] - points[i, 1], surface[i, 2] - points[i, 2]
        is_plane = nx != 0 or ny != 0 or nz != 0
        off[i] = abs(nx * x + ny * y + nz * z) if is_plane else np.inf
    return off


@compiled
def spread(normal, chosen):
    """How many of the normals (n, 3) are `chosen` (n,) bool, and the sum (3, 3) of their outer products."""
    count, sums = 0, np.zeros((3, 3))
    for i in range(len(normal)):
        if chosen[i]:
            count += 1
            for p in range(3):
                for q in range(3):
                    sums[p, q] += normal[i, p] * normal[i, q]
    return count, sums
