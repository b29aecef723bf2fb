"""What the network does with the neighbours of each point, pass by pass fused into one.

Every function here has the numbers of a neighbourhood in the processor's first cache, and writes only what the next
matrix product reads; in torch the same steps go through memory one after the other. The products are made here, too,
tile by tile (`block.py`), so that what lies between them stays in a cache. All arrays are float32 and C-contiguous,
indices int64. A layer is a tuple of its weight, in the panels that `cpu_patches.Weights` makes, and its bias; the small
ones of WeightNets and the position encoder keep theirs (d, c).

There are k neighbours of each of m points: those of all clouds of a batch, `each` of them a cloud. Its indices count
from 0 in its own part of the n others. A part of a tile does the points from `begin` to `end`.

What takes `turn` or `turns` is called by several threads with the same arrays, and is done when it returns to any of
them (`turns.py`); `most` is about how many numbers a tile has, so that the same tiles are done by however many.

Offsets stand axis by axis, (3, m, k), and so do the hidden numbers of pairs: the same number of many pairs fills the
vector unit, as a pair's few numbers do not.
"""

from __future__ import annotations

import numpy as np

from .block import ROWS, WIDE, block, block_of_rows
from .compiled import contracted, reordered
from .turns import tiles_of

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
def _product(values, stride, across, rows, weight, initial, apart, slope, out, width):
    """Of out the first rows (rows, width) = LeakyReLU(initial + values (rows, c) @ weight (c, width)); slope 1: none.

    values, initial, out  (more,) from the first number on; a row of values begins `stride` numbers after the one
                 before, across: values are (c, rows), and it is a column that begins there. Rows of `initial` are
                 `apart` from each other, 0: one for all.
    weight       its panels (p, c, WIDE), as `cpu_patches` makes them.
    """
    steps, flat, rest = weight.shape[1], weight.reshape(-1), np.zeros(ROWS * WIDE if width < WIDE else 0, np.float32)
    next_row, next_number = (1, stride) if across else (stride, 1)
    for panel in range(len(weight)):
        column, place = min(panel * WIDE, width - WIDE), panel * steps * WIDE
        for row in range(0, rows, ROWS):
            size, of_values, of_weight = min(ROWS, rows - row), (row * next_row, next_row, next_number), (place, WIDE)
            if width >= WIDE:
                start, to = (row * apart + column, apart), (row * width + column, width)
                block(size, steps, values, of_values, flat, of_weight, initial, start, slope, out, to)
                continue
            for i in range(size):
                for c in range(width):
                    rest[i * WIDE + c] = initial[(row + i) * apart + c]
            beside = 0, WIDE
            block(size, steps, values, of_values, flat, of_weight, rest, beside, slope, rest, beside)
            for i in range(size):
                for c in range(width):
                    out[(row + i) * width + c] = rest[i * WIDE + c]


@contracted
def _tile(numbers, most, points):
    """How many of `points`, of so many numbers each, a tile has: tiles of one size, of about `most` numbers."""
    tiles = max(1, min(_TILES, points // 32), -(-points * numbers // most))
    return max(1, -(-points // tiles))


@contracted
def layer(rows, of_rows, slope, most, turn, out):
    """out (m, d) = LeakyReLU of a layer (weight, bias) of rows (m, c); slope 1: none."""
    m, tile = len(rows), _tile(max(rows.shape[1], out.shape[1]), most, len(rows))
    for begin, end in tiles_of(turn, tile, m):
        _layer_of(rows[begin:end], of_rows, slope, out[begin:end])


@contracted
def _layer_of(rows, of_rows, slope, out):
    """`layer` of a tile."""
    weight, bias = of_rows
    _product(rows.reshape(-1), rows.shape[1], False, len(rows), weight, bias, 0, slope, out.reshape(-1), out.shape[1])


@contracted
def described(points, more, unit, length, longest, first, second, slope, most, turn, out):
    """out (m, d) = two layers (weight, bias) of points (m, 3) by `unit` m, and of the first numbers of more (m, c), all
    that the layers ask for: the offset and each other by `length` m, softly clamped to `longest`."""
    m, numbers, columns = len(points), len(first[1]), first[0].shape[1]
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
        _layer_of(rows[:size], first, slope, hidden[:size])
        _layer_of(hidden[:size], second, slope, out[begin:end])


@contracted
def joined(features, coarse, index, shares, each, of_both, norm, slope, most, turn, out):
    """out (m, d) = the norm (weight, bias) of a layer (weight, bias) of features (m, a) and coarse (n, b),
    interpolated by index and shares (m, 3)."""
    (m, width), (gain, shift) = features.shape, norm
    c = width + coarse.shape[1]
    tile = _tile(c, most, m)
    both, bent = np.empty((tile, c), np.float32), np.empty((tile, len(gain)), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        for i in range(begin, end):
            row, own = both[i - begin], features[i]
            for a in range(width):
                row[a] = own[a]
            _mixed(coarse[i // each * (len(coarse) // (m // each)) :], index[i], shares[i], row[width:])
        _layer_of(both[: end - begin], of_both, slope, bent[: end - begin])
        normalise(bent[: end - begin], gain, shift, out[begin:end])


@contracted
def reembedded(points, unit, features, cross, within, temporal, spatial, fusion, each, slope, most, turns, parts, out):
    """Rows of out (m, c): as `SpatialTemporalReembedding` of points (m, 3) and features (m, c) of both frames; cross
    and within: index and offsets of the neighbours in the other frame, and in the own.

    turns (2, 2), parts (4, m, c)  of all threads.
    """
    (m, width), most_near = features.shape, max(cross[0].shape[1], within[0].shape[1])
    _parts_of_pairs(features, (temporal[1], temporal[2], spatial[1], spatial[2]), most, turns[0], parts)
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
        _layer_of(halves[: end - begin], fusion, slope, out[begin:end])


@contracted
def _parts_of_pairs(features, layers, most, turn, out):
    """out (4, m, c): what features (m, c) bring into a pair as its own and as the other's, temporal and spatial."""
    m, tile = len(features), _tile(features.shape[1], most, len(features))
    for begin, end in tiles_of(turn, tile, m):
        for part in range(4):
            _layer_of(features[begin:end], layers[part], np.float32(1), out[part, begin:end])


@contracted
def _attentive_patch(
    points, unit, own, other, first, neighbours, weights, each, slope, begin, end, buffers, out, column
):
    """Of each row of out (end - begin, 2 c) c numbers from `column` on: as `NeighbourReembedding` of points (m, 3) m,
    which are divided by `unit`; neighbours are those among the rows of other (m, c) from `first` on, round to it."""
    (index, offsets), (encoder, _, _, of_relation, score), (encoding, pairs, scores) = neighbours, weights, buffers
    k, width = index.shape[1], own.shape[1]
    rows = (end - begin) * k
    hidden = encoding[: len(encoder[1]) * rows].reshape(len(encoder[1]), rows)
    pair, said = pairs[: rows * width].reshape(-1, k, width), scores[: rows * width].reshape(-1, k, width)
    encode(offsets, points, unit, k, slope, begin, end, hidden, encoder)
    pair_up(own, other, index, each, first, begin, end, said)
    _product(encoding, rows, True, rows, of_relation[0], scores, width, slope, pairs, width)
    _product(pairs, width, False, rows, score[0], score[1], 0, np.float32(1), scores, width)
    attend(said, pair, out, column)


@contracted
def flow_embedded(
    source, target, cross, within, of_own, of_other, of_relation, nets, each, slope, most, turns, own, other, costs, out
):
    """Rows of out (m, c): as `LocalFlowEmbedding` of features source (m, c) and target (n, c); cross and within: index
    and offsets of the neighbours in the target and in the source, nets: the layers of the WeightNets of both.

    turns (4, 2), own (m, c), other (n, c), costs (m, c)  of all threads.
    """
    layer(source, of_own, np.float32(1), most, turns[0], own)
    layer(target, of_other, np.float32(1), most, turns[1], other)
    _cost_patch(cross, nets[0], of_relation, own, other, each, slope, most, turns[2], costs)
    _weighted_patch(within, nets[1], costs, each, most, slope, turns[3], out)


@contracted
def _cost_patch(neighbours, net, of_relation, own, other, each, slope, most, turn, out):
    """Rows of out (m, c): as `cost_patch_reference`, weighed by a WeightNet's three layers."""
    index, offsets = neighbours
    (m, k), width = index.shape, own.shape[1]
    tile = _tile(k * width, most, m)
    hidden = np.empty((len(net[1][0]), tile * k), np.float32)
    pairs, weights = np.empty((tile, k, width), np.float32), np.empty((tile, k, width), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        rows, parts, costs = (end - begin) * k, weights.reshape(-1), pairs.reshape(-1)
        pair_up(own, other, index, each, 0, begin, end, weights)
        away = offsets[0, begin * k :]
        _product(away, offsets.shape[1], True, rows, of_relation[0], parts, width, slope, costs, width)
        _weighed(offsets, slope, begin * k, end * k, net, hidden, parts)
        cost(weights, pairs, begin, end, out)


@contracted
def _weighted_patch(neighbours, net, features, each, most, slope, turn, out):
    """Rows of out (m, c): mean over neighbours of a WeightNet's c numbers of each offset times features (n, c)."""
    index, offsets = neighbours
    (m, k), width = index.shape, features.shape[1]
    tile = _tile(k * width, most, m)
    hidden, weights = np.empty((len(net[1][0]), tile * k), np.float32), np.empty((tile, k, width), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        _weighed(offsets, slope, begin * k, end * k, net, hidden, weights.reshape(-1))
        weighted_mean(weights, features, index, each, begin, end, out)


@contracted
def _weighed(offsets, slope, begin, end, net, hidden, out):
    """out (pairs, c), from its first number on: what a WeightNet says of offsets (3, m k) from `begin` to `end`."""
    weigh(offsets, slope, begin, end, hidden, net)
    weight, bias = net[2]
    _product(hidden.reshape(-1), hidden.shape[1], True, end - begin, weight, bias, 0, np.float32(1), out, len(bias))


@contracted
def convolved(features, neighbours, weights, each, slope, most, turn, out):
    """out (m, d) = LeakyReLU of a layer of what `convolve` makes of features (n, c); `weights`: of its WeightNet's
    layers, and of that layer."""
    (index, offsets), (net, of_means) = neighbours, weights
    m, numbers = len(index), of_means[0].shape[1]
    tile = _tile(numbers, most, m)
    means = np.empty((tile, numbers), np.float32)
    for begin, end in tiles_of(turn, tile, m):
        convolve(offsets, features, index, each, slope, begin, end, means, net)
        _layer_of(means[: end - begin], of_means, slope, out[begin:end])


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
        _layer_of(features[begin:end], first, slope, before[:size])
        _layer_of(before[:size], second, slope, last[:size])
        normalise(last[:size], norm[0], norm[1], out[begin:end])
        _layer_of(out[begin:end], of_flow, np.float32(1), flow[begin:end])


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
def pair_up(own, other, index, each, first, begin, end, out):
    """out (end - begin, k, c) = own (m, c) + other (n, c) of the neighbours. The clouds' parts of the others are those
    from row `first` on, round to it."""
    k, among = index.shape[1], len(other) // (len(own) // each)
    for i in range(begin, end):
        shift, mine = (first + i // each * among) % len(other), own[i]
        for j in range(k):
            near, pair = other[shift + index[i, j]], out[i - begin, j]
            for c in range(len(mine)):
                pair[c] = mine[c] + near[c]


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
def cost(weights, pairs, begin, end, out):
    """Rows of out (m, c): mean over neighbours of weights (end - begin, k, c) x pairs, as large."""
    k = pairs.shape[1]
    share = np.float32(1.0) / np.float32(k)
    for i in range(begin, end):
        answer = out[i]
        answer[:] = 0
        for j in range(k):
            weight, pair = weights[i - begin, j], pairs[i - begin, j]
            for c in range(len(answer)):
                answer[c] += weight[c] * pair[c]
        for c in range(len(answer)):
            answer[c] *= share


@contracted
def weighted_mean(weights, features, index, each, begin, end, out):
    """Rows of out (m, c): mean over neighbours of weights (end - begin, k, c) x features (n, c)."""
    k = weights.shape[1]
    share, among = np.float32(1.0) / np.float32(k), len(features) // (len(out) // each)
    for i in range(begin, end):
        shift, answer = i // each * among, out[i]
        answer[:] = 0
        for j in range(k):
            weight, near = weights[i - begin, j], features[shift + index[i, j]]
            for c in range(len(answer)):
                answer[c] += weight[c] * near[c]
        for c in range(len(answer)):
            answer[c] *= share


@contracted
def _sums(weights, size, features, index, each, begin, end, out):
    """Of rows of out (more, w (c + 3)) the first w c numbers: sums over the neighbours of the points from `begin` to
    `end` of w weights times features (n, c); weights (more, k size): all first neighbours, then all second ones."""
    (k, width), among = (index.shape[1], features.shape[1]), len(features) // (len(index) // each)
    numbers, whole, linear = out.shape[1] // (width + 3), k - k % 8, np.float32(1)
    known, rows, given, sums = features.reshape(-1), index.reshape(-1), weights.reshape(-1), out.reshape(-1)
    nothing = np.zeros(WIDE, np.float32)
    for i in range(begin, end):
        shift, place, to = i // each * among, i - begin, (i - begin) * out.shape[1]
        if width < WIDE or k < 8:
            for w in range(numbers):
                total = out[place, w * width : (w + 1) * width]
                total[:] = 0
                for j in range(k):
                    for c in range(width):
                        total[c] += weights[w, j * size + place] * features[shift + index[i, j], c]
            continue
        # A small product of the weights and the neighbours' rows, where these stand: eight at once, a number that the
        # compiler knows, twice as quick.
        for w in range(0, numbers, ROWS):
            many = min(ROWS, numbers - w)
            for panel in range(0, width, WIDE):
                column = min(panel, width - WIDE)
                near, total = (shift * width + column, width), (to + w * width + column, width)
                own = w * k * size + place, k * size, size
                block_of_rows(many, 8, given, own, known, near, nothing, (0, 0), linear, sums, total, rows, i * k)
                for j in range(8, whole, 8):
                    own = (w * k + j) * size + place, k * size, size
                    block_of_rows(many, 8, given, own, known, near, sums, total, linear, sums, total, rows, i * k + j)
                if whole < k:
                    own, j = ((w * k + whole) * size + place, k * size, size), i * k + whole
                    block_of_rows(many, k - whole, given, own, known, near, sums, total, linear, sums, total, rows, j)


@contracted
def convolve(offsets, features, index, each, slope, begin, end, out, net):
    """Rows of out (more, w (c + 3)): means over neighbours of a WeightNet's w numbers of their offsets (3, m k), each
    times features (n, c), then each times the offsets. Of its three layers (weight, bias, ...) the last is linear."""
    (first, first_bias), (second, second_bias), (third, third_bias) = net
    k, width, numbers = index.shape[1], features.shape[1], len(third)
    share, size = np.float32(1.0) / np.float32(k), max(1, _PAIRS // k)
    first, first_bias = _by_fours(first, first_bias)
    second, second_bias = _by_fours(second, second_bias)
    third, third_bias = _by_fours(third * share, third_bias * share)
    away, total = np.zeros((4, k * size), np.float32), np.empty(size, np.float32)
    one, two = np.empty((len(first), k * size), np.float32), np.empty((len(second), k * size), np.float32)
    three = np.empty((len(third), k * size), np.float32)
    for start in range(begin, end, size):
        number = min(size, end - start)
        # All first neighbours, then all second ones: sums over neighbours are sums of rows.
        for axis in range(3):
            source, target = offsets[axis], away[axis]
            for j in range(k):
                for i in range(number):
                    target[j * size + i] = source[(start + i) * k + j]
        _layer(away, first, first_bias, slope, one)
        _layer(one, second, second_bias, slope, two)
        _layer(two, third, third_bias, np.float32(1), three)
        for w in range(numbers):
            for axis in range(3):
                total[:] = 0
                for j in range(k):
                    weight, places = three[w][j * size : (j + 1) * size], away[axis][j * size : (j + 1) * size]
                    for i in range(size):
                        total[i] += weight[i] * places[i]
                for i in range(number):
                    out[start - begin + i, numbers * width + 3 * w + axis] = total[i]
        _sums(three, size, features, index, each, start, start + number, out[start - begin :])
