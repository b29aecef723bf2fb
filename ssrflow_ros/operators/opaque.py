"""Searches that torch.compile is to call and not to look into."""
from __future__ import annotations

from typing import Callable

import torch


def opaque(name: str, search: Callable[..., torch.Tensor],
           shape: Callable[..., tuple[int, ...]]) -> Callable[..., torch.Tensor]:
    """`search`, annotated, as an operator of torch: int64 tensors of the `shape` that follows from its arguments.

    `search` itself where torch has no such operators (before 2.4); `is_compiled` is never true there.
    """
    if not hasattr(torch.library, 'custom_op'):
        return search
    operator = torch.library.custom_op(f'ssrflow_ros::{name}', search, mutates_args=())
    operator.register_fake(lambda points, *rest: points.new_empty(shape(points, *rest), dtype=torch.int64))
    return operator
