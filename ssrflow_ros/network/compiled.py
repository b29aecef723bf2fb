"""The network compiled for this processor: what runs between two searches for neighbours becomes a few C++ loops."""
from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch

from .padded import PaddedFlow
from .ssrflow import SSRFlow


class CompiledFlow(PaddedFlow):
    """A `PaddedFlow` on the CPU, compiled by torch.compile at the first pair.

    That takes minutes the first time on a machine, and less later: what was made is kept in
    $XDG_CACHE_HOME/ssrflow_ros, ~/.cache by default. Where it fails (no C++ compiler) the network runs as it is,
    which is warned of once.
    """

    def __init__(self, network: SSRFlow, n_points: int, precision: torch.autocast):
        super().__init__(network, n_points, precision)
        cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
        os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(cache / 'ssrflow_ros'))
        self._compiled = torch.compile(super()._flow, fullgraph=True, dynamic=False)
        self._fails = False

    def _flow(self) -> torch.Tensor:
        if not self._fails:
            try:
                return self._compiled()
            except Exception as error:  # tracer, code generator, compiler: each fails in its own way
                self._fails = True
                warnings.warn('the network runs uncompiled, which is slower: torch.compile fails '
                              f'({type(error).__name__}: {str(error).strip().splitlines()[0]}): '
                              'a C++ compiler is needed (sudo apt install g++)', stacklevel=3)
        return super()._flow()
