"""The network on an NVIDIA GPU: all its kernels as one CUDA graph, for clouds of one size."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from ..network.ssrflow import SSRFlow

_WARM_UPS = 3  # passes before the capture: libraries choose their kernels, and ours are compiled and checked


class GraphedFlow:
    """`SSRFlow.flow` of pairs of clouds of at most `n_points`, where the network is now.

    Its kernels are captured at the first pair and launched at once for each one after. Smaller clouds are filled up
    with padding, so that all shapes stay the same. Where the capture fails, kernels are launched one by one, which is
    warned of. The graph knows the weights by their place: make a new object when they move.

    precision  the context in which the network runs, `autocast`'s.
    """

    def __init__(self, network: SSRFlow, n_points: int, precision: torch.autocast):
        device = next(network.parameters()).device
        self._network, self._precision = network, precision
        # The graph knows these by their place; rows that no cloud has filled yet are numbers too.
        self._clouds = torch.zeros(2, 1, n_points, network.config.columns, device=device)
        self._counts = torch.ones(2, 1, dtype=torch.int64, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._written: torch.Tensor | None = None  # by the graph
        self._fails = False

    @torch.inference_mode()
    def __call__(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """As `FlowRunner`; returns before the GPU is done."""
        for cloud, padded, count in zip((source, target), self._clouds[:, 0], self._counts):
            padded[: len(cloud)].copy_(torch.from_numpy(cloud[:, : padded.shape[1]]), non_blocking=True)
            count.fill_(len(cloud))
        return self._replayed()[0, : len(source)]

    def _flow(self) -> torch.Tensor:
        """Flow (1, n_points, 3) of the clouds as they are."""
        with self._precision:
            return self._network.flow(*self._clouds, *self._counts)

    def _replayed(self) -> torch.Tensor:
        """The same by the graph, where there is one."""
        if self._graph is None and not self._fails:
            self._capture()
        if self._fails:
            return self._flow()
        assert self._graph is not None and self._written is not None
        self._graph.replay()
        return self._written

    def _capture(self) -> None:
        stream, now = torch.cuda.Stream(self._clouds.device), torch.cuda.current_stream(self._clouds.device)
        stream.wait_stream(now)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._flow()
            try:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=stream):
                    self._written = self._flow()
                self._graph = graph
            except RuntimeError as error:
                self._fails, self._written = True, None
                warnings.warn(
                    f'the network runs without a CUDA graph, which is slower: its capture fails '
                    f'({error.__context__ or error})',
                    stacklevel=3,
                )
        now.wait_stream(stream)
