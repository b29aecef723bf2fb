"""One training in several processes, of one or many machines: whatever they must agree on.

`torchrun` starts the processes and tells each its place in the environment. Without it there is one
process, and every function here answers at once. A batch is dealt out to the processes; gradients
are those of one process on the whole batch.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator

import torch
from torch import distributed

from ..errors import InputError


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Within the block this process is one of those that torchrun started; gives the device that is its own."""
    if int(os.environ.get('WORLD_SIZE', 1)) == 1:
        yield device
        return
    if device.type == 'cuda':
        device = torch.device('cuda', int(os.environ['LOCAL_RANK']))
        torch.cuda.set_device(device)
    distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """Processes in this training."""
    return distributed.get_world_size() if _several() else 1


def rank() -> int:
    """Number of this process; 0 writes and speaks."""
    return distributed.get_rank() if _several() else 0


def share(batch: int) -> range:
    """Places of this process in a batch of all processes."""
    if batch % count():
        raise InputError(f'batch: {batch} pairs cannot be dealt out to {count()} processes: give a multiple of that')
    size = batch // count()
    return range(rank() * size, (rank() + 1) * size)


def mean(value: torch.Tensor) -> torch.Tensor:
    """Mean of `value`, which carries no gradient, over the processes."""
    if not _several():
        return value
    value = value.detach().clone()
    distributed.all_reduce(value)
    return value / count()


def mean_row(rows: torch.Tensor) -> list[float]:
    """Mean of each column of `rows` (n, C) over the rows of all processes, nan left out."""
    told = torch.stack([rows.nan_to_num(0.0).sum(dim=0), (~rows.isnan()).sum(dim=0).to(rows.dtype)])
    total, number = mean(told)
    return (total / number).tolist()  # nan where no row had any


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether any process says so; all get the same answer."""
    return mean(torch.tensor(float(flag), device=device)).item() > 0


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
