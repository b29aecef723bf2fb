"""The optimisers of a training: AdamW as published, or Muon for the matrices inside the network."""
from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import nn

from .config import TrainingConfig

_NARROW = 8  # a matrix with a side shorter than this (offsets in, flow out) has no spectrum worth evening out
_QUINTIC = (3.4445, -4.7750, 2.0315)  # of Muon's Newton-Schulz iteration: steepest at 0, near 1 after five rounds
_ROUNDS = 5


def make_optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer | 'MuonAndAdamW':
    """`config.optimiser` over the parameters of `network`."""
    if config.optimiser == 'muon':
        return MuonAndAdamW(network, config)
    return _adamw(network.parameters(), config)


class MuonAndAdamW:
    """Muon for matrices, AdamW for biases, norms and narrow layers."""

    def __init__(self, network: nn.Module, config: TrainingConfig):
        wide, others = [], []
        for parameter in network.parameters():
            wide_enough = parameter.ndim == 2 and min(parameter.shape) >= _NARROW
            (wide if wide_enough else others).append(parameter)
        self._parts = {'muon': Muon(wide, config.learning_rate, config.muon_weight_decay),
                       'adamw': _adamw(others, config)}

    @property
    def param_groups(self) -> list[dict]:
        return [group for part in self._parts.values() for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self._parts.values():
            part.zero_grad(set_to_none)

    def step(self) -> None:
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024): the momentum of a matrix, its spectrum evened out, is the step.

    The step has the size of AdamW's (Liu et al., arXiv 2502.16982), so one learning rate serves both. torch.optim.Muon
    is the same but for rounding: it works in bfloat16, which most CPUs lack, and takes each matrix on its own.
    """

    def __init__(self, matrices: list[torch.Tensor], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(matrices, {'lr': lr, 'weight_decay': weight_decay, 'momentum': momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for matrix in group['params']:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                for matrix in matrices:
                    self.state[matrix].setdefault('momentum_buffer', torch.zeros_like(matrix))
                gradients = [matrix.grad for matrix in matrices]
                momenta = [self.state[matrix]['momentum_buffer'] for matrix in matrices]
                torch._foreach_lerp_(momenta, gradients, 1 - group['momentum'])
                steps = _evened(torch.stack(torch._foreach_lerp(gradients, momenta, group['momentum'])))
                torch._foreach_mul_(matrices, 1 - group['lr'] * group['weight_decay'])
                torch._foreach_add_(matrices, list(steps), alpha=-0.2 * math.sqrt(max(shape)) * group['lr'])


def _evened(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices (n, R, C) with all their singular values brought near 1, by Newton-Schulz iteration."""
    if matrices.shape[1] > matrices.shape[2]:
        return _evened(matrices.mT).mT
    a, b, c = _QUINTIC
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _adamw(parameters, config: TrainingConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay)
