"""What the network does with the neighbours of each point, pass by pass fused into one.

Every function here has the numbers of a neighbourhood in the processor's first cache, and writes only what the next
matrix product reads; in torch the same steps go through memory one after the other. Large matrix products themselves
stay with torch, whose library is quicker at them. All arrays are float32 and C-contiguous, indices int64.

There are k neighbours of each of m points: those of all clouds of a batch, `each` of them a cloud. Its indices count
from 0 in its own part of the n others. A call does the points from `begin` to `end`.

Offsets stand axis by axis, (3, m, k), and so do the hidden numbers of pairs: the same number of many pairs fills the
vector unit, as a pair's few numbers do not.
"""

from __future__ import annotations

import numpy as np

from .compiled import contracted

_UNIT = np.float32(1.4426950408889634)  # 1 / ln 2
_PAIRS = 512  # of a point and a neighbour, whose hidden numbers are kept at once


@contracted
def _exp2(x):
    """2^x for x <= 0, to 2e-7 of it: a polynomial of the fraction, and the whole number added to its exponent."""
    x = x if x > np.float32(-126.0) else np.float32(-126.0)
    shifted = np.float32(x + np.float32(12582912.0))  # 1.5 x 2^23: only whole numbers are left of x
    part = x - (shifted - np.float32(12582912.0))
    power = np.float32(1.535336188319500e-4)
    power = power * part + np.float32(1.339887440266574e-3)
    power = power * part + np.float32(9.618437357674640e-3)
    power = power * part + np.float32(5.550332471162809e-2)
    power = power * part + np.float32(2.402264791363012e-1)
    power = power * part + np.float32(6.931472028550421e-1)
    power = np.float32(power * part + np.float32(1.0))
    return np.int32(power.view(np.int32) + (shifted.view(np.int32) << 23)).view(np.float32)


@contracted
def _layer(values, weight, bias, slope, out):
    """out (o, pairs) = LeakyReLU(weight (o, i) @ values (i, pairs) + bias (o,)); slope 1: none."""
    units, inputs = weight.shape
    count = values.shape[1]
    for o in range(units):
        total, constant, done = out[o], bias[o], 0
        if inputs >= 8:
            p, q, r, s = values[0], values[1], values[2], values[3]
            t, u, v, w = values[4], values[5], values[6], values[7]
            a, b, c, d = weight[o, 0], weight[o, 1], weight[o, 2], weight[o, 3]
            e, f, g, h = weight[o, 4], weight[o, 5], weight[o, 6], weight[o, 7]
            for x in range(count):
                total[x] = (a * p[x] + b * q[x] + c * r[x] + d * s[x]) + (
                    constant + e * t[x] + f * u[x] + g * v[x] + h * w[x]
                )
            done = 8
        else:
            p, q, r = values[0], values[1], values[2]
            a, b, c = weight[o, 0], weight[o, 1], weight[o, 2]
            for x in range(count):
                total[x] = constant + a * p[x] + b * q[x] + c * r[x]
            done = 3
        while inputs - done >= 4:
            p, q, r, s = values[done], values[done + 1], values[done + 2], values[done + 3]
            a, b, c, d = weight[o, done], weight[o, done + 1], weight[o, done + 2], weight[o, done + 3]
            for x in range(count):
                total[x] += a * p[x] + b * q[x] + c * r[x] + d * s[x]
            done += 4
        for i in range(done, inputs):
            p, a = values[i], weight[o, i]
            for x in range(count):
                total[x] += a * p[x]
        for x in range(count):
            total[x] = total[x] if total[x] > 0 else slope * total[x]


@contracted
def _copied(rows, begin, end, out):
    """The first numbers of each row of out (i, pairs) = those of rows (i, more) from `begin` to `end`."""
    for i in range(len(rows)):
        source, target = rows[i][begin:end], out[i]
        for p in range(len(source)):
            target[p] = source[p]


@contracted
def offsets_of(centres, points, index, each, length, radius, longest, out_index, out):
    """(3, m k) offsets from centres (m, 3) to their neighbours among points (n, 3), as `Neighbourhood.of`."""
    m, k = index.shape
    west, south, down = out[0], out[1], out[2]
    for i in range(m):
        x, y, z, shift = centres[i, 0], centres[i, 1], centres[i, 2], i // each * (len(points) // (m // each))
        for j in range(k):
            row = index[i, j]
            near = points[shift + row]
            dx, dy, dz = (near[0] - x) / length, (near[1] - y) / length, (near[2] - z) / length
            size = np.sqrt(dx * dx + dy * dy + dz * dz)
            if radius > 0 and size > radius:
                row = index[i, 0]
                near = points[shift + row]
                dx, dy, dz = (near[0] - x) / length, (near[1] - y) / length, (near[2] - z) / length
                size = np.sqrt(dx * dx + dy * dy + dz * dz)
            bend = longest / (longest + size)
            out_index[i, j] = row
            west[i * k + j], south[i * k + j], down[i * k + j] = dx * bend, dy * bend, dz * bend


@contracted
def inverse_distances(queries, points, index, each, least, out):
    """(m, k) one over the distance from queries (m, 3) to each neighbour among points (n, 3), or over `least` m where
    they are nearer, divided by their sum."""
    m, k = index.shape
    among = len(points) // (m // each)
    for i in range(m):
        x, y, z, shift, total = queries[i, 0], queries[i, 1], queries[i, 2], i // each * among, np.float32(0)
        for j in range(k):
            near = points[shift + index[i, j]]
            dx, dy, dz = near[0] - x, near[1] - y, near[2] - z
            weight = np.float32(1) / max(np.sqrt(dx * dx + dy * dy + dz * dz), least)
            out[i, j] = weight
            total += weight
        for j in range(k):
            out[i, j] /= total


@contracted
def interpolate(values, index, weights, each, out):
    """(m, c) sum over the k neighbours of values (n, c), weighted by weights (m, k)."""
    m, k = index.shape
    width, among = values.shape[1], len(values) // (m // each)
    for i in range(m):
        shift = i // each * among
        first = shift + index[i, 0]
        for c in range(width):
            out[i, c] = weights[i, 0] * values[first, c]
        for j in range(1, k):
            weight, row = weights[i, j], shift + index[i, j]
            for c in range(width):
                out[i, c] += weight * values[row, c]


@contracted
def activate(rows, bias, slope):
    """rows (m, c) = LeakyReLU(rows + bias (c,)), in place; slope 1: none."""
    for i in range(len(rows)):
        row = rows[i]
        for c in range(len(bias)):
            value = row[c] + bias[c]
            row[c] = value if value > 0 else slope * value


@contracted
def encode(offsets, points, slope, begin, end, out, of_offset, bias, of_position, weight, second_bias):
    """(u, pairs) position encoding of the neighbours at offsets (3, m k) of points (m, 3): two layers.

    The first is of_offset (u, 3) @ offset + of_position (u, 3) @ point + bias (u,), the second weight (u, u).
    """
    units, k = len(bias), offsets.shape[1] // len(points)
    block = max(1, _PAIRS // k)
    both = np.empty((units, 6), np.float32)
    both[:, :3], both[:, 3:] = of_offset, of_position
    values = np.zeros((6, block * k), np.float32)
    hidden, last = np.empty((units, block * k), np.float32), np.empty((units, block * k), np.float32)
    for start in range(begin, end, block):
        size = min(block, end - start)
        _copied(offsets, start * k, (start + size) * k, values)
        for axis in range(3):
            placed = values[3 + axis]
            for i in range(size):
                for j in range(k):
                    placed[i * k + j] = points[start + i, axis]
        _layer(values, both, bias, slope, hidden)
        _layer(hidden, weight, second_bias, slope, last)
        place = (start - begin) * k
        for u in range(units):
            source, target = last[u], out[u][place : place + size * k]
            for p in range(len(target)):
                target[p] = source[p]


@contracted
def embed(pairs, own, other, index, each, slope, begin, end):
    """pairs (end - begin, k, c) = LeakyReLU(pairs + own (m, c) + other (n, c) of the neighbours), in place."""
    k, width = pairs.shape[1:]
    among = len(other) // (len(own) // each)
    for i in range(begin, end):
        shift = i // each * among
        for j in range(k):
            row = shift + index[i, j]
            for c in range(width):
                value = pairs[i - begin, j, c] + own[i, c] + other[row, c]
                pairs[i - begin, j, c] = value if value > 0 else slope * value


@contracted
def attend(scores, features, begin, end, out):
    """Rows of out (m, c): sum over neighbours of features (end - begin, k, c), weighted by the softmax of scores, as
    large, over them."""
    k, width = scores.shape[1:]
    most, total = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(begin, end):
        own, weighed, answer = scores[i - begin], features[i - begin], out[i]
        for c in range(width):
            most[c] = own[0, c]
        for j in range(1, k):
            for c in range(width):
                most[c] = own[j, c] if own[j, c] > most[c] else most[c]
        for c in range(width):
            total[c] = 0
            answer[c] = 0
        for j in range(k):
            for c in range(width):
                weight = _exp2((own[j, c] - most[c]) * _UNIT)
                total[c] += weight
                answer[c] += weight * weighed[j, c]
        for c in range(width):
            answer[c] /= total[c]


@contracted
def weigh(offsets, slope, begin, end, out, first, first_bias, second, second_bias):
    """(h, pairs) what the last layer of a WeightNet sees at offsets (3, m k) from `begin` to `end`."""
    away = np.zeros((3, _PAIRS), np.float32)
    one, two = np.empty((len(first), _PAIRS), np.float32), np.empty((len(second), _PAIRS), np.float32)
    for start in range(begin, end, _PAIRS):
        stop = min(end, start + _PAIRS)
        _copied(offsets, start, stop, away)
        _layer(away, first, first_bias, slope, one)
        _layer(one, second, second_bias, slope, two)
        for u in range(len(two)):
            source, target = two[u], out[u][start - begin : stop - begin]
            for p in range(len(target)):
                target[p] = source[p]


@contracted
def cost(weights, bias, pairs, own, other, index, each, slope, begin, end, out):
    """Rows of out (m, c): mean over neighbours of (weights (end - begin, k, c) + bias (c,)) x LeakyReLU(pairs + own
    (m, c) + other (n, c)), pairs as large as weights."""
    k, width = pairs.shape[1:]
    share, among = np.float32(1.0) / np.float32(k), len(other) // (len(own) // each)
    for i in range(begin, end):
        shift = i // each * among
        for c in range(width):
            out[i, c] = 0
        for j in range(k):
            row = shift + index[i, j]
            for c in range(width):
                value = pairs[i - begin, j, c] + own[i, c] + other[row, c]
                out[i, c] += (weights[i - begin, j, c] + bias[c]) * (value if value > 0 else slope * value)
        for c in range(width):
            out[i, c] *= share


@contracted
def weighted_mean(weights, bias, features, index, each, begin, end, out):
    """Rows of out (m, c): mean over neighbours of (weights (end - begin, k, c) + bias (c,)) x features (n, c)."""
    k, width = weights.shape[1:]
    share, among = np.float32(1.0) / np.float32(k), len(features) // (len(out) // each)
    for i in range(begin, end):
        shift = i // each * among
        for c in range(width):
            out[i, c] = 0
        for j in range(k):
            row = shift + index[i, j]
            for c in range(width):
                out[i, c] += (weights[i - begin, j, c] + bias[c]) * features[row, c]
        for c in range(width):
            out[i, c] *= share


@contracted
def convolve(
    offsets,
    features,
    index,
    each,
    slope,
    begin,
    end,
    out,
    moved,
    first,
    first_bias,
    second,
    second_bias,
    third,
    third_bias,
):
    """Means over neighbours of a WeightNet of their offsets (3, m k) times features (n, c): out (end - begin, w, c),
    and times offsets: moved (end - begin, w, 3). Weight and bias of its three layers, of which the last is linear."""
    k, width, of_weights = index.shape[1], features.shape[1], len(third)
    among = len(features) // (len(index) // each)
    share, block = np.float32(1.0) / np.float32(k), max(1, _PAIRS // k)
    away, total = np.zeros((3, k * block), np.float32), np.empty(block, np.float32)
    one, two = np.empty((len(first), k * block), np.float32), np.empty((len(second), k * block), np.float32)
    three, third, third_bias = np.empty((of_weights, k * block), np.float32), third * share, third_bias * share
    for start in range(begin, end, block):
        size = min(block, end - start)
        # All first neighbours, then all second ones: sums over neighbours are sums of rows.
        for axis in range(3):
            source, target = offsets[axis], away[axis]
            for j in range(k):
                for i in range(size):
                    target[j * block + i] = source[(start + i) * k + j]
        _layer(away, first, first_bias, slope, one)
        _layer(one, second, second_bias, slope, two)
        _layer(two, third, third_bias, np.float32(1), three)
        for w in range(of_weights):
            for axis in range(3):
                total[:] = 0
                for j in range(k):
                    weights, places = three[w][j * block : (j + 1) * block], away[axis][j * block : (j + 1) * block]
                    for i in range(block):
                        total[i] += weights[i] * places[i]
                for i in range(size):
                    moved[start - begin + i, w, axis] = total[i]
        for place in range(size):
            i = start + place
            to, rows, near = i - begin, index[i], features[i // each * among :]
            for w in range(of_weights):
                weights = three[w][place:]  # one each `block`
                if k < 8:
                    for c in range(width):
                        out[to, w, c] = 0
                # Eight neighbours at once: a sum is read and written once for eight products.
                for j in range(0, k - k % 8, 8):
                    r0, r1, r2, r3 = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
                    r4, r5, r6, r7 = rows[j + 4], rows[j + 5], rows[j + 6], rows[j + 7]
                    w0, w1, w2, w3 = weights[0], weights[block], weights[2 * block], weights[3 * block]
                    weights = weights[4 * block :]
                    w4, w5, w6, w7 = weights[0], weights[block], weights[2 * block], weights[3 * block]
                    weights = weights[4 * block :]
                    if j == 0:
                        for c in range(width):
                            half = w0 * near[r0, c] + w1 * near[r1, c] + w2 * near[r2, c] + w3 * near[r3, c]
                            rest = w4 * near[r4, c] + w5 * near[r5, c] + w6 * near[r6, c] + w7 * near[r7, c]
                            out[to, w, c] = half + rest
                    else:
                        for c in range(width):
                            half = w0 * near[r0, c] + w1 * near[r1, c] + w2 * near[r2, c] + w3 * near[r3, c]
                            rest = w4 * near[r4, c] + w5 * near[r5, c] + w6 * near[r6, c] + w7 * near[r7, c]
                            out[to, w, c] += half + rest
                for j in range(k - k % 8, k):
                    row, weight = rows[j], weights[(j - (k - k % 8)) * block]
                    for c in range(width):
                        out[to, w, c] += weight * near[row, c]
