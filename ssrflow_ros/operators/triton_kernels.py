"""Whether the Triton kernels serve on a device: tried once, against the references, before they are trusted."""

from __future__ import annotations

import functools
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Callable, Iterator

import torch

from .reference import (
    attentive_patch_reference,
    cost_patch_reference,
    farthest_point_order_reference,
    k_nearest_reference,
)


@dataclass(frozen=True)
class Kernels:
    """What runs in place of the plain-torch references, with the same arguments; patches for a power of two of k."""

    k_nearest: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
    farthest_point_order: Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]
    most_points: int  # of a cloud that farthest_point_order takes
    attentive_patch: Callable[..., torch.Tensor]
    cost_patch: Callable[..., torch.Tensor]


_ON_META: ContextVar[Kernels | None] = ContextVar('kernels_on_meta', default=None)


def triton_kernels(device: torch.device) -> Kernels | None:
    """The kernels for `device`; None where it is no CUDA GPU or they fail on it, which is warned of once."""
    if device.type == 'meta':
        return _ON_META.get()
    return _of_gpu(device) if device.type == 'cuda' else None


@contextmanager
def kernels_on_meta(kernels: Kernels) -> Iterator[None]:
    """Within it torch's meta device, whose tensors have shapes and no content, has `kernels`, as a GPU would."""
    token = _ON_META.set(kernels)
    try:
        yield
    finally:
        _ON_META.reset(token)


@functools.cache
def _of_gpu(device: torch.device) -> Kernels | None:
    try:
        return checked(device)
    except Exception as error:  # a compiler, an assembler, a driver: each fails in its own way
        warnings.warn(
            f'the network on {device} runs in plain torch, which is slower: its Triton kernels fail '
            f"({type(error).__name__}: {error}): Triton of torch's own version and a C compiler are needed",
            stacklevel=2,
        )
        return None


def checked(device: torch.device) -> Kernels:
    """Load the kernels and run each on a small cloud; raise what they raise, RuntimeError if they are wrong."""
    from .triton_cost import cost_patch_triton
    from .triton_farthest_point import MOST_POINTS, farthest_point_order_triton
    from .triton_neighbours import k_nearest_triton
    from .triton_patch import attentive_patch_triton

    # Whole numbers: their squared distances are exact, so that no rounding decides.
    generator = torch.Generator().manual_seed(0)
    points = torch.randint(1000, (1, 50, 3), generator=generator).float().to(device)
    queries, first = points[:, :5], torch.zeros(1, dtype=torch.int64, device=device)
    if not (
        torch.equal(k_nearest_triton(queries, points, 4), k_nearest_reference(queries, points, 4))
        and torch.equal(farthest_point_order_triton(points, 9, first), farthest_point_order_reference(points, 9, first))
    ):
        raise RuntimeError('they find other points than the references')
    relation, own, other, weight, score, out_bias = (
        torch.randn(shape, generator=generator).to(device)
        for shape in ((1, 5, 16, 8), (1, 5, 40), (1, 50, 40), (40, 8), (40, 40), (40,))
    )
    given = relation, own, other, k_nearest_reference(queries, points, 16), weight
    attentive, cost = (*given, score / 40, 0.1), (*given, relation, weight, out_bias, 0.1)
    with torch.autocast(device.type, enabled=False):  # the first use is within the network's, which would round here
        wanted = attentive_patch_reference(*attentive), cost_patch_reference(*cost)
    found = attentive_patch_triton(*attentive), cost_patch_triton(*cost)
    if not all(torch.allclose(*pair, atol=1e-2, rtol=1e-2) for pair in zip(found, wanted)):
        raise RuntimeError('they embed other features than the references')
    return Kernels(
        k_nearest_triton, farthest_point_order_triton, MOST_POINTS, attentive_patch_triton, cost_patch_triton
    )
