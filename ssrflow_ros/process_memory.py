"""Bounds on what a process keeps of the memory that it has used: the node and the command line.

Nothing of it changes a result. Figures: docs/research/performance.md, "Memory".

On AMD's processors with AVX-512, oneDNN does the products of layers (`operators/linear.py`). It makes code of
its own for every layer and every number of rows, 0.5 MB each, and torch keeps the newest 1024 of them: half a gigabyte
where each sweep gives the network another number of points. A pair of clouds asks for 59, or for 118 where their
numbers differ.

glibc gives each thread an arena of its own, and once a large array has been freed it takes arrays up to 32 MB from
these, where what is free between two that are kept stays with the process. One arena for all, and what is large from
the system and back to it, keep the process near what it needs. Near only: what is free between the small pieces of
that arena grows for as long as the node runs. jemalloc keeps pieces of one size together, and with it the node stays
at what it held after the first minutes; so the node, and what else estimates for long, runs on it where it is
installed.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import Iterator

_LARGE = 2**23  # bytes, from which on an array comes from the system by itself; less costs page faults (docs)
_SPARE = 2**26  # bytes that may stay free at the heap's end: what one sweep gives back the next one takes
_MADV_DONTNEED = 4  # mman.h
_JEMALLOC = 'libjemalloc.so.2'  # since jemalloc 4, wherever it is packaged
_JEMALLOC_SETTINGS = 'narenas:1,background_thread:true'  # one arena for all threads; gives back while nothing happens
_ENDINGS = signal.SIGINT, signal.SIGTERM
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h


def run_on_jemalloc() -> None:
    """Where jemalloc is installed, begin this program anew on it; to be called in the main thread, before there is
    another one, once SIGINT and SIGTERM are handled.

    An allocator is exchanged only before a process begins, so the process becomes the same program with the same
    arguments (`exec`): its number, its files and its parent stay. Whoever has set LD_PRELOAD, be it to nothing, has
    chosen, and is left alone, and so is a machine on which nothing runs with it. Linux; elsewhere nothing happens.
    """
    if os.environ.get('LD_PRELOAD') == _JEMALLOC:
        del os.environ['LD_PRELOAD']  # what this process starts chooses for itself
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
        return
    if not sys.platform.startswith('linux') or 'LD_PRELOAD' in os.environ:
        return
    import subprocess  # 4 ms, which no `--help` needs

    environment = {'MALLOC_CONF': _JEMALLOC_SETTINGS, **os.environ, 'LD_PRELOAD': _JEMALLOC}
    try:
        # The loader tells of a library that is missing, jemalloc of settings or pages that it cannot work with.
        trial = subprocess.run(['true'], env=environment, stderr=subprocess.PIPE)
    except OSError:
        return
    if not trial.returncode and not trial.stderr:
        # A Python that begins would meet them unprepared: they wait until they are handled again.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        with suppress(OSError):  # a Python without a file of its own
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)


def allocator() -> str:
    """What gives this process its memory, in a word for a log."""
    return 'jemalloc' if hasattr(ctypes.CDLL(None), 'mallctl') else "the C library's"


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


@contextmanager
def loading() -> Iterator[None]:
    """Libraries are loaded in this block: Python's collector does not look meanwhile, nor afterwards, for garbage among
    the half a million objects that they make, nearly all of which stay."""
    gc.collect()  # what is garbage now would stay, too
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def give_back_code() -> None:
    """Let go of what of the libraries' code and constants only the start needed: LLVM's, the registration of torch's
    operators. To be called once everything has been used; what is needed after all is mapped again from the file.

    Only pages that are as they are in the file go, so nothing can be lost. Linux; elsewhere nothing happens.
    """
    madvise = getattr(ctypes.CDLL(None), 'madvise', None)
    if madvise is not None:
        for begin, end in _untouched_code():
            madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)


def give_back_heap() -> None:
    """Let the system have what is free between arrays that are kept. glibc; elsewhere nothing happens."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


def _untouched_code() -> Iterator[tuple[int, int]]:
    """Begin and end of each private, read-only mapping of a file, of which this process has changed no page."""
    try:
        with open('/proc/self/smaps') as file:
            lines = file.read().splitlines()
    except OSError:  # no Linux
        return
    begin = end = 0
    for line in lines:
        first, *rest = line.split()
        if not first.endswith(':'):
            # Such as: 7fef14765000-7fef19794000 r-xp 00365000 fe:00 5489210 /usr/lib/libllvmlite.so
            begin, end = (int(address, 16) for address in first.split('-'))
            is_code = len(rest) > 4 and rest[4].startswith('/') and rest[0][1] == '-' and rest[0][3] == 'p'
        elif first == 'Anonymous:' and is_code and rest[0] == '0':
            yield begin, end
