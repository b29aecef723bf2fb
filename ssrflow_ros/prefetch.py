"""Successive sweeps overlapped: the next ones are made ready in threads of their own while this one is worked on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, TypeVar

Item = TypeVar('Item')
Prepared = TypeVar('Prepared')
Made = TypeVar('Made')


def prefetch(
    prepare: Callable[[Item], Prepared], infer: Callable[[Prepared], Made], items: Iterable[Item]
) -> Iterator[tuple[Item, 'Future[Made]']]:
    """Each item and the future of `infer(prepare(item))`, in order; while one is with the caller, the next one is
    inferred and the one after that is prepared.

    `items` are taken in the caller's thread. `prepare` and `infer` run in another one each, one item at a time; what
    `prepare` raises, the future raises.
    """
    prepared = _one_ahead(prepare, items)
    for (item, _), made in _one_ahead(lambda both: infer(both[1].result()), prepared):
        yield item, made


def _one_ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[tuple[Item, 'Future[Made]']]:
    """Each item and the future of `make(item)`; the next one is begun before this one is handed out."""
    with ThreadPoolExecutor(1, 'ssrflow_prefetch') as thread:
        begun: tuple[Item, Future[Made]] | None = None
        for item in items:
            following = item, thread.submit(make, item)
            if begun is not None:
                yield begun
            begun = following
        if begun is not None:
            yield begun
