"""A training step on an NVIDIA GPU as CUDA graphs: a step is some 4000 short kernels, and launching them one by one
takes several times as long as they do."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Callable

import torch

_WARM_UPS = 3  # steps before the capture: libraries choose kernels, ours are compiled, the optimiser gets its state


class NotCaptured(Exception):
    """The step that it was tried in is to be done again; from then on no capture is tried."""


class Graphed:
    """Does the parts of a step, each captured as a graph after some steps and replayed from then on.

    A part has no arguments and no results: it reads tensors that stay where they are, and leaves its own where the
    capture left them. It takes no decision by a value. Where a capture fails, parts are launched one by one from then
    on, which is warned of.
    """

    def __init__(self, device: torch.device):
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._done: Counter[str] = Counter()
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}
        self._fails = False

    def __call__(self, part: Callable[[], None]) -> None:
        name = part.__name__
        if name in self._graphs:
            self._graphs[name].replay()
        elif self._fails:
            part()
        else:
            self._beside(part, capture=self._done[name] >= _WARM_UPS)
            self._done[name] += 1

    def _beside(self, part: Callable[[], None], capture: bool) -> None:
        """On a stream of its own, as a capture needs it."""
        now = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(now)
        with torch.cuda.stream(self._stream):
            if capture:
                self._capture(part)
            else:
                with warnings.catch_warnings():
                    warnings.filterwarnings('ignore', message='This instance was constructed with capturable=True')
                    part()
        now.wait_stream(self._stream)

    def _capture(self, part: Callable[[], None]) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            # The thread that pins memory for the next batches goes on meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode='thread_local'):
                part()
        except (RuntimeError, TypeError) as error:  # TypeError: torch 2.0 has no such mode
            self._fails = True
            self._graphs.clear()
            warnings.warn(
                'the training runs without CUDA graphs, which is slower: the capture of '
                f'{part.__name__} fails ({error.__context__ or error})',
                stacklevel=2,
            )
            raise NotCaptured from error
        self._graphs[part.__name__] = graph
        graph.replay()
