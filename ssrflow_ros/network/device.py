"""Where the network runs."""
from __future__ import annotations

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
        raise InputError(f"device: '{name}' was asked for, but torch finds no CUDA GPU: "
                         'give cpu or auto, or install a CUDA build of torch')
    return device
