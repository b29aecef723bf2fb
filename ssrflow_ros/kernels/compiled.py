"""How every kernel is compiled: by numba, once for a machine where something can be kept, else once a process."""
from __future__ import annotations

import contextlib
from typing import Any, Callable, TypeVar

from numba import njit
from numba.core.caching import FunctionCache

F = TypeVar('F', bound=Callable)


def compiled(kernel: F) -> F:
    """Compile a function of numbers and NumPy arrays at its first call; use as a decorator.

    It computes what the Python lines say: IEEE arithmetic in the order written, a division by zero gives inf or nan,
    an index out of range is NOT noticed. It does not hold Python's lock, so threads may share the work; it never
    starts threads itself, for numba's may end a process that forks or calls it from two threads.

    The machine code is kept in the first of these that can be written, and nowhere if none can: NUMBA_CACHE_DIR,
    `__pycache__` beside the kernel's file, ~/.cache/numba (XDG_CACHE_HOME). It is compiled anew when that file changes,
    but not when another does: a kernel calls only kernels of its own file.
    """
    function: Any = njit(nogil=True, fastmath=False, error_model='numpy')(kernel)
    with contextlib.suppress(RuntimeError):  # numba's word for: no folder can be written
        function._cache = _Cache(kernel)
    return function


class _Cache(FunctionCache):
    """numba's, but a file cut off by a power failure or a full disk costs a compilation and not the call."""

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever reading a damaged file ends in
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig, data):
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
