"""The loop of robust iterative closest points in the plane."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def _solved(matrix, right):
    """(3,) x of matrix (3, 3), symmetric and positive definite, times x = right (3,); both are used up."""
    for pivot in range(3):
        for row in range(pivot + 1, 3):
            share = matrix[row, pivot] / matrix[pivot, pivot]
            for column in range(pivot, 3):
                matrix[row, column] -= share * matrix[pivot, column]
            right[row] -= share * right[pivot]
    for row in range(2, -1, -1):
        for column in range(row + 1, 3):
            right[row] -= matrix[row, column] * right[column]
        right[row] /= matrix[row, row]
    return right


@compiled
def _add(matrix, right, x, y, off_x, off_y, weight, kernel):
    """One point at the arm (x, y) from the centre, `off` its partner, into the normal equations of x, y, turn."""
    weight /= (1 + (off_x * off_x + off_y * off_y) / (kernel * kernel)) ** 2
    matrix[0, 0] += weight
    matrix[0, 2] -= weight * y
    matrix[1, 2] += weight * x
    matrix[2, 2] += weight * (x * x + y * y)
    right[0] += weight * off_x
    right[1] += weight * off_y
    right[2] += weight * (x * off_y - y * off_x)


@compiled
def _find_nearest(nearest, x, y, other_x, other_y, squared, least):
    """Fill `nearest` (n,) int32 with the number of the nearest of the other points (m,) to each of n, the first of
    those that are as near; all float32, `squared` and `least` (n,) to work in.

    Squared distances are compared by their bits, which grow with them: of whole numbers vector units find the least.
    """
    bits, least_bits = squared.view(np.int32), least.view(np.int32)
    for i in range(len(x)):
        nearest[i], least_bits[i] = 0, np.iinfo(np.int32).max
    for j in range(len(other_x)):
        east, north, number = other_x[j], other_y[j], np.int32(j)
        for i in range(len(x)):
            dx, dy = east - x[i], north - y[i]
            squared[i] = dx * dx + dy * dy
        for i in range(len(x)):
            nearest[i] = number if bits[i] < least_bits[i] else nearest[i]
            least_bits[i] = min(bits[i], least_bits[i])


@compiled
def aligned(here, here_counts, there, there_counts, shift, turn, steps, kernel, about, stiffness, pointlike):
    """Shift (K, 2) m and turn (K,) rad that lay each of K sets of points onto another one, and that one onto it.

    here, there  (K, 2, P) float32 m, of each the first `counts` (K,), at least one; `here` lies about its centre.
    shift and turn to start from; `about` m beyond its box the other's points are still its own; residuals well beyond
    the width `kernel` m of Geman and McClure's count for nothing; `stiffness` m² holds the turn back; up to
    a mean square of the distances from the centre of `pointlike` m² there is none.
    """
    shift, turn = shift.copy(), turn.copy()
    most = here.shape[2]
    turned_x, turned_y = np.empty(most, np.float32), np.empty(most, np.float32)
    moved_x, moved_y = np.empty(most, np.float32), np.empty(most, np.float32)
    squared, least = np.empty(most, np.float32), np.empty(most, np.float32)
    match, back = np.empty(most, np.int32), np.empty(most, np.int32)  # of each point its partner on the other side
    for k in range(len(here)):
        n, m = here_counts[k], there_counts[k]
        own_x, own_y, there_x, there_y, extent = here[k, 0], here[k, 1], there[k, 0], there[k, 1], 0.0
        west, east, south, north = np.inf, -np.inf, np.inf, -np.inf
        for i in range(n):
            west, east = min(west, own_x[i] - about), max(east, own_x[i] + about)
            south, north = min(south, own_y[i] - about), max(north, own_y[i] + about)
            extent += own_x[i] * own_x[i] + own_y[i] * own_y[i]
        for _ in range(steps):
            cos, sin = np.float32(np.cos(turn[k])), np.float32(np.sin(turn[k]))
            east_by, north_by = np.float32(shift[k, 0]), np.float32(shift[k, 1])
            for i in range(n):
                turned_x[i] = cos * own_x[i] - sin * own_y[i]
                turned_y[i] = sin * own_x[i] + cos * own_y[i]
                moved_x[i], moved_y[i] = turned_x[i] + east_by, turned_y[i] + north_by
            _find_nearest(match[:n], moved_x[:n], moved_y[:n], there_x[:m], there_y[:m], squared[:n], least[:n])
            _find_nearest(back[:m], there_x[:m], there_y[:m], moved_x[:n], moved_y[:n], squared[:m], least[:m])
            matrix, right = np.zeros((3, 3)), np.zeros(3)
            for i in range(n):
                j = match[i]
                off_x, off_y = there_x[j] - turned_x[i] - east_by, there_y[j] - turned_y[i] - north_by
                _add(matrix, right, turned_x[i], turned_y[i], off_x, off_y, 1 / n, kernel)
            near = 0
            for j in range(m):
                x, y = there_x[j] - east_by, there_y[j] - north_by
                x, y = cos * x + sin * y, cos * y - sin * x
                if west < x < east and south < y < north:
                    near += 1
                else:
                    back[j] = -1
            for j in range(m):
                if back[j] >= 0:
                    i = back[j]
                    off_x, off_y = there_x[j] - turned_x[i] - east_by, there_y[j] - turned_y[i] - north_by
                    _add(matrix, right, turned_x[i], turned_y[i], off_x, off_y, 1 / near, kernel)
            matrix[1, 1] = matrix[0, 0]
            matrix[2, 0], matrix[2, 1] = matrix[0, 2], matrix[1, 2]
            matrix[2, 2] += stiffness
            for axis in range(3):
                matrix[axis, axis] += 1e-6
            step = _solved(matrix, right)
            shift[k, 0] += step[0]
            shift[k, 1] += step[1]
            turn[k] += step[2]
        if extent <= pointlike * n:
            turn[k] = 0
    return shift, turn
