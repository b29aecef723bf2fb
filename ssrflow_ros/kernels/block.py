"""A block of a matrix product with all of its sums in the processor's registers, which LLVM would not find by itself.

ROWS rows of out, WIDE numbers of each, become LeakyReLU(initial + values @ weight), of a slope up to 1. All are arrays
(more,) float32, with a tuple of int64 that tells where in them what is meant begins, and how far apart its rows stand:

    block(rows, steps, values, (first, apart, step), weight, (first, apart), initial, (first, apart), slope, out,
          (first, apart))

Of values each of `steps` numbers of a row is `step` after the one before; each meets a row of the weight. Initial rows
that are 0 apart are the same for all. Where there are fewer than ROWS rows, the last one is done again and again.
`block_of_rows(..., index, begin)` takes for each step that row of the weight which index (more,) int64 names from
`begin` on.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.extending import intrinsic

from .vectors import loaded, spread

_VECTORS = 3
# So that the sums fill three of four registers: AVX2 has 16 of 8 numbers, AVX-512 32 of 16, 64-bit Arm 32 of 4.
_LANES, ROWS = (16, 8) if get_host_cpu_features().get('avx512f') else (8, 4)
WIDE = _VECTORS * _LANES

_INT = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), _LANES)
_ONCE = ('contract',)  # a product and its sum are rounded once


def _int(number: int) -> Any:
    return ir.Constant(_INT, number)


def _places(builder: Any, array: Any, begin: Any) -> list[Any]:
    """Of WIDE numbers of an array from `begin` on, as vectors."""
    starts = [builder.add(begin, _int(vector * _LANES)) for vector in range(_VECTORS)]
    return [builder.bitcast(builder.gep(array, [start]), _VECTOR.as_pointer()) for start in starts]


def _emit(builder: Any, rows: Any, steps: Any, given: list[tuple[Any, list[Any]]], slope: Any, row_at: Any) -> None:
    (values, (begin, stride, step)), (weight, (place, apart)), (initial, (start, between)), (out, (to, beside)) = given
    last = builder.sub(rows, _int(1))
    own = [builder.select(builder.icmp_signed('<', _int(row), rows), _int(row), last) for row in range(ROWS)]
    begins = [builder.gep(values, [builder.add(begin, builder.mul(row, stride))]) for row in own]
    initially = [
        loaded(builder, _places(builder, initial, builder.add(start, builder.mul(row, between)))) for row in own
    ]

    before, loop = builder.block, builder.append_basic_block('steps')
    builder.branch(loop)
    builder.position_at_end(loop)
    number, along = builder.phi(_INT), builder.phi(_INT)
    sums = [[builder.phi(_VECTOR) for _ in row] for row in initially]
    near = loaded(builder, _places(builder, weight, builder.add(place, builder.mul(row_at(number), apart))))
    added = []
    for row, one in zip(sums, begins):
        value = spread(builder, builder.load(builder.gep(one, [along])), _LANES)
        products = [builder.fmul(value, vector, flags=_ONCE) for vector in near]
        added.append([builder.fadd(product, total, flags=_ONCE) for product, total in zip(products, row)])
    following = builder.add(number, _int(1))
    turns = [(number, _int(0), following), (along, _int(0), builder.add(along, step))]
    for of_row in zip(sums, initially, added):
        turns += zip(*of_row)
    for phi, first, then in turns:
        phi.add_incoming(first, before)
        phi.add_incoming(then, loop)
    done = builder.append_basic_block('done')
    builder.cbranch(builder.icmp_signed('<', following, steps), loop, done)

    builder.position_at_end(done)
    bend = spread(builder, slope, _LANES)
    for row, vectors in zip(own, added):
        places = _places(builder, out, builder.add(to, builder.mul(row, beside)))
        for place, vector in zip(places, vectors):
            bent = builder.fmul(vector, bend)
            builder.store(builder.select(builder.fcmp_ordered('>', vector, bent), vector, bent), place).align = 4


def _intrinsic(arrays: list[Any], index: list[Any]) -> tuple[Any, Any]:
    """A block of arrays of such types, and of an index or none."""
    values, weight, initial, out = arrays
    two, three = types.UniTuple(types.int64, 2), types.UniTuple(types.int64, 3)
    kinds = [types.int64, types.int64, values, three, weight, two, initial, two, types.float32, out, two, *index]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(number: int) -> Any:
            return context.make_array(kinds[number])(context, builder, arguments[number]).data

        def given(number: int) -> tuple[Any, list[Any]]:
            parts = range(kinds[number + 1].count)
            return data(number), [builder.extract_value(arguments[number + 1], part) for part in parts]

        def row_at(step: Any) -> Any:
            return builder.load(builder.gep(data(11), [builder.add(arguments[12], step)])) if index else step

        rows, steps = arguments[:2]
        _emit(builder, rows, steps, [given(array) for array in (2, 4, 6, 9)], arguments[8], row_at)
        return context.get_dummy_value()

    return types.void(*kinds), code


def _block(typing, rows, steps, values, of_values, weight, of_weight, initial, of_initial, slope, out, of_out):
    return _intrinsic([values, weight, initial, out], [])


def _block_of_rows(
    typing, rows, steps, values, of_values, weight, of_weight, initial, of_initial, slope, out, of_out, index, begin
):
    return _intrinsic([values, weight, initial, out], [index, types.int64])


block: Any = intrinsic(_block)
block_of_rows: Any = intrinsic(_block_of_rows)
