"""The network on an NVIDIA GPU: clouds of one size, whose flow is one CUDA graph."""
from __future__ import annotations

import warnings

import numpy as np
import torch

from .ssrflow import SSRFlow

_WARM_UPS = 3  # passes before the capture: libraries choose their kernels, and ours are compiled and checked


class GraphedFlow:
    """`SSRFlow.flow` of pairs of clouds of at most `n_points`, where the network is now.

    Smaller clouds are filled up with padding, so that all shapes stay the same: all kernels of the network are
    captured at the first pair and launched at once for each one after. Where the capture fails they are launched
    one by one, which is warned of. The graph knows the weights by their place: make a new object when they move.

    precision  the context in which the network runs, `autocast`'s.
    """

    def __init__(self, network: SSRFlow, n_points: int, precision: torch.autocast):
        device = next(network.parameters()).device
        self._network, self._precision = network, precision
        # What the graph reads stays in its place; rows that no cloud has filled yet are numbers too.
        self._clouds = torch.zeros(2, 1, n_points, 6, device=device)
        self._counts = torch.ones(2, 1, dtype=torch.int64, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._flow: torch.Tensor | None = None  # what the graph writes
        self._fails = False

    @torch.inference_mode()
    def __call__(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """Points and offsets (n, 6), (m, 6) as `SSRFlow.flow`, 1 <= n, m <= n_points -> flow (n, 3) m on the device.

        Returns before the device is done; the flow is overwritten by the next call.
        """
        for cloud, padded, count in zip((source, target), self._clouds[:, 0], self._counts):
            padded[:len(cloud)].copy_(torch.from_numpy(cloud), non_blocking=True)
            count.fill_(len(cloud))
        if self._graph is None and not self._fails:
            self._capture()
        if self._fails:
            flow = self._forward()
        else:
            self._graph.replay()
            flow = self._flow
        return flow[0, :len(source)]

    def _forward(self) -> torch.Tensor:
        with self._precision:
            return self._network.flow(*self._clouds, *self._counts)

    def _capture(self) -> None:
        stream, now = torch.cuda.Stream(self._clouds.device), torch.cuda.current_stream(self._clouds.device)
        stream.wait_stream(now)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._forward()
            try:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=stream):
                    self._flow = self._forward()
                self._graph = graph
            except RuntimeError as error:
                self._fails, self._flow = True, None
                warnings.warn(f'the network runs without a CUDA graph, which is slower: its capture fails '
                              f'({error.__context__ or error})',
                              stacklevel=3)
        now.wait_stream(stream)
