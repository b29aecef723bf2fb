"""Where the network runs, and in which precision."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import torch

from .. import team
from ..errors import InputError

_CORES = torch.get_num_threads()  # as torch sees them before anybody tells it otherwise
_MOST = 4  # threads, unless more are asked for: what they cannot share is a fifth of the network


def choose_device(name: str) -> torch.device:
    """The torch device of a setting: 'auto', 'cpu', 'cuda' or 'cuda:N'."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device: '{name}' is not known: give auto, cpu, cuda or cuda:N") from None
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise InputError(
            f"device: '{name}' was asked for, but torch finds no CUDA GPU: "
            'give cpu or auto, or install a CUDA build of torch'
        )
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which the network runs in a setting's precision, 'float32', 'float16' or 'bfloat16'.

    Coordinates, their differences, neighbour search and the flow stay in float32 whatever is given here.
    """
    if precision == 'float32':
        return torch.autocast(device.type, enabled=False)
    if device.type != 'cuda':
        raise InputError(f"precision: '{precision}' is for a GPU and would be slower here: give float32")
    return torch.autocast(device.type, getattr(torch, precision))


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was told to; only who takes the time needs to."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def set_threads(asked: int) -> None:
    """Let the method's loops and searches take so many threads of this whole process; 0: as many as there are cores, at
    most four.

    They share tiles by turns (`team.py`), and torch, which does the little that is left, has one.
    """
    team.set_size(asked or min(_CORES, _MOST))
    torch.set_num_threads(1)


def threads() -> int:
    """How many the network has."""
    return max(team.size(), torch.get_num_threads())


@contextmanager
def lent_to_torch() -> Iterator[None]:
    """Torch has as many as the network."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)
