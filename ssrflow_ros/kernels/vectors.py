"""Vectors of the processor's registers in LLVM's words, for loops that it would not find by itself."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

_SMALL = ir.IntType(32)


def spread(builder: Any, number: Any, lanes: int) -> Any:
    """A vector of one number again and again."""
    nothing = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_SMALL, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_SMALL, lanes), [0] * lanes))


def loaded(builder: Any, places: list[Any]) -> list[Any]:
    """Those that begin at the places, which are of numbers of 4 bytes and need not be aligned to more."""
    vectors = [builder.load(place) for place in places]
    for vector in vectors:
        vector.align = 4
    return vectors
