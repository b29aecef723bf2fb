"""The optimisers of a training: AdamW as published, or Muon for the matrices inside the network."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import nn

from .config import TrainingConfig

_NARROW = 8  # a matrix with a side shorter than this (offsets in, flow out) has no spectrum worth evening out
_QUINTIC = (3.4445, -4.7750, 2.0315)  # of Muon's Newton-Schulz iteration: steepest at 0, near 1 after five rounds
_ROUNDS = 5


def make_optimiser(
    network: nn.Module, config: TrainingConfig, graphed: bool = False
) -> torch.optim.Optimizer | 'MuonAndAdamW':
    """`config.optimiser` over the parameters of `network`; `graphed`: its step can be captured as a CUDA graph."""
    if config.optimiser == 'muon':
        return MuonAndAdamW(network, config, graphed)
    return _adamw(network.parameters(), config, graphed)


def set_rate(optimiser: torch.optim.Optimizer | 'MuonAndAdamW', rate: float) -> None:
    """The learning rate of its next steps."""
    for group in optimiser.param_groups:
        if isinstance(group['lr'], torch.Tensor):
            group['lr'].fill_(rate)  # a graph knows it by its place
        else:
            group['lr'] = rate


def restore(optimiser: torch.optim.Optimizer | 'MuonAndAdamW', state: dict) -> None:
    """What its `state_dict` gave, of a training that may have been captured where this one is not, or the other way."""
    parts = (
        [(part, state[name]) for name, part in optimiser.parts.items()]
        if isinstance(optimiser, MuonAndAdamW)
        else [(optimiser, state)]
    )
    for part, saved in parts:
        for group, here in zip(saved['param_groups'], part.param_groups):
            group.update({name: here[name] for name in ('lr', 'capturable') if name in here})
        part.load_state_dict(saved)


class MuonAndAdamW:
    """Muon for matrices, AdamW for biases, norms and narrow layers."""

    def __init__(self, network: nn.Module, config: TrainingConfig, graphed: bool):
        wide: list[torch.Tensor] = []
        others: list[torch.Tensor] = []
        for parameter in network.parameters():
            wide_enough = parameter.ndim == 2 and min(parameter.shape) >= _NARROW
            (wide if wide_enough else others).append(parameter)
        rate = _rate(wide, config, graphed)
        self.parts = {'muon': Muon(wide, rate, config.muon_weight_decay), 'adamw': _adamw(others, config, graphed)}

    @property
    def param_groups(self) -> list[dict]:
        return [group for part in self.parts.values() for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts.values():
            part.zero_grad(set_to_none)

    def step(self) -> None:
        for part in self.parts.values():
            part.step()

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in self.parts.items()}


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024): the momentum of a matrix, its spectrum evened out, is the step.

    The step has the size of AdamW's (Liu et al., arXiv 2502.16982), so one learning rate serves both. torch.optim.Muon
    is the same but for rounding: it works in bfloat16, which most CPUs lack, and takes each matrix on its own.
    """

    def __init__(
        self, matrices: list[torch.Tensor], lr: float | torch.Tensor, weight_decay: float, momentum: float = 0.95
    ):
        super().__init__(matrices, {'lr': lr, 'weight_decay': weight_decay, 'momentum': momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for matrix in group['params']:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                for matrix in matrices:
                    self.state[matrix].setdefault('momentum_buffer', torch.zeros_like(matrix))
                gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
                momenta = [self.state[matrix]['momentum_buffer'] for matrix in matrices]
                torch._foreach_lerp_(momenta, gradients, 1 - group['momentum'])
                steps = _evened(torch.stack(torch._foreach_lerp(gradients, momenta, group['momentum'])))
                torch._foreach_mul_(matrices, 1 - group['lr'] * group['weight_decay'])
                torch._foreach_add_(matrices, list(steps * (-0.2 * math.sqrt(max(shape)) * group['lr'])))


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


def _adamw(parameters: Iterable[torch.Tensor], config: TrainingConfig, graphed: bool) -> torch.optim.AdamW:
    parameters = list(parameters)
    return torch.optim.AdamW(
        parameters,
        lr=_rate(parameters, config, graphed),
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
        capturable=graphed,
    )


def _rate(parameters: list[torch.Tensor], config: TrainingConfig, graphed: bool) -> float | torch.Tensor:
    return torch.tensor(config.learning_rate, device=parameters[0].device) if graphed else config.learning_rate
