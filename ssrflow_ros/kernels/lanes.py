"""The points nearest to each of a group of queries, a query in each lane of the processor's registers, which LLVM would
not find by itself.

    nearest(points, rows, begin, end, queries, squared, index)

looks at the points (3, N) float32 m from `begin` to `end`, whose numbers are `rows` (N,) int32, for LANES queries at
once, the first of (3, LANES or more) float32 m. squared (1, LANES) float32 m² and index (1, LANES) int32 hold the
squared distance and the number of the nearest one so far, and afterwards of all; of those equally far it is the lower
number. `nearest_three` does so for the three nearest, (3, LANES), the nearest first.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vectors import loaded, spread

LANES = 8  # of AVX2; with AVX-512 16 are no quicker: queries that go together lie farther apart

_INT, _SMALL = ir.IntType(64), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_SMALL, LANES)


def _starts(builder: Any, array: Any, rows: int) -> list[Any]:
    """Where so many rows of an array begin."""
    stride = builder.extract_value(array.shape, 1)
    return [builder.gep(array.data, [builder.mul(stride, ir.Constant(_INT, row))]) for row in range(rows)]


def _vectors(builder: Any, array: Any, rows: int, kind: Any) -> list[Any]:
    """The places of the first LANES numbers of so many rows."""
    return [builder.bitcast(start, kind.as_pointer()) for start in _starts(builder, array, rows)]


def _number(builder: Any, array: Any, place: Any) -> Any:
    """That of an array, in every lane."""
    return spread(builder, builder.load(builder.gep(array, [place])), LANES)


def _emit(builder: Any, k: int, points: Any, rows: Any, begin: Any, end: Any, queries: Any, kept: list[Any]) -> None:
    """`kept` are the places of k vectors of squared distances, and of k of numbers."""
    axes, asked = _starts(builder, points, 3), loaded(builder, _vectors(builder, queries, 3, _FLOATS))
    held, before = loaded(builder, kept), builder.block
    ask, look, done = (builder.append_basic_block(name) for name in ('ask', 'look', 'done'))
    builder.branch(ask)
    builder.position_at_end(ask)
    place, best = builder.phi(_INT), [builder.phi(vector.type) for vector in held]
    builder.cbranch(builder.icmp_signed('<', place, end), look, done)

    builder.position_at_end(look)
    x, y, z = (builder.fsub(_number(builder, axis, place), own) for axis, own in zip(axes, asked))
    away = builder.fadd(builder.fadd(builder.fmul(x, x), builder.fmul(y, y)), builder.fmul(z, z))
    number, squared, index = _number(builder, rows.data, place), [], []
    for other_away, other in zip(best[:k], best[k:]):  # the farther one of the two goes on to the next
        is_lower = builder.and_(builder.fcmp_ordered('==', away, other_away), builder.icmp_signed('<', number, other))
        is_nearer = builder.or_(builder.fcmp_ordered('<', away, other_away), is_lower)
        squared.append(builder.select(is_nearer, away, other_away))
        index.append(builder.select(is_nearer, number, other))
        away, number = builder.select(is_nearer, other_away, away), builder.select(is_nearer, other, number)
    following = builder.add(place, ir.Constant(_INT, 1))
    builder.branch(ask)
    for phi, first, then in [(place, begin, following), *zip(best, held, squared + index)]:
        phi.add_incoming(first, before)
        phi.add_incoming(then, look)

    builder.position_at_end(done)
    for to, vector in zip(kept, best):
        builder.store(vector, to).align = 4


def _nearest(k: int) -> Any:
    def typed(typing: Any, points: Any, rows: Any, begin: Any, end: Any, queries: Any, squared: Any, index: Any) -> Any:
        kinds = [points, rows, types.int64, types.int64, queries, squared, index]

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def array(which: int) -> Any:
                return context.make_array(kinds[which])(context, builder, arguments[which])

            kept = _vectors(builder, array(5), k, _FLOATS) + _vectors(builder, array(6), k, _INTS)
            _emit(builder, k, array(0), array(1), arguments[2], arguments[3], array(4), kept)
            return context.get_dummy_value()

        return types.void(*kinds), code

    return intrinsic(typed)


nearest, nearest_three = _nearest(1), _nearest(3)
