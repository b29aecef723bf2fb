"""What the network does with the neighbours of each point, pass by pass fused into one.

Every function here has the numbers of a neighbourhood in the processor's first cache, and writes only what the next
matrix product reads; in torch the same steps go through memory one after the other. The products are those of torch's
own library, called from here tile by tile, so that what lies between them stays in a cache, too, and no Python runs
between. All arrays are float32 and C-contiguous, indices int64.

There are k neighbours of each of m points: those of all clouds of a batch, `each` of them a cloud. Its indices count
from 0 in its own part of the n others. A part of a tile does the points from `begin` to `end`.

What takes `turn` or `turns` is called by several threads with the same arrays, and is done when it returns to any of
them (`turns.py`); `most` is about how many numbers a tile has, so that the same tiles are done by however many.

Offsets stand axis by axis, (3, m, k), and so do the hidden numbers of pairs: the same number of many pairs fills the
vector unit, as a pair's few numbers do not.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types

from .compiled import contracted, reordered
from .turns import tiles_of


def _found() -> bool:
    """Whether torch's library has a matrix product to be called, which becomes that of `_SGEMM`."""
    torch = find_spec('torch')
    try:
        library = ctypes.CDLL(str(Path(str(torch and torch.origin)).parent / 'lib' / 'libtorch_cpu.so'))
        llvm.add_symbol(_SGEMM.symbol, ctypes.cast(library.sgemm_, ctypes.c_void_p).value)
    except (AttributeError, OSError):
        return False
    return True


# By name, so that the compiled loops can be kept: its address is another one in each process.
_SGEMM: Any = types.ExternalFunction('ssrflow_sgemm', types.void(*[types.voidptr] * 13))
HAS_PRODUCT = _found()
"""Without it nothing that multiplies matrices here may be called."""

_AS_IT_IS, _TRANSPOSED = np.frombuffer(b'N', np.uint8), np.frombuffer(b'T', np.uint8)
_UNIT = np.float32(1.4426950408889634)  # 1 / ln 2
_EPSILON = np.float32(1e-5)  # torch's, of LayerNorm
_TILES = 16  # of a loop at least, where there are rows for it: so that no thread waits long for another's last one
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
def _product(values, stride, across, rows, weight, add, out):
    """out (rows, d) = values (rows, c) @ weight (d, c) transposed, added to what is there if `add` is 1, not if 0.

    values, out  (more,) from the first number on; a row of values begins `stride` numbers after the one before. Across:
                 values are (c, rows), and it is a column that begins there.
    """
    d, c = weight.shape
    if not add:  # MKL would take twice as long to clear it
        for place in range(rows * d):
            out[place] = 0
    # Of eight bytes: a BLAS that reads four finds the same number in the first of them.
    sizes, factor = np.empty(4, np.int64), np.empty(1, np.float32)
    sizes[0], sizes[1], sizes[2], sizes[3], factor[0] = d, rows, c, stride, 1
    # BLAS counts column by column, so to it all are transposed: out (d, rows) = weight (d, c) @ values (c, rows).
    _SGEMM(
        _TRANSPOSED.ctypes,
        _TRANSPOSED.ctypes if across else _AS_IT_IS.ctypes,
        sizes.ctypes,
        sizes[1:].ctypes,
        sizes[2:].ctypes,
        factor.ctypes,
        weight.ctypes,
        sizes[2:].ctypes,
        values.ctypes,
        sizes[3:].ctypes,
        factor.ctypes,
        out.ctypes,
        sizes.ctypes,
    )
    return sizes, factor  # so that they last as long as the call, which knows them by their address alone


@contracted
def _tile(numbers, most, points):
    """How many of `points`, of so many numbers each, a tile has: tiles of one size, of about `most` numbers."""
    tiles = max(1, min(_TILES, points // 32), -(-points * numbers // most))
    return max(1, -(-points // tiles))


@contracted
def layer(rows, weight, bias, slope, most, turn, out):
    """out (m, d) = LeakyReLU(rows (m, c) @ weight (d, c) transposed + bias (d,)); slope 1: none."""
    (d, c), m = weight.shape, len(rows)
    tile = _tile(max(c, d), most, m)
    for begin, end in tiles_of(turn, tile, m):
        _layer_of(rows[begin:end], weight, bias, slope, out[begin:end])


@contracted
def _layer_of(rows, weight, bias, slope, out):
    """`layer` of a tile."""
    _product(rows.reshape(-1), rows.shape[1], False, len(rows), weight, 0, out.reshape(-1))
    activate(out, bias, slope)


@contracted
def _multiplied(rows, weight, most, turn, out):
    """out (m, d) = rows (m, c) @ weight (d, c) transposed."""
    (d, c), m = weight.shape, len(rows)
    tile = _tile(max(c, d), most, m)
    for begin, end in tiles_of(turn, tile, m):
        _product(rows[begin:end].reshape(-1), c, False, end - begin, weight, 0, out[begin:end].reshape(-1))


@contracted
def described(points, more, unit, length, longest, first, second, slope, most, turn, out):
    """out (m, d) = two layers (weight, bias) of points (m, 3) by `unit` m, and of the first numbers of more (m, c), all
    that the layers ask for: the offset and each other by `length` m, softly clamped to `longest`."""
    m, (numbers, columns) = len(points), first[0].shape
    tile = _tile(max(numbers, columns), most, m)
    rows, hidden = np.empty((tile, columns), np.float32), np.empty((tile, numbers), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        size = end - begin
        for i in range(size):
            row, point, known = rows[i], points[begin + i], more[begin + i]
            dx, dy, dz = known[0] / length, known[1] / length, known[2] / length
            bend = longest / (longest + np.sqrt(dx * dx + dy * dy + dz * dz))
            for axis in range(3):
                row[axis], row[3 + axis] = point[axis] / unit, known[axis] / length * bend
            for c in range(6, columns):
                look = known[c - 3] / length
                row[c] = look * (longest / (longest + abs(look)))
        _layer_of(rows[:size], first[0], first[1], slope, hidden[:size])
        _layer_of(hidden[:size], second[0], second[1], slope, out[begin:end])


@contracted
def joined(features, coarse, index, shares, each, of_both, norm, slope, most, turn, out):
    """out (m, d) = the norm (weight, bias) of a layer (weight, bias) of features (m, a) and coarse (n, b),
    interpolated by index and shares (m, 3)."""
    m, width, (weight, bias), (gain, shift) = len(features), features.shape[1], of_both, norm
    d, c = weight.shape
    tile = _tile(c, most, m)
    both, bent = np.empty((tile, c), np.float32), np.empty((tile, d), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        for i in range(begin, end):
            row, own = both[i - begin], features[i]
            for a in range(width):
                row[a] = own[a]
            _mixed(coarse[i // each * (len(coarse) // (m // each)) :], index[i], shares[i], row[width:])
        _layer_of(both[: end - begin], weight, bias, slope, bent[: end - begin])
        normalise(bent[: end - begin], gain, shift, out[begin:end])


@contracted
def reembedded(points, unit, features, cross, within, temporal, spatial, fusion, each, slope, most, turns, parts, out):
    """Rows of out (m, c): as `SpatialTemporalReembedding` of points (m, 3) and features (m, c) of both frames; cross
    and within: index and offsets of the neighbours in the other frame, and in the own.

    turns (2, 2), parts (4, m, c)  of all threads.
    """
    (m, width), most_near = features.shape, max(cross[0].shape[1], within[0].shape[1])
    _parts_of_pairs(features, temporal, spatial, most, turns[0], parts)
    tile, turn = _tile(most_near * width, most, m), turns[1]
    halves = np.empty((tile, 2 * width), np.float32)
    encoding = np.empty(tile * most_near * max(len(temporal[0][1]), len(spatial[0][1])), np.float32)
    pairs, scores = np.empty(tile * most_near * width, np.float32), np.empty(tile * most_near * width, np.float32)
    buffers = encoding, pairs, scores
    for begin, end in tiles_of(turn, tile, m):
        own, other = parts[0], parts[1]
        _attentive_patch(points, unit, own, other, m // 2, cross, temporal, each, slope, begin, end, buffers, halves, 0)
        own, other = parts[2], parts[3]
        _attentive_patch(points, unit, own, other, 0, within, spatial, each, slope, begin, end, buffers, halves, width)
        _layer_of(halves[: end - begin], fusion[0], fusion[1], slope, out[begin:end])


@contracted
def _parts_of_pairs(features, temporal, spatial, most, turn, out):
    """out (4, m, c): what features (m, c) bring into a pair as its own and as the other's, temporal and spatial."""
    m, width = features.shape
    tile = _tile(width, most, m)
    for begin, end in tiles_of(turn, tile, m):
        rows = features[begin:end]
        _layer_of(rows, temporal[1][0], temporal[1][1], np.float32(1), out[0, begin:end])
        _product(rows.reshape(-1), width, False, end - begin, temporal[2], 0, out[1, begin:end].reshape(-1))
        _layer_of(rows, spatial[1][0], spatial[1][1], np.float32(1), out[2, begin:end])
        _product(rows.reshape(-1), width, False, end - begin, spatial[2], 0, out[3, begin:end].reshape(-1))


@contracted
def _attentive_patch(
    points, unit, own, other, first, neighbours, weights, each, slope, begin, end, buffers, out, column
):
    """Of each row of out (end - begin, 2 c) c numbers from `column` on: as `NeighbourReembedding` of points (m, 3) m,
    which are divided by `unit`; neighbours are those among the rows of other (m, c) from `first` on, round to it."""
    (index, offsets), (encoder, _, _, weight, score), (encoding, pairs, scores) = neighbours, weights, buffers
    k, width = index.shape[1], own.shape[1]
    rows = (end - begin) * k
    hidden = encoding[: len(encoder[1]) * rows].reshape(len(encoder[1]), rows)
    pair, said = pairs[: rows * width].reshape(-1, k, width), scores[: rows * width].reshape(-1, k, width)
    encode(offsets, points, unit, k, slope, begin, end, hidden, encoder)
    _product(encoding, rows, True, rows, weight, 0, pairs)
    embed(pair, own, other, index, each, first, slope, begin, end)
    _product(pairs, width, False, rows, score, 0, scores)
    attend(said, pair, out, column)


@contracted
def flow_embedded(
    source, target, cross, within, of_own, of_other, weight, nets, each, slope, most, turns, own, other, costs, out
):
    """Rows of out (m, c): as `LocalFlowEmbedding` of features source (m, c) and target (n, c); cross and within: index
    and offsets of the neighbours in the target and in the source, nets: the layers of the WeightNets of both.

    turns (4, 2), own (m, c), other (n, c), costs (m, c)  of all threads.
    """
    layer(source, of_own[0], of_own[1], np.float32(1), most, turns[0], own)
    _multiplied(target, of_other, most, turns[1], other)
    _cost_patch(cross, nets[0], weight, own, other, each, slope, most, turns[2], costs)
    _weighted_patch(within, nets[1], costs, each, slope, most, turns[3], out)


@contracted
def _cost_patch(neighbours, net, weight, own, other, each, slope, most, turn, out):
    """Rows of out (m, c): as `cost_patch_reference`, weighed by a WeightNet's three layers."""
    index, offsets = neighbours
    (m, k), width = index.shape, own.shape[1]
    tile = _tile(k * width, most, m)
    hidden = np.empty((len(net[1][0]), tile * k), np.float32)
    pairs, weights = np.empty((tile, k, width), np.float32), np.empty((tile, k, width), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        rows = (end - begin) * k
        weigh(offsets, slope, begin * k, end * k, hidden, net)
        _product(hidden.reshape(-1), tile * k, True, rows, net[2][0], 0, weights.reshape(-1))
        _product(offsets[0, begin * k :], offsets.shape[1], True, rows, weight, 0, pairs.reshape(-1))
        cost(weights, net[2][1], pairs, own, other, index, each, slope, begin, end, out)


@contracted
def _weighted_patch(neighbours, net, features, each, slope, most, turn, out):
    """Rows of out (m, c): mean over neighbours of a WeightNet's c numbers of each offset times features (n, c)."""
    index, offsets = neighbours
    m, k = index.shape
    tile = _tile(k * len(net[2][1]), most, m)
    hidden = np.empty((len(net[1][0]), tile * k), np.float32)
    weights = np.empty((tile, k, len(net[2][1])), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        weigh(offsets, slope, begin * k, end * k, hidden, net)
        _product(hidden.reshape(-1), tile * k, True, (end - begin) * k, net[2][0], 0, weights.reshape(-1))
        weighted_mean(weights, net[2][1], features, index, each, begin, end, out)


@contracted
def convolved(features, neighbours, weights, each, slope, most, turn, out):
    """out (m, d) = LeakyReLU of the means of `convolve` of features (n, c) by of_features (d, w c), of those of offsets
    by of_offsets (d, w 3), and bias (d,); of `weights`, the WeightNet's layers come first."""
    (index, offsets), (net, of_features, of_offsets, bias) = neighbours, weights
    m, numbers, d = len(index), len(net[2][0]), len(bias)
    # Larger tiles: the products have so large weights that these fill the cache by themselves.
    tile, answer = _tile(numbers * features.shape[1], 4 * most, m), out.reshape(-1)
    means, moved = np.empty((tile, numbers, features.shape[1]), np.float32), np.empty((tile, numbers, 3), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        convolve(offsets, features, index, each, slope, begin, end, means, moved, net)
        part = answer[begin * d :]
        _product(moved.reshape(-1), numbers * 3, False, end - begin, of_offsets, 0, part)
        _product(means.reshape(-1), numbers * features.shape[1], False, end - begin, of_features, 1, part)
        activate(out[begin:end], bias, slope)


@contracted
def predicted(
    features,
    neighbours,
    norm,
    first,
    second,
    third,
    fourth,
    last_norm,
    of_flow,
    each,
    slope,
    most,
    turns,
    normed,
    parts,
    out,
    flow,
):
    """out (m, d) and flow (m, 3): as `FlowPredictor` of features (m, c) and their neighbours' index and offsets.

    turns (4, 2), normed (m, c), parts (2, m, hidden)  of all threads.
    """
    _normed(features, norm, most, turns[0], normed)
    convolved(normed, neighbours, first, each, slope, most, turns[1], parts[0])
    convolved(parts[0], neighbours, second, each, slope, most, turns[2], parts[1])
    _flow_of(parts[1], third, fourth, last_norm, of_flow, slope, most, turns[3], out, flow)


@contracted
def _normed(features, norm, most, turn, out):
    m, tile = len(features), _tile(features.shape[1], most, len(features))
    for begin, end in tiles_of(turn, tile, m):
        normalise(features[begin:end], norm[0], norm[1], out[begin:end])


@contracted
def _flow_of(features, first, second, norm, of_flow, slope, most, turn, out, flow):
    """out (m, d) and flow (m, 3) of features (m, c): the last layers of a `FlowPredictor`."""
    m, hidden, width = len(features), len(first[1]), out.shape[1]
    tile = _tile(max(features.shape[1], hidden), most, m)
    before, last = np.empty((tile, hidden), np.float32), np.empty((tile, width), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        size = end - begin
        _layer_of(features[begin:end], first[0], first[1], slope, before[:size])
        _layer_of(before[:size], second[0], second[1], slope, last[:size])
        normalise(last[:size], norm[0], norm[1], out[begin:end])
        _layer_of(out[begin:end], of_flow[0], of_flow[1], np.float32(1), flow[begin:end])


@reordered
def normalise(rows, gain, shift, out):
    """out (m, c) = LayerNorm of each row (m, c), with gain (c,) and shift (c,)."""
    width = rows.shape[1]
    share = np.float32(1) / np.float32(width)
    for i in range(len(rows)):
        row, answer, mean, square = rows[i], out[i], np.float32(0), np.float32(0)
        for c in range(width):
            mean += row[c]
        mean *= share
        for c in range(width):
            square += (row[c] - mean) * (row[c] - mean)
        scale = np.float32(1) / np.sqrt(square * share + _EPSILON)
        for c in range(width):
            answer[c] = (row[c] - mean) * scale * gain[c] + shift[c]


@contracted
def _by_fours(weight, bias):
    """weight (o, i) and bias (o,), filled up with zeros to whole fours of both, as `_layer` takes them."""
    units, inputs = weight.shape
    more = (units + 3) // 4 * 4
    whole, constant = np.zeros((more, (inputs + 3) // 4 * 4), np.float32), np.zeros(more, np.float32)
    for o in range(units):
        constant[o] = bias[o]
        for i in range(inputs):
            whole[o, i] = weight[o, i]
    return whole, constant


@contracted
def _layer(values, weight, bias, slope, out):
    """out (o, pairs) = LeakyReLU(weight (o, i) @ values (i, pairs) + bias (o,)), o and i whole fours; slope 1: none."""
    units, inputs = weight.shape
    pairs = values.shape[1]
    for o in range(0, units, 4):
        one, two, three, four = out[o], out[o + 1], out[o + 2], out[o + 3]
        for x in range(pairs):
            one[x], two[x], three[x], four[x] = bias[o], bias[o + 1], bias[o + 2], bias[o + 3]
        # Four inputs are read for four sums.
        for i in range(0, inputs, 4):
            p, q, r, s = values[i], values[i + 1], values[i + 2], values[i + 3]
            a0, a1, a2, a3 = weight[o, i], weight[o, i + 1], weight[o, i + 2], weight[o, i + 3]
            b0, b1, b2, b3 = weight[o + 1, i], weight[o + 1, i + 1], weight[o + 1, i + 2], weight[o + 1, i + 3]
            c0, c1, c2, c3 = weight[o + 2, i], weight[o + 2, i + 1], weight[o + 2, i + 2], weight[o + 2, i + 3]
            d0, d1, d2, d3 = weight[o + 3, i], weight[o + 3, i + 1], weight[o + 3, i + 2], weight[o + 3, i + 3]
            bend = slope if i == inputs - 4 else np.float32(1)
            for x in range(pairs):
                e, f, g, h = p[x], q[x], r[x], s[x]
                t, u = one[x] + a0 * e + a1 * f + a2 * g + a3 * h, two[x] + b0 * e + b1 * f + b2 * g + b3 * h
                v, w = three[x] + c0 * e + c1 * f + c2 * g + c3 * h, four[x] + d0 * e + d1 * f + d2 * g + d3 * h
                one[x], two[x] = t if t > 0 else bend * t, u if u > 0 else bend * u
                three[x], four[x] = v if v > 0 else bend * v, w if w > 0 else bend * w


@contracted
def _copied(rows, begin, end, out):
    """The first numbers of the first rows of out = those of rows (i, more) from `begin` to `end`."""
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
def _mixed(values, rows, shares, out):
    """out (c,) = sum of three rows of values (n, c), by their shares (3,)."""
    one, two, three, a, b, d = values[rows[0]], values[rows[1]], values[rows[2]], shares[0], shares[1], shares[2]
    for c in range(len(one)):
        out[c] = a * one[c] + b * two[c] + d * three[c]


@contracted
def interpolate(values, index, shares, each, out):
    """out (m, c) = sum over three neighbours of values (n, c), by their shares (m, 3)."""
    m, among = len(index), len(values) // (len(index) // each)
    for i in range(m):
        _mixed(values[i // each * among :], index[i], shares[i], out[i])


@contracted
def activate(rows, bias, slope):
    """rows (m, c) = LeakyReLU(rows + bias (c,)), in place; slope 1: none."""
    for i in range(len(rows)):
        row = rows[i]
        for c in range(len(bias)):
            value = row[c] + bias[c]
            row[c] = value if value > 0 else slope * value


@contracted
def encode(offsets, points, unit, k, slope, begin, end, out, layers):
    """(u, pairs) position encoding of the k neighbours at offsets (3, m k) of points (m, 3): two layers.

    The first is of_offset (u, 3) @ offset + of_position (u, 3) @ point / unit + bias (u,), the second weight (u, u).
    """
    of_offset, bias, of_position, weight, second_bias = layers
    units = len(bias)
    block = max(1, _PAIRS // k)
    both = np.empty((units, 6), np.float32)
    for u in range(units):
        for axis in range(3):
            both[u, axis], both[u, 3 + axis] = of_offset[u, axis], of_position[u, axis]
    both, bias = _by_fours(both, bias)
    weight, second_bias = _by_fours(weight, second_bias)
    values = np.zeros((8, block * k), np.float32)
    hidden, last = np.empty((len(both), block * k), np.float32), np.empty((len(weight), block * k), np.float32)
    for start in range(begin, end, block):
        size = min(block, end - start)
        _copied(offsets, start * k, (start + size) * k, values)
        for axis in range(3):
            placed = values[3 + axis]
            for i in range(size):
                for j in range(k):
                    placed[i * k + j] = points[start + i, axis] / unit
        _layer(values, both, bias, slope, hidden)
        _layer(hidden, weight, second_bias, slope, last)
        place = (start - begin) * k
        for u in range(units):
            source, target = last[u], out[u][place : place + size * k]
            for p in range(len(target)):
                target[p] = source[p]


@contracted
def embed(pairs, own, other, index, each, first, slope, begin, end):
    """pairs (end - begin, k, c) = LeakyReLU(pairs + own (m, c) + other (n, c) of the neighbours), in place. The clouds'
    parts of the others are those from row `first` on, round to it."""
    k, width = pairs.shape[1:]
    among = len(other) // (len(own) // each)
    for i in range(begin, end):
        shift = (first + i // each * among) % len(other)
        for j in range(k):
            row = shift + index[i, j]
            for c in range(width):
                value = pairs[i - begin, j, c] + own[i, c] + other[row, c]
                pairs[i - begin, j, c] = value if value > 0 else slope * value


@contracted
def _attend_to_eight(scores, features, out):
    """As `attend`, one point's eight neighbours (8, c): all that is added up stays in registers."""
    s0, s1, s2, s3 = scores[0], scores[1], scores[2], scores[3]
    s4, s5, s6, s7 = scores[4], scores[5], scores[6], scores[7]
    f0, f1, f2, f3 = features[0], features[1], features[2], features[3]
    f4, f5, f6, f7 = features[4], features[5], features[6], features[7]
    for c in range(len(out)):
        p, q, r, s, t, u, v, w = s0[c], s1[c], s2[c], s3[c], s4[c], s5[c], s6[c], s7[c]
        a, b, d, e = p if p > q else q, r if r > s else s, t if t > u else u, v if v > w else w
        a, b = a if a > b else b, d if d > e else e
        most = a if a > b else b
        p, q = _exp2((p - most) * _UNIT), _exp2((q - most) * _UNIT)
        r, s = _exp2((r - most) * _UNIT), _exp2((s - most) * _UNIT)
        t, u = _exp2((t - most) * _UNIT), _exp2((u - most) * _UNIT)
        v, w = _exp2((v - most) * _UNIT), _exp2((w - most) * _UNIT)
        half, rest = p * f0[c] + q * f1[c] + r * f2[c] + s * f3[c], t * f4[c] + u * f5[c] + v * f6[c] + w * f7[c]
        out[c] = (half + rest) / (((p + q) + (r + s)) + ((t + u) + (v + w)))


@contracted
def attend(scores, features, out, column):
    """Of each row of out (m, more) c numbers from `column` on: sum over neighbours of features (m, k, c), weighted by
    the softmax of scores, as large, over them."""
    k, width = scores.shape[1:]
    most, total = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(len(scores)):
        own, weighed, answer = scores[i], features[i], out[i, column : column + width]
        if k == 8:
            _attend_to_eight(own, weighed, answer)
            continue
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
def weigh(offsets, slope, begin, end, out, net):
    """(h, pairs) what the last of a WeightNet's three layers sees at offsets (3, m k) from `begin` to `end`."""
    (first, first_bias), (second, second_bias), _ = net
    units = len(second)
    first, first_bias = _by_fours(first, first_bias)
    second, second_bias = _by_fours(second, second_bias)
    away = np.zeros((4, _PAIRS), np.float32)
    one, two = np.empty((len(first), _PAIRS), np.float32), np.empty((len(second), _PAIRS), np.float32)
    for start in range(begin, end, _PAIRS):
        stop = min(end, start + _PAIRS)
        _copied(offsets, start, stop, away)
        _layer(away, first, first_bias, slope, one)
        _layer(one, second, second_bias, slope, two)
        for u in range(units):
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
def convolve(offsets, features, index, each, slope, begin, end, out, moved, net):
    """Means over neighbours of a WeightNet of their offsets (3, m k) times features (n, c): out (end - begin, w, c),
    and times offsets: moved (end - begin, w, 3). Of its three layers (weight, bias, ...) the last is linear."""
    (first, first_bias), (second, second_bias), (third, third_bias) = net
    k, width, of_weights = index.shape[1], features.shape[1], len(third)
    among = len(features) // (len(index) // each)
    share, block = np.float32(1.0) / np.float32(k), max(1, _PAIRS // k)
    first, first_bias = _by_fours(first, first_bias)
    second, second_bias = _by_fours(second, second_bias)
    third, third_bias = _by_fours(third * share, third_bias * share)
    away, total = np.zeros((4, k * block), np.float32), np.empty(block, np.float32)
    one, two = np.empty((len(first), k * block), np.float32), np.empty((len(second), k * block), np.float32)
    three = np.empty((len(third), k * block), np.float32)
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
