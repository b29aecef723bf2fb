"""How threads share the tiles of a loop: whoever is free takes the next one, and all wait for the last.

A loop over m rows has a `turn`, two int64, zeros at first: the next row that nobody has taken, and how many are done.
All threads call the same kernel with the same arrays, and each may come late or never, for whoever is there does the
rest. What a tile gives does not depend on who does it, so the answer is the same with any number of threads.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic, register_jitable

_GIVE_WAY: Any = types.ExternalFunction('sched_yield', types.int32())


def _adding(typing_context: Any, numbers: Any, place: Any, more: Any) -> Any:
    """numbers[place] as it was before `more` was added, in one step for all threads."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw('add', builder.gep(array.data, [arguments[1]]), arguments[2], 'seq_cst')

    return types.int64(numbers, types.int64, types.int64), code


_added: Any = intrinsic(_adding)


@register_jitable
def tiles_of(turn, tile, rows):
    """The first row of each tile that is the caller's to do, and the one after its last; it ends when all rows are
    done, by whomever."""
    begin = _added(turn, 0, tile)
    while begin < rows:
        yield begin, min(rows, begin + tile)
        _added(turn, 1, tile)
        begin = _added(turn, 0, tile)
    while _added(turn, 1, 0) < rows:
        _GIVE_WAY()
