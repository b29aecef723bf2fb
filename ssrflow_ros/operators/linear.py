"""The linear layer of many rows: oneDNN's on AMD's processors with AVX-512, torch's own elsewhere."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from . import cpu_patches
from .reference import is_traced


def _cpuinfo() -> str:
    try:
        return Path('/proc/cpuinfo').read_text()
    except OSError:
        return ''


_IS_X86 = platform.machine() in ('x86_64', 'AMD64')
_ONEDNN: Any = (
    torch.ops.mkldnn._linear_pointwise
    if _IS_X86
    and 'GenuineIntel' not in _cpuinfo()
    and 'avx512f' in _cpuinfo()
    and torch.backends.mkldnn.is_available()
    and hasattr(torch.ops.mkldnn, '_linear_pointwise')
    and hasattr(torch, 'get_autocast_dtype')  # torch 2.4
    else None
)
MKL_ALONE = _IS_X86 and _ONEDNN is None and torch.backends.mkl.is_available()
"""Whether MKL does all products of torch on a CPU."""
if MKL_ALONE:  # in as much time; read with MKL's first product
    os.environ.setdefault('MKL_CBWR', 'AUTO,STRICT')
# Fewer rows and fewer multiplications than these: a call of oneDNN costs more than it saves.
_MANY_ROWS = 2**13
_LEAST_WORK = 2**21


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, slope: float = 1.0) -> torch.Tensor:
    """x (..., C) @ weight (D, C) transposed + bias (D,) -> (..., D), LeakyReLU of `slope` on it; differentiable once.

    torch.nn.functional.linear goes through the BLAS that torch was built with. MKL, that of the x86
    wheels, leaves AVX-512 alone on processors that are not Intel's: there oneDNN is twice as fast. On Intel's, and on
    AMD's with AVX2 alone, MKL is as quick or quicker, and makes no code for every number of rows (`process_memory.py`).
    """
    grad = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    rows = x.numel() // max(1, x.shape[-1])
    if (
        _ONEDNN is None
        or x.device.type != 'cpu'
        or _few(rows, weight)
        or x.dtype != torch.float32
        or is_traced()
        or torch.is_autocast_enabled('cpu')
        or not torch.backends.mkldnn.enabled
    ):
        return _by_torch(x, weight, bias, slope, grad)
    return _Linear.apply(x, weight, bias, slope) if grad else _product(x, weight, bias, slope)


class Linear(nn.Linear):
    """torch.nn.Linear by our own loops where they serve, else by `linear`."""

    def __init__(self, into: int, out: int, bias: bool = True):
        super().__init__(into, out, bias)
        self._panels = cpu_patches.Weights(self, self._layers)

    def forward(self, x: torch.Tensor, slope: float = 1.0) -> torch.Tensor:
        """x (..., C) -> (..., D), LeakyReLU of `slope` on it."""
        if cpu_patches.fits(x):
            return cpu_patches.layer(x, self._panels, slope)
        return linear(x, self.weight, self.bias, slope)

    def _layers(self) -> nn.Module:
        return self


def _by_torch(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, slope: float, grad: bool
) -> torch.Tensor:
    out = F.linear(x, weight, bias)
    return out if slope == 1 else F.leaky_relu(out, slope, inplace=not grad)


def _few(rows: int, weight: torch.Tensor) -> bool:
    return rows < _MANY_ROWS and rows * weight.numel() < _LEAST_WORK


def _product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, slope: float = 1.0
) -> torch.Tensor:
    return _ONEDNN(x, weight, bias, *(('none', []) if slope == 1 else ('leaky_relu', [slope])), '')


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, slope: float
    ) -> torch.Tensor:
        out = _product(x, weight, bias, slope)
        ctx.save_for_backward(x, weight, out if slope != 1 else None)
        ctx.bias, ctx.slope = bias is not None, slope
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, out = ctx.saved_tensors
        if ctx.slope != 1:  # the output has the sign of what went into LeakyReLU
            gradient = torch.ops.aten.leaky_relu_backward(gradient, out, ctx.slope, True)
        rows = gradient.reshape(-1, gradient.shape[-1])
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _product(gradient, weight.t())
        if ctx.needs_input_grad[1]:
            of_weight = rows.t() @ x.reshape(-1, x.shape[-1])
        if ctx.bias and ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return of_x, of_weight, of_bias, None
