"""Searches that compiled code is to call back into Python for, and not to look into."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Iterator

import torch

_OPAQUE: ContextVar[bool] = ContextVar('opaque', default=False)


@contextmanager
def opaque_searches() -> Iterator[None]:
    """Whatever is traced in here keeps its searches as calls of the operators that `opaque` made."""
    token = _OPAQUE.set(True)
    try:
        yield
    finally:
        _OPAQUE.reset(token)


def are_opaque() -> bool:
    """Whether this is within `opaque_searches`; else a tracer gets plain torch, as other runtimes need it."""
    return _OPAQUE.get()


def opaque(
    name: str, search: Callable[..., torch.Tensor], shape: Callable[..., tuple[int, ...]]
) -> Callable[..., torch.Tensor]:
    """`search`, annotated, as an operator of torch: int64 tensors of the `shape` that follows from its arguments.

    `search` itself where torch has no such operators (before 2.4) and compiles nothing here.
    """
    if not hasattr(torch.library, 'custom_op'):
        return search
    operator = torch.library.custom_op(f'ssrflow_ros::{name}', search, mutates_args=())
    operator.register_fake(lambda points, *rest: points.new_empty(shape(points, *rest), dtype=torch.int64))
    return operator
