"""What the network does with the neighbours of each point, pass by pass fused into one.

Every function here has the numbers of a neighbourhood in the processor's first cache, and writes only what the next
matrix product reads; in torch the same steps go through memory one after the other. Matrix products themselves stay
with torch, whose library is quicker at them. All arrays are float32 and C-contiguous, indices int64; k neighbours of
each of m points.
"""

from __future__ import annotations

import numpy as np

from .compiled import contracted

_UNIT = np.float32(1.4426950408889634)  # 1 / ln 2


@contracted
def _exp2(x):
    """2^x for x <= 0, to 2e-7 of it: a polynomial of the fraction, and the exponent's bits."""
    x = x if x > np.float32(-126.0) else np.float32(-126.0)
    whole = np.floor(x + np.float32(0.5))
    part = x - whole
    power = np.float32(1.535336188319500e-4)
    power = power * part + np.float32(1.339887440266574e-3)
    power = power * part + np.float32(9.618437357674640e-3)
    power = power * part + np.float32(5.550332471162809e-2)
    power = power * part + np.float32(2.402264791363012e-1)
    power = power * part + np.float32(6.931472028550421e-1)
    power = power * part + np.float32(1.0)
    return power * np.int32((np.int32(whole) + 127) << 23).view(np.float32)


@contracted
def offsets_of(centres, points, index, length, radius, longest, out_index, out):
    """(m, k, 3) offsets from centres (m, 3) to their neighbours among points (n, 3), as `Neighbourhood.of`."""
    m, k = index.shape
    for i in range(m):
        x, y, z = centres[i, 0], centres[i, 1], centres[i, 2]
        for j in range(k):
            row = index[i, j]
            dx, dy, dz = (points[row, 0] - x) / length, (points[row, 1] - y) / length, (points[row, 2] - z) / length
            size = np.sqrt(dx * dx + dy * dy + dz * dz)
            if radius > 0 and size > radius:
                row = index[i, 0]
                dx, dy, dz = (points[row, 0] - x) / length, (points[row, 1] - y) / length, (points[row, 2] - z) / length
                size = np.sqrt(dx * dx + dy * dy + dz * dz)
            bend = longest / (longest + size)
            out_index[i, j] = row
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = dx * bend, dy * bend, dz * bend


@contracted
def interpolate(values, index, weights, out):
    """(m, c) sum over the k neighbours of values (n, c), weighted by weights (m, k)."""
    m, k = index.shape
    width = values.shape[1]
    for i in range(m):
        for c in range(width):
            out[i, c] = weights[i, 0] * values[index[i, 0], c]
        for j in range(1, k):
            weight, row = weights[i, j], index[i, j]
            for c in range(width):
                out[i, c] += weight * values[row, c]


@contracted
def embed(pairs, own, other, index, slope):
    """pairs (m, k, c) = LeakyReLU(pairs + own (m, c) + other (n, c) of the neighbours), in place."""
    m, k, width = pairs.shape
    for i in range(m):
        for j in range(k):
            row = index[i, j]
            for c in range(width):
                value = pairs[i, j, c] + own[i, c] + other[row, c]
                pairs[i, j, c] = value if value > 0 else slope * value


@contracted
def attend(scores, features, out):
    """(m, c) sum over neighbours of features (m, k, c), weighted by the softmax of scores (m, k, c) over them."""
    m, k, width = scores.shape
    most, total = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(m):
        for c in range(width):
            most[c] = scores[i, 0, c]
        for j in range(1, k):
            for c in range(width):
                most[c] = scores[i, j, c] if scores[i, j, c] > most[c] else most[c]
        for c in range(width):
            total[c] = 0
            out[i, c] = 0
        for j in range(k):
            for c in range(width):
                weight = _exp2((scores[i, j, c] - most[c]) * _UNIT)
                total[c] += weight
                out[i, c] += weight * features[i, j, c]
        for c in range(width):
            out[i, c] /= total[c]


@contracted
def cost(weights, pairs, own, other, index, slope, out):
    """(m, c) mean over neighbours of weights (m, k, c) x LeakyReLU(pairs (m, k, c) + own (m, c) + other (n, c))."""
    m, k, width = pairs.shape
    share = np.float32(1.0) / np.float32(k)
    for i in range(m):
        for c in range(width):
            out[i, c] = 0
        for j in range(k):
            row = index[i, j]
            for c in range(width):
                value = pairs[i, j, c] + own[i, c] + other[row, c]
                out[i, c] += weights[i, j, c] * (value if value > 0 else slope * value)
        for c in range(width):
            out[i, c] *= share


@contracted
def weighted_mean(weights, features, index, out):
    """(m, c) mean over neighbours of weights (m, k, c) x features (n, c)."""
    m, k, width = weights.shape
    share = np.float32(1.0) / np.float32(k)
    for i in range(m):
        for c in range(width):
            out[i, c] = 0
        for j in range(k):
            row = index[i, j]
            for c in range(width):
                out[i, c] += weights[i, j, c] * features[row, c]
        for c in range(width):
            out[i, c] *= share


@contracted
def convolve(weights, features, index, offsets, out, out_offsets):
    """Means over neighbours of weights (m, k, w) x features (n, c): (m, w, c), and x offsets (m, k, 3): (m, w, 3)."""
    m, k, of_weights = weights.shape
    width, share = features.shape[1], np.float32(1.0) / np.float32(k)
    for i in range(m):
        for w in range(of_weights):
            x, y, z = np.float32(0), np.float32(0), np.float32(0)
            for j in range(k):
                weight = weights[i, j, w] * share
                x, y, z = x + weight * offsets[i, j, 0], y + weight * offsets[i, j, 1], z + weight * offsets[i, j, 2]
            out_offsets[i, w, 0], out_offsets[i, w, 1], out_offsets[i, w, 2] = x, y, z
            # Four neighbours at once: a sum is read and written once for four products.
            for c in range(width):
                out[i, w, c] = 0
            for j in range(0, k - 3, 4):
                p, q, r, s = index[i, j], index[i, j + 1], index[i, j + 2], index[i, j + 3]
                a, b = weights[i, j, w] * share, weights[i, j + 1, w] * share
                d, e = weights[i, j + 2, w] * share, weights[i, j + 3, w] * share
                for c in range(width):
                    out[i, w, c] += a * features[p, c] + b * features[q, c] + d * features[r, c] + e * features[s, c]
            for j in range(k - k % 4, k):
                row, weight = index[i, j], weights[i, j, w] * share
                for c in range(width):
                    out[i, w, c] += weight * features[row, c]
