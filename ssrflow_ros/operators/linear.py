"""The linear layer of many rows: oneDNN's on the CPU, torch's own elsewhere."""
from __future__ import annotations

import platform

import torch
from torch import nn
from torch.nn import functional as F

from .reference import is_traced

_ONEDNN = (torch.ops.mkldnn._linear_pointwise
           if platform.machine() in ('x86_64', 'AMD64') and torch.backends.mkldnn.is_available()
           and hasattr(torch.ops.mkldnn, '_linear_pointwise') and hasattr(torch, 'get_autocast_dtype')  # torch 2.4
           else None)
_LEAST_WORK = 2**19  # multiplications; below, a call of oneDNN costs more than it saves
_WIDE = 64  # from here on oneDNN's product over the rows is the faster one too


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x (..., C) @ weight (D, C) transposed + bias (D,) -> (..., D); differentiable once.

    torch.nn.functional.linear goes through the BLAS that torch was built with. MKL, that of the x86
    wheels, leaves AVX-512 alone on processors that are not Intel's: there oneDNN is twice as fast.
    """
    rows = x.numel() // max(1, x.shape[-1])
    if (_ONEDNN is None or x.device.type != 'cpu' or rows * weight.numel() < _LEAST_WORK or x.dtype != torch.float32
            or is_traced() or torch.is_autocast_enabled('cpu') or not torch.backends.mkldnn.enabled):
        return F.linear(x, weight, bias)
    rows = x.reshape(rows, -1)
    # The autograd function sees rows only: views made inside of it could not be modified in place.
    grad = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    out = _Linear.apply(rows, weight, bias) if grad else _product(rows, weight, bias)
    return out.view(*x.shape[:-1], len(weight))


class Linear(nn.Linear):
    """torch.nn.Linear by `linear`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return linear(x, self.weight, self.bias)


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return _ONEDNN(x, weight, bias, 'none', [], '')


class _Linear(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        ctx.bias = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _product(gradient, weight.t())
        if ctx.needs_input_grad[1]:
            wide = min(weight.shape) >= _WIDE
            of_weight = _product(gradient.t(), x.t()) if wide else gradient.t() @ x
        if ctx.bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum(0)
        return of_x, of_weight, of_bias
