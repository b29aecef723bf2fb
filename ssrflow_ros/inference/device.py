"""Where the network runs, and in which precision."""

from __future__ import annotations

import os

import torch

from ..errors import InputError


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
    """Let torch, and the searches with it, take so many threads of this whole process; 0: half of the cores.

    With these the network is quickest beside what else a sweep needs: on two cores one thread made 3.1 sweeps/s and two
    made 2.0, for its parts are too short for threads that sleep between them, and threads that spin take the core from
    the thread that prepares the next sweep (docs/performance.md). No more than torch has already.
    """
    torch.set_num_threads(asked or max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // 2)))
