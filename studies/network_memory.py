"""Memory that the network takes for a sweep pair, counted tensor by tensor without running it.

python -m studies.network_memory     # the table of docs/gpu.md
"""

from __future__ import annotations

import sys
import weakref
from contextlib import nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssrflow_ros.network.config import PRESETS, NetworkConfig
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.operators import interpolate, interpolation_weights
from ssrflow_ros.operators.triton_kernels import Kernels, kernels_on_meta

MIB = 2**20


class LiveBytes(TorchDispatchMode):
    """Within it, the bytes of all tensors made there and still alive (`now`), and the most so far (`peak`)."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        given = {
            tensor.untyped_storage()._cdata
            for tensor in tree_leaves((args, kwargs))
            if isinstance(tensor, torch.Tensor)
        }
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in given | self._alive:
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._alive.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.now -= size


def peak_bytes(config: NetworkConfig, n_points: int, kernels: bool = True) -> tuple[int, int]:
    """(bytes of the weights, most bytes of all other tensors at once) of one float32 pair of n_points clouds.

    Runs on torch's meta device, where tensors have shapes and no content, as a GPU would: no tiles.
    `kernels`: with the Triton kernels, which need no memory but their result; else with the references.
    """
    with torch.device('meta'):
        network = SSRFlow(config).eval().requires_grad_(False)
        clouds = [torch.empty(1, n_points, config.columns) for _ in range(2)]
        counts = [torch.empty(1, dtype=torch.int64) for _ in range(2)]
    with torch.inference_mode(), kernels_on_meta(_KERNELS) if kernels else nullcontext(), LiveBytes() as live:
        network.flow(*clouds, *counts)
    return sum(parameter.nbytes for parameter in network.parameters()), live.peak


def upsampling_peak_bytes(points: int, n_points: int) -> int:
    """Most bytes at once while the flow of n_points is interpolated at so many `points`, the points included."""
    with kernels_on_meta(_KERNELS), LiveBytes() as live:
        queries, known, flow = (torch.empty(1, count, 3, device='meta') for count in (points, n_points, n_points))
        interpolate(flow, *interpolation_weights(queries, known))
    return live.peak


def _indices(queries: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    return torch.empty(*queries.shape[:2], k, dtype=torch.int64, device=queries.device)


def _order(points: torch.Tensor, n: int, first: torch.Tensor) -> torch.Tensor:
    return torch.empty(len(points), n, dtype=torch.int64, device=points.device)


def _patch(relation: torch.Tensor, own: torch.Tensor, *_) -> torch.Tensor:
    return torch.empty_like(own)


_KERNELS = Kernels(_indices, _order, sys.maxsize, _patch, _patch)
"""They take no memory but their results."""


def main() -> None:
    print('| preset | points | weights, MiB | with the kernels, MiB | with plain torch, MiB |')
    print('|---|---|---|---|---|')
    for preset in ('onboard', 'paper'):
        for n_points in (2048, 4096, 8192):
            weights, peak = peak_bytes(PRESETS[preset], n_points)
            reference = peak_bytes(PRESETS[preset], n_points, kernels=False)[1]
            print(f'| `{preset}` | {n_points} | {weights / MIB:.1f} | {peak / MIB:.0f} | {reference / MIB:.0f} |')
    for n_points in (2048, 8192):
        print(f'upsampling {n_points} to 120000 points: {upsampling_peak_bytes(120_000, n_points) / MIB:.0f} MiB')


if __name__ == '__main__':
    main()
