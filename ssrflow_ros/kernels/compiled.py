"""How every kernel is compiled: by numba, once for a machine where something can be kept, else once a process."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, TypeVar

from llvmlite.binding import parse_assembly, parse_bitcode
from numba import njit, types
from numba.core.caching import FunctionCache

from .signatures import SIGNATURES

F = TypeVar('F', bound=Callable)


def compiled(kernel: F) -> F:
    """Compile a function of numbers and NumPy arrays at its first call; use as a decorator.

    It computes what the Python lines say: IEEE arithmetic in the order written, a division by zero gives inf or nan,
    an index out of range is NOT noticed. It does not hold Python's lock, so threads may share the work; it never
    starts threads itself, for numba's may end a process that forks or calls it from two threads.

    The machine code is kept in the first of these that can be written, and nowhere if none can: NUMBA_CACHE_DIR,
    `__pycache__` beside the kernel's file, ~/.cache/numba (XDG_CACHE_HOME). It is compiled anew when that file changes,
    or one beside it whose functions that file calls, of which the machine code holds parts. A first start compiles what
    is listed in `signatures.py`; what is not is compiled when it is first called.
    """
    return _compiled(kernel, False)


def contracted(kernel: F) -> F:
    """As `compiled`, but a product and its sum may be rounded once: quicker where nothing hangs on the last bit."""
    return _compiled(kernel, {'contract'})


def reordered(kernel: F) -> F:
    """As `contracted`, and a sum may be added up in any order, as the vector unit does it."""
    return _compiled(kernel, {'contract', 'reassoc'})


def _compiled(kernel: F, fastmath: bool | set[str]) -> F:
    # Nobody calls kernels from C: the way to do so would be a sixth of what there is to compile.
    options: dict[str, Any] = {'nogil': True, 'fastmath': fastmath, 'error_model': 'numpy', 'no_cfunc_wrapper': True}
    function: Any = njit(**options)(kernel)
    with contextlib.suppress(RuntimeError):  # numba's word for: no folder can be written
        function._cache = _Cache(kernel)
    return function


def cold_files() -> list[str]:
    """Files of kernels that this machine, or this process where nothing can be kept, has yet to compile; long ones
    first."""
    modules = {name: _module(name) for name in SIGNATURES}
    cold = [name for name, module in modules.items() if any(map(_is_cold, _kernels(module)))]
    return sorted(cold, key=lambda name: -Path(str(modules[name].__file__)).stat().st_size)


def can_be_kept() -> bool:
    """Whether there is a folder for what is compiled."""
    return all(isinstance(function._cache, _Cache) for name in SIGNATURES for function in _kernels(_module(name)))


def compile_file(name: str) -> None:
    """Compile the kernels of a file for what the method calls them with, and keep them."""
    module = _module(name)
    for kernel, signatures in SIGNATURES[name].items():
        for signature in signatures:
            getattr(module, kernel).compile(_types(signature, module))


def _module(name: str) -> ModuleType:
    return import_module(f'.{name}', __package__)


def _kernels(module: ModuleType) -> list[Any]:
    """Those that are called from outside."""
    return [getattr(module, name) for name in SIGNATURES[module.__name__.rpartition('.')[2]]]


def _is_cold(function: Any) -> bool:
    return not (function.signatures or (isinstance(function._cache, _Cache) and function._cache.holds_any()))


def _types(signature: str, module: ModuleType) -> tuple[Any, ...]:
    """numba's types of a line of SIGNATURES, which may name what is of the kernel's module."""
    return tuple(map(_type, eval(f'({signature},)', {**vars(types), 'bool': types.boolean, **vars(module)})))


def _type(written: Any) -> Any:
    if isinstance(written, tuple):
        return types.BaseTuple.from_types([_type(part) for part in written], type(written))
    return written


_NumbasLoading: Any = FunctionCache._impl_class


class _Loading(_NumbasLoading):
    """numba's way to load a kernel, with two differences. What is kept holds for the files that the kernel calls, too.
    And LLVM does not read its intermediate code, which takes two thirds of the time and is needed only where another
    kernel that calls it is compiled."""

    def __init__(self, kernel):
        super().__init__(kernel)
        of_its_file = self._locator.get_source_stamp
        self._locator.get_source_stamp = lambda: (of_its_file(), *map(_content, _called_files(kernel)))

    def rebuild(self, target_context, payload):
        try:
            return self._machine_code_of(target_context, payload)
        except Exception:  # another version of numba
            return super().rebuild(target_context, payload)

    def _machine_code_of(self, target_context, payload):
        (name, kind, (machine_code, intermediate)), described, *rest = payload
        # numba would find in the intermediate code which name the machine code has for Python.
        target_context.codegen()._engine._defined_symbols.add(described.llvm_cpython_wrapper_name)
        loaded = super().rebuild(target_context, ((name, kind, (machine_code, _nothing())), described, *rest))
        loaded.library._get_module_for_linking = cache(partial(parse_bitcode, intermediate))
        return loaded


def _called_files(kernel: Callable) -> list[str]:
    """Of the functions that its file takes from those beside it, and these from others."""
    folder = Path(kernel.__code__.co_filename).parent
    found, ask = dict[str, str](), [kernel.__globals__]
    while ask:
        for name in {getattr(value, '__module__', None) or '' for value in ask.pop().values()} - {*found}:
            module = sys.modules.get(name)
            file = getattr(module, '__file__', None)
            if file and Path(file).parent == folder:
                found[name] = file
                ask.append(vars(module))
    return sorted(found.values())


@cache
def _content(file: str) -> bytes:
    """What tells it from another."""
    return hashlib.sha256(Path(file).read_bytes()).digest()


@cache
def _nothing() -> bytes:
    """Intermediate code of nothing."""
    return parse_assembly('').as_bitcode()


class _Cache(FunctionCache):
    """numba's, but a file cut off by a power failure or a full disk costs a compilation and not the call."""

    _impl_class = _Loading

    def holds_any(self) -> bool:
        """Whether anything is kept of the kernel as it is now."""
        try:
            return bool(self._cache_file._load_index())
        except Exception:  # as below
            return False

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
