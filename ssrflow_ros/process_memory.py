"""Bounds on what a process keeps of the memory that it has used: the node and the command line.

Nothing of it changes a result. Figures: docs/research/performance.md, "Memory".

On x86-64 processors that are not Intel's, oneDNN does the products (`operators/linear.py`). It makes code of its own
for every layer and every number of rows, 0.5 MB each, and torch keeps the newest 1024 of them: half a gigabyte where
each sweep gives the network another number of points. A pair of clouds asks for 59, or for 118 where their numbers
differ.

glibc gives each thread an arena of its own, and once a large array has been freed it takes arrays up to 32 MB from
these, where what is free between two that are kept stays with the process. One arena for all, and what is large from
the system and back to it, keep the process at what it needs.
"""

from __future__ import annotations

import ctypes
import os

_LARGE = 2**22  # bytes, from which on an array comes from the system by itself; less costs page faults (docs)
_SPARE = 2**24  # bytes that may stay free at the heap's end
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h


def bound_memory(layers: int = 128) -> None:
    """To be called before torch is loaded and the first thread begins. What the environment sets already stays so.

    layers  for so many of them, each with its number of rows, oneDNN's code is kept.
    """
    for name in ('LRU_CACHE_CAPACITY', 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'):  # torch's cache, and oneDNN's own
        os.environ.setdefault(name, str(layers))
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:  # glibc
        for option, variable, value in (
            (_M_ARENA_MAX, 'MALLOC_ARENA_MAX', 1),
            (_M_MMAP_THRESHOLD, 'MALLOC_MMAP_THRESHOLD_', _LARGE),
            (_M_TRIM_THRESHOLD, 'MALLOC_TRIM_THRESHOLD_', _SPARE),
        ):
            if variable not in os.environ:
                mallopt(option, value)
