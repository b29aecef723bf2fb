"""The network on its device: on a GPU as one CUDA graph."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet

import numpy as np
import torch

from ..errors import WeightsError
from ..network.weights import load_weights
from ..settings import Settings
from .device import autocast, choose_device, set_threads, synchronise
from .graphed import GraphedFlow
from .plain import PlainFlow


class FlowRunner(Protocol):
    """A way to run the network: `PlainFlow`, `GraphedFlow`.

    Takes source (n, C), target (m, C) float32 with 1 <= n, m <= `network_points`, points in metres and what is known of
    them, as `SSRFlow.flow`; gives the flow (n, 3) float32 m of the source's points, on the network's device. The next
    call may overwrite it.
    """

    def __call__(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor: ...


_on_device: WeakSet[NetworkRunner] = WeakSet()  # those of this process that have not left theirs


class NetworkRunner:
    """Loads the weights that the settings name; called with the points of a pair. One thread at a time may call it.

    network  the `SSRFlow`; card what is told of its training; device where it runs.
    """

    def __init__(self, settings: Settings):
        self.device = choose_device(settings.device)
        self._settings, self._precision = settings, autocast(self.device, settings.precision)
        weights = load_weights(settings.weights, self.device)
        self._take_threads()
        self.network, self.card = weights.network, weights.card
        # On a GPU it is made for the first pair: it knows the weights by their place.
        self._run: FlowRunner | None = PlainFlow(self.network, self._precision) if self.device.type == 'cpu' else None

    def __call__(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """The network's flow (n, 3), metres, on the device, of points as `Sample.of` gives them, (n, 10), (m, 10).

        Zero where nothing can match. It may be overwritten by the next call. Raises WeightsError where float16 does
        not do.
        """
        flow = self._flow(source, target)
        synchronise(self.device)  # for the times' sake alone
        if self._settings.precision == 'float16' and not flow.isfinite().all():
            raise WeightsError(
                f'weights {self._settings.weights}: what the network computes here is too large for '
                'float16: set precision to float32 or bfloat16'
            )
        return flow

    @torch.inference_mode()
    def _flow(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        if not len(source) or not len(target):
            return torch.zeros(len(source), 3)
        if self._run is None:
            self._run = GraphedFlow(self.network, self._settings.network_points, self._precision)
        return self._run(source, target)

    def offload(self) -> None:
        """Free the device's memory, and end the threads unless other networks of this process share them; to be called
        between pairs, and `onload` before the next one."""
        _on_device.discard(self)
        if not _on_device:
            set_threads(1)
        self.network.to('cpu')
        if self.device.type == 'cuda':
            self._run = None
            torch.cuda.empty_cache()

    def onload(self) -> None:
        """Bring the network (back) to the device, and its threads."""
        self._take_threads()
        self.network.to(self.device)

    def _take_threads(self) -> None:
        _on_device.add(self)
        set_threads(self._settings.threads)
