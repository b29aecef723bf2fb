"""Successive sweeps overlapped: the next one is made ready in a thread of its own while this one is worked on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, TypeVar

Item = TypeVar('Item')
Made = TypeVar('Made')


def prefetch(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[tuple[Item, 'Future[Made]']]:
    """Each item and the future of `make(item)`, in order; the next one is begun before this one is handed out.

    `items` are taken in the caller's thread, `make` runs in another one, one item at a time, at most
    one item ahead.
    """
    with ThreadPoolExecutor(1, 'ssrflow_prefetch') as thread:
        begun: tuple[Item, Future[Made]] | None = None
        for item in items:
            following = item, thread.submit(make, item)
            if begun is not None:
                yield begun
            begun = following
        if begun is not None:
            yield begun
