"""The network on an NVIDIA GPU: all its kernels as one CUDA graph."""

from __future__ import annotations

import warnings

import torch

from ..network.ssrflow import SSRFlow
from .padded import PaddedFlow

_WARM_UPS = 3  # passes before the capture: libraries choose their kernels, and ours are compiled and checked


class GraphedFlow(PaddedFlow):
    """A `PaddedFlow` whose kernels are captured at the first pair and launched at once for each one after.

    Where the capture fails they are launched one by one, which is warned of. The graph knows the weights by their
    place: make a new object when they move.
    """

    def __init__(self, network: SSRFlow, n_points: int, precision: torch.autocast):
        super().__init__(network, n_points, precision)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._written: torch.Tensor | None = None  # by the graph
        self._fails = False

    def _flow(self) -> torch.Tensor:
        if self._graph is None and not self._fails:
            self._capture()
        if self._fails:
            return super()._flow()
        assert self._graph is not None and self._written is not None
        self._graph.replay()
        return self._written

    def _capture(self) -> None:
        stream, now = torch.cuda.Stream(self._clouds.device), torch.cuda.current_stream(self._clouds.device)
        stream.wait_stream(now)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                super()._flow()
            try:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=stream):
                    self._written = super()._flow()
                self._graph = graph
            except RuntimeError as error:
                self._fails, self._written = True, None
                warnings.warn(
                    f'the network runs without a CUDA graph, which is slower: its capture fails '
                    f'({error.__context__ or error})',
                    stacklevel=3,
                )
        now.wait_stream(stream)
