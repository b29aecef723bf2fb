"""Loops over small maps from above, one a cluster: distances to the next point, and sums of them under moved points.

Maps are (C, C); a place (x, y) in cells lies in cell [int(x), int(y)], one beyond the border in the nearest cell.
Sums are of whole numbers, and so exact.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled

TRUNCATED = 4  # cells, farther ones are all the same
_FULL, _BORDER = np.uint8(TRUNCATED**2), TRUNCATED - 1


@compiled
def _lower(values, one, other, by):
    """Lower the values (n,) uint8 to those of `one` or the `other` (n,), plus `by`, where these are less."""
    more = np.uint8(by)
    for place in range(len(values)):
        values[place] = min(values[place], np.uint8(min(one[place], other[place]) + more))


@compiled
def _fill_distances(own, held, low, high):
    """Fill own (C, C) uint8, from cell `low` to cell `high` (2,) along both axes, with the squared distance in cells to
    the next one in which something lies, at most 16. `held` (n,) uint8 is 0 of those cells and 16 of others, row after
    row from `_BORDER` cells before `low` to as many beyond `high`, and is used up.

    The squares are added along rows, and then along columns.
    """
    wide = high[1] - low[1] + 1 + 2 * _BORDER
    across = held.copy()
    for off in range(1, _BORDER + 1):
        _lower(across[off:-off], held[: -2 * off], held[2 * off :], off * off)
    about = held
    about[:] = across
    for off in range(1, _BORDER + 1):
        _lower(about[off * wide : -off * wide], across[: -2 * off * wide], across[2 * off * wide :], off * off)
    for row in range(low[0], high[0] + 1):
        begin = (row - low[0] + _BORDER) * wide + _BORDER
        line, out = about[begin : begin + high[1] - low[1] + 1], own[row]
        for column in range(len(line)):
            out[low[1] + column] = line[column]


@compiled
def laid_out(x, y, first, scale, corner, low, high, side, most):
    """Of K sets of points x, y (n,), set k from `first`[k] on (K + 1,): maps (K, side, side) of the squared distance in
    cells to the next point, at most 16, from place `low` to place `high` (K, 2), of which nobody asks what lies beyond;
    at most so many places (K, 2, most), evenly, the first and the last included; how many these are, (K,).

    Places are in cells from a map's corner: times `scale` (K,), plus `corner` (K, 2). All float32.
    """
    count = len(first) - 1
    maps, chosen = np.empty((count, side, side), np.uint8), np.zeros((count, 2, most), np.float32)
    counts, sizes = np.minimum(first[1:] - first[:-1], most), first[1:] - first[:-1]
    begin, end, cells = np.empty(2, np.int64), np.empty(2, np.int64), np.empty(sizes.max() if count else 0, np.int32)
    for k in range(count):
        n, by, east, north = sizes[k], scale[k], corner[k, 0], corner[k, 1]
        own_x, own_y = x[first[k] : first[k + 1]], y[first[k] : first[k + 1]]
        for axis in range(2):
            begin[axis], end[axis] = max(int(low[k, axis]), 0), min(int(high[k, axis]), side - 1)
        south, west = np.int32(begin[0] - _BORDER), np.int32(begin[1] - _BORDER)
        tall, wide = np.int32(end[0] + 1 + _BORDER) - south, np.int32(end[1] + 1 + _BORDER) - west
        held = np.full(tall * wide + 1, _FULL, np.uint8)
        for point in range(n):  # by itself, so that vector units can
            row, column = np.int32(own_x[point] * by + east) - south, np.int32(own_y[point] * by + north) - west
            is_held = (row >= 0) & (row < tall) & (column >= 0) & (column < wide)
            cells[point] = row * wide + column if is_held else tall * wide
        for point in range(n):
            held[cells[point]] = 0
        _fill_distances(maps[k], held[:-1], begin, end)
        for row in range(counts[k]):
            point = row * (n - 1) // max(counts[k] - 1, 1)
            chosen[k, 0, row], chosen[k, 1, row] = own_x[point] * by + east, own_y[point] * by + north
    return maps, chosen, counts


@compiled
def evenly_within(x, y, first, which, centre, half, most):
    """At most `most` of those points x, y (n,) of each of the sets `which` (k,), as of `laid_out`, that lie less than
    `half` (k, 2) m off its `centre` (k, 2) m along both axes, evenly, the first and the last included: (k, 2, most)
    float32 m about the centre, of each the first so many, (k,)."""
    chosen, counts = np.zeros((len(which), 2, most), np.float32), np.empty(len(which), np.int64)
    within = np.empty(len(x), np.int32)
    for k in range(len(which)):
        begin, end = first[which[k]], first[which[k] + 1]
        east, north = np.float32(centre[k, 0]), np.float32(centre[k, 1])
        far_east, far_north, n = np.float32(half[k, 0]), np.float32(half[k, 1]), 0
        for point in range(begin, end):
            within[n] = point
            n += (abs(x[point] - east) < far_east) & (abs(y[point] - north) < far_north)
        counts[k] = min(n, most)
        for row in range(counts[k]):
            point = within[row * (n - 1) // max(counts[k] - 1, 1)]
            chosen[k, 0, row], chosen[k, 1, row] = x[point] - east, y[point] - north
    return chosen, counts


@compiled
def sum_moved(own, places, count, east, north, low, high, cells):
    """Sum of the map `own` (C, C) at the first `count` of the places (2, n) moved by so many cells, and how many they
    are: those that then lie between `low` and `high` (2,). cells (n,) int32 is to work in."""
    number, total, least, last = 0, 0, np.float32(0), np.float32(len(own) - 1)
    x, y, flat = places[0], places[1], own.reshape(-1)
    west, south, easternmost, northernmost = low[0], low[1], high[0], high[1]
    for point in range(count):  # by itself, so that vector units can
        ahead, aside = x[point] + east, y[point] + north
        is_between = (west < ahead) & (ahead < easternmost) & (south < aside) & (aside < northernmost)
        row, column = np.int32(min(max(ahead, least), last)), np.int32(min(max(aside, least), last))
        cells[point] = row * np.int32(len(own)) + column if is_between else np.int32(-1)
    for point in range(count):
        if cells[point] >= 0:
            total += flat[cells[point]]
            number += 1
    return total, number


@compiled
def sums_on_grid(own, places, count, step, steps):
    """(2 steps + 1, 2 steps + 1) int32, sum of the map `own` (C, C) at every second of the first `count` places (2, n),
    moved by multiples of `step` cells to either side."""
    side, wide = len(own) - 1, 2 * steps + 1
    sums, columns = np.zeros((wide, wide), np.int32), np.empty(wide, np.int64)
    for point in range(0, count, 2):
        row, column = int(places[0, point]), int(places[1, point])
        for j in range(wide):
            columns[j] = min(max(column + (j - steps) * step, 0), side)
        for i in range(wide):
            line = own[min(max(row + (i - steps) * step, 0), side)]
            for j in range(wide):
                sums[i, j] += line[columns[j]]
    return sums


@compiled
def _cost(here, there, points, count, others, other_count, east, north, most, low, high, full, cells):
    """Of one set, as `costs` says."""
    east, north = np.float32(min(max(east, -most), most)), np.float32(min(max(north, -most), most))
    anywhere = np.float32(np.inf)
    forward, number = sum_moved(there, points, count, east, north, (-anywhere, -anywhere), (anywhere, anywhere), cells)
    backward, about = sum_moved(here, others, other_count, -east, -north, (low[0], low[1]), (high[0], high[1]), cells)
    return (forward / full / max(number, 1) + (backward / full / about if about else 1.0)) / 2


@compiled
def costs(here, there, most, low, high, full, which, shift):
    """(k, Q) in 0..1, what those sets `which` (k,) of K cost at shifts (k, Q, 2) cells: the mean of the other maps at
    their points, and of their own maps at the others' points moved back, as far as these then lie between `low` and
    `high` (K, 2), as shares of `full`. `here`, `there` of both sides as of `laid_out`; farther than `most` (K,) is as
    far as that."""
    (maps, places, counts), (other_maps, other_places, other_counts) = here, there
    out, cells = np.empty(shift.shape[:2]), np.empty(places.shape[2], np.int32)
    for number in range(len(which)):
        k = which[number]
        own, n, other, m = places[k], counts[k], other_places[k], other_counts[k]
        for asked in range(shift.shape[1]):
            east, north = shift[number, asked, 0], shift[number, asked, 1]
            out[number, asked] = _cost(
                maps[k], other_maps[k], own, n, other, m, east, north, most[k], low[k], high[k], full, cells
            )
    return out


@compiled
def _keep(best, east, north, cost):
    """Put a shift among the two best (2, 3), shift and cost of each; where they cost the same, the former is better."""
    for rank in range(2):
        if cost < best[rank, 2]:
            if rank == 0:
                best[1, 0], best[1, 1], best[1, 2] = best[0, 0], best[0, 1], best[0, 2]
            best[rank, 0], best[rank, 1], best[rank, 2] = east, north, cost
            return


@compiled
def _best_on_grid(there, points, count, network, inertia, full, step, steps):
    """(2, 3) shift and cost of the two best that are better than those about them on the grid of `sums_on_grid`."""
    wide, number, best = 2 * steps + 1, (count + 1) // 2, np.zeros((2, 3))
    best[:, 2] = np.inf
    sums, cost = sums_on_grid(there, points, count, step, steps), np.full((wide + 2, wide + 2), np.inf)
    for i in range(wide):
        for j in range(wide):
            east, north = (i - steps) * step - network[0], (j - steps) * step - network[1]
            off = np.sqrt(east * east + north * north)
            cost[i + 1, j + 1] = sums[i, j] / (number * full) + 2 * (inertia * off)
    for i in range(1, wide + 1):
        for j in range(1, wide + 1):
            own = cost[i, j]
            if (
                own < best[1, 2]
                and own <= min(cost[i, j - 1], cost[i, j + 1])
                and own <= min(cost[i - 1, j - 1], cost[i - 1, j], cost[i - 1, j + 1])
                and own <= min(cost[i + 1, j - 1], cost[i + 1, j], cost[i + 1, j + 1])
            ):
                _keep(best, (i - 1 - steps) * step, (j - 1 - steps) * step, own)
    return best


@compiled
def searched(here, there, most, low, high, full, network, guesses, inertia, far, step, around, fine):
    """The best shifts (K, 2), cells, of K sets, and what they cost, (K,); up to `full` as of `costs`.

    network (K, 2) cells, by the network, and `guesses` (K, G, 2) about it; `inertia` (K,), what each cell off it costs
    in the search, and twice that on the grid of `step` cells.
    Of rest, the guesses, and the two best on that grid, all as `far` (K,) at most, the two best; of what lies `around`
    (A, 2) these, the best; and of what lies around that, `fine` times as near.
    """
    (maps, places, counts), (other_maps, other_places, other_counts) = here, there
    shifts, cost = np.zeros((len(maps), 2)), np.empty(len(maps))
    tried, best = np.zeros((max(guesses.shape[1] + 3, 2 * len(around)), 2)), np.zeros((2, 3))
    cells = np.empty(places.shape[2], np.int32)
    for k in range(len(maps)):
        own, n, other, m, modes = places[k], counts[k], other_places[k], other_counts[k], guesses.shape[1] + 1
        grid = _best_on_grid(other_maps[k], own, n, network[k], inertia[k], full, step, int(far[k]) // step)
        tried[0] = 0
        for guess in range(guesses.shape[1]):
            for axis in range(2):
                tried[1 + guess, axis] = min(max(guesses[k, guess, axis], -far[k]), far[k])
        for rank in range(2):
            tried[modes + rank, 0], tried[modes + rank, 1] = grid[rank, 0], grid[rank, 1]
        number = modes + 2
        for finer in range(3):
            best[:, 2] = np.inf
            cost_of = 0.0
            for asked in range(number):
                east, north = tried[asked, 0], tried[asked, 1]
                # The network's guesses are often all the same.
                if asked == 0 or east != tried[asked - 1, 0] or north != tried[asked - 1, 1]:
                    cost_of = _cost(
                        maps[k], other_maps[k], own, n, other, m, east, north, most[k], low[k], high[k], full, cells
                    )
                    cost_of += inertia[k] * np.hypot(east - network[k, 0], north - network[k, 1])
                _keep(best, east, north, cost_of)
            if finer < 2:
                number = 0
                for rank in range(2 - finer):
                    if rank == 1 and best[1, 0] == best[0, 0] and best[1, 1] == best[0, 1]:
                        continue
                    for off in around:
                        for axis in range(2):
                            tried[number, axis] = best[rank, axis] + (off[axis] if finer == 0 else fine * off[axis])
                        number += 1
        shifts[k, 0], shifts[k, 1] = best[0, 0], best[0, 1]
        east, north = best[0, 0], best[0, 1]
        cost[k] = _cost(maps[k], other_maps[k], own, n, other, m, east, north, most[k], low[k], high[k], full, cells)
    return shifts, cost


@compiled
def extents(points, counts):
    """Lowest and highest corners (K, 3) float64 m of the boxes about K groups of points (n, 3), none empty, one after
    the other, `counts` (K,) of each."""
    low, high, end = np.empty((len(counts), 3)), np.empty((len(counts), 3)), 0
    for k in range(len(counts)):
        begin, end = end, end + counts[k]
        west, south, floor = points[begin, 0], points[begin, 1], points[begin, 2]
        east, north, top = west, south, floor
        for row in range(begin + 1, end):
            x, y, z = points[row, 0], points[row, 1], points[row, 2]
            west, south, floor = min(west, x), min(south, y), min(floor, z)
            east, north, top = max(east, x), max(north, y), max(top, z)
        low[k, 0], low[k, 1], low[k, 2] = west, south, floor
        high[k, 0], high[k, 1], high[k, 2] = east, north, top
    return low, high


@compiled
def sorted_into_blocks(points, size, side):
    """Points (M, 3) float32 m block by block, and where each begins, (side² + 1,), of square blocks of `size` m; those
    beyond the map of `side` blocks about the origin lie in its outermost ones."""
    block, first = np.empty(len(points), np.int32), np.zeros(side * side + 1, np.int32)
    per_block, middle, last = np.float32(1 / size), np.float32(side // 2), np.float32(side - 1)
    for point in range(len(points)):
        row = int(min(max(points[point, 0] * per_block + middle, np.float32(0)), last))
        column = int(min(max(points[point, 1] * per_block + middle, np.float32(0)), last))
        block[point] = row * side + column
        first[block[point] + 1] += 1
    begin = np.int32(0)
    for own in range(1, len(first)):
        begin += first[own]
        first[own] = begin
    place, ordered = first[:-1].copy(), np.empty_like(points)
    for point in range(len(points)):
        own = place[block[point]]
        for axis in range(3):
            ordered[own, axis] = points[point, axis]
        place[block[point]] += 1
    return ordered, first


@compiled
def within(points, first, size, side, centre, span, floor, ceiling):
    """x, y (n,) m of those of `sorted_into_blocks` within `span` (K,) m of `centre` (K, 2) m along both axes, between
    two heights (K,) m, one k after the other, and where each begins, (K + 1,). All float32."""
    per_block, middle, last = np.float32(1 / size), np.float32(side // 2), np.float32(side - 1)
    blocks = np.empty((len(centre), 4), np.int64)
    count = 0
    for k in range(len(centre)):
        for axis in range(2):
            for end in range(2):
                place = centre[k, axis] + (span[k] if end else -span[k])
                blocks[k, 2 * axis + end] = int(min(max(place * per_block + middle, np.float32(0)), last))
        for row in range(blocks[k, 0], blocks[k, 1] + 1):
            count += first[row * side + blocks[k, 3] + 1] - first[row * side + blocks[k, 2]]
    x, y, begin = np.empty(count, np.float32), np.empty(count, np.float32), np.zeros(len(centre) + 1, np.int64)
    found = 0
    for k in range(len(centre)):
        for row in range(blocks[k, 0], blocks[k, 1] + 1):
            for point in range(first[row * side + blocks[k, 2]], first[row * side + blocks[k, 3] + 1]):
                east, north, up = points[point, 0], points[point, 1], points[point, 2]
                if (
                    abs(east - centre[k, 0]) < span[k]
                    and abs(north - centre[k, 1]) < span[k]
                    and floor[k] < up < ceiling[k]
                ):
                    x[found], y[found] = east, north
                    found += 1
        begin[k + 1] = found
    return x[:found], y[:found], begin
