"""The network as it is, for clouds of any size."""

from __future__ import annotations

import numpy as np
import torch

from ..network.ssrflow import SSRFlow


class PlainFlow:
    """`SSRFlow.flow` of a pair, where the network is now; `precision` is the context in which it runs, `autocast`'s."""

    def __init__(self, network: SSRFlow, precision: torch.autocast):
        self._network, self._precision = network, precision

    def __call__(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """As `FlowRunner`."""
        device = next(self._network.parameters()).device
        clouds = [torch.from_numpy(points)[None].to(device) for points in (source, target)]
        with self._precision:
            return self._network.flow(*clouds)[0]
