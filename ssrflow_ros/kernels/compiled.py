"""How every kernel is compiled: by numba, once for a machine where something can be kept, else once a process."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable, TypeVar

from numba import njit
from numba.core.caching import FunctionCache

F = TypeVar('F', bound=Callable)
_KERNELS: list[Any] = []

COMPILING = 'compiling the loops for this machine, once: one to two minutes'
"""To be told before the first call of kernels that `are_cold`."""


def compiled(kernel: F) -> F:
    """Compile a function of numbers and NumPy arrays at its first call; use as a decorator.

    It computes what the Python lines say: IEEE arithmetic in the order written, a division by zero gives inf or nan,
    an index out of range is NOT noticed. It does not hold Python's lock, so threads may share the work; it never
    starts threads itself, for numba's may end a process that forks or calls it from two threads.

    The machine code is kept in the first of these that can be written, and nowhere if none can: NUMBA_CACHE_DIR,
    `__pycache__` beside the kernel's file, ~/.cache/numba (XDG_CACHE_HOME). It is compiled anew when that file changes,
    but not when another does: a kernel calls only kernels of its own file.
    """
    return _compiled(kernel, False)


def contracted(kernel: F) -> F:
    """As `compiled`, but a product and its sum may be rounded once: quicker where nothing hangs on the last bit."""
    return _compiled(kernel, {'contract'})


def reordered(kernel: F) -> F:
    """As `contracted`, and a sum may be added up in any order, as the vector unit does it."""
    return _compiled(kernel, {'contract', 'reassoc'})


def _compiled(kernel: F, fastmath: bool | set[str]) -> F:
    function: Any = njit(nogil=True, fastmath=fastmath, error_model='numpy')(kernel)
    with contextlib.suppress(RuntimeError):  # numba's word for: no folder can be written
        function._cache = _Cache(kernel)
    _KERNELS.append(function)
    return function


def are_cold() -> bool:
    """Whether the kernels loaded so far have yet to be compiled on this machine, one to two minutes of one core."""
    return bool(_KERNELS) and not any(function.signatures or _is_kept(function._cache) for function in _KERNELS)


def _is_kept(cache: Any) -> bool:
    return isinstance(cache, _Cache) and Path(cache._cache_file._index_path).exists()


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
