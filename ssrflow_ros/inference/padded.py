"""The network for clouds of one size, so that it can be made ready once for all pairs."""

from __future__ import annotations

import numpy as np
import torch

from ..network.ssrflow import SSRFlow


class PaddedFlow:
    """`SSRFlow.flow` of pairs of clouds of at most `n_points`, where the network is now.

    Smaller clouds are filled up with padding, so that all shapes stay the same. A subclass says in `_flow` how the
    network runs on them.

    precision  the context in which the network runs, `autocast`'s.
    """

    def __init__(self, network: SSRFlow, n_points: int, precision: torch.autocast):
        device = next(network.parameters()).device
        self._network, self._precision = network, precision
        # What is made ready may know these by their place; rows that no cloud has filled yet are numbers too.
        self._clouds = torch.zeros(2, 1, n_points, network.config.columns, device=device)
        self._counts = torch.ones(2, 1, dtype=torch.int64, device=device)

    @torch.inference_mode()
    def __call__(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """Points and what is known of them (n, C), (m, C) as `SSRFlow.flow`, 1 <= n, m <= n_points -> flow (n, 3) m.

        Returns before a GPU is done; the flow may be overwritten by the next call.
        """
        for cloud, padded, count in zip((source, target), self._clouds[:, 0], self._counts):
            padded[: len(cloud)].copy_(torch.from_numpy(cloud[:, : padded.shape[1]]), non_blocking=True)
            count.fill_(len(cloud))
        return self._flow()[0, : len(source)]

    def _flow(self) -> torch.Tensor:
        """Flow (1, n_points, 3) of the clouds as they are."""
        with self._precision:
            return self._network.flow(*self._clouds, *self._counts)
