"""Clouds filled up to a size that never changes, as CUDA graphs need them: a count says how many rows are points."""

from __future__ import annotations

import torch


def is_padding(count: torch.Tensor, size: int) -> torch.Tensor:
    """(B, size) bool, True for the rows after the first `count` (B,); nobody waits for the counts."""
    return torch.arange(size, device=count.device) >= count[:, None]
