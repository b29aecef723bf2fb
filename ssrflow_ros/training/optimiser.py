"""The optimisers of a training: AdamW as published, or Muon for the matrices inside the network."""
from __future__ import annotations

import torch
from torch import nn

from ..errors import InputError
from .config import TrainingConfig

_NARROW = 8  # a matrix with a side shorter than this (offsets in, flow out) has no spectrum worth evening out


def make_optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer | 'MuonAndAdamW':
    """`config.optimiser` over the parameters of `network`."""
    if config.optimiser == 'muon':
        return MuonAndAdamW(network, config)
    return _adamw(network.parameters(), config)


class MuonAndAdamW:
    """Muon (Jordan et al., 2024; torch.optim.Muon) for matrices, AdamW for biases, norms and narrow layers.

    Muon's step has the size of AdamW's (Liu et al., arXiv 2502.16982), so one learning rate serves both.
    """

    def __init__(self, network: nn.Module, config: TrainingConfig):
        if not hasattr(torch.optim, 'Muon'):
            raise InputError(f'torch {torch.__version__} has no Muon: install torch 2.9 or later, '
                             'or set optimiser: adamw')
        wide, others = [], []
        for parameter in network.parameters():
            wide_enough = parameter.ndim == 2 and min(parameter.shape) >= _NARROW
            (wide if wide_enough else others).append(parameter)
        self._parts = {'muon': torch.optim.Muon(wide, lr=config.learning_rate, weight_decay=config.muon_weight_decay,
                                                momentum=0.95, adjust_lr_fn='match_rms_adamw'),
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


def _adamw(parameters, config: TrainingConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay)
