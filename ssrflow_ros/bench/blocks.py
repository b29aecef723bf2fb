"""The blocks of the network: their time beside the arithmetic and the memory traffic that they cause.

Hooks from outside; the network holds no timer. A block's time, FLOPs and bytes are its own: what is
done in a block inside it counts there only.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..inference.device import synchronise
from ..network.dual_cross_attention import DualCrossAttention
from ..network.flow_predictor import FlowPredictor
from ..network.global_fusion import GlobalFusion
from ..network.local_flow_embedding import LocalFlowEmbedding
from ..network.pointconv import HierarchicalFeatures
from ..network.pyramid import Pyramid
from ..network.reembedding import SpatialTemporalReembedding
from ..network.ssrflow import InitialFlow, Level, SSRFlow
from .timing import Timing

PYRAMID, REST = 'farthest points and neighbour tables', 'the rest'
_NAMES = {
    HierarchicalFeatures: 'hierarchical features',
    DualCrossAttention: 'DCA',
    GlobalFusion: 'GF',
    InitialFlow: 'initial flow',
    SpatialTemporalReembedding: 'STR',
    LocalFlowEmbedding: 'LFE',
    FlowPredictor: 'flow predictor',
    Level: 'warp, neighbours, upsample',
}


@dataclass(frozen=True)
class Block:
    """A block's own share: times of both frames together, FLOPs, and bytes that its operators read and wrote."""

    timing: Timing
    flops: int
    bytes: int

    def floor_ms(self, peak_flops: float, bandwidth: float) -> float:
        """Milliseconds that the machine would need at its peak, for the slower of arithmetic and traffic."""
        return 1e3 * max(self.flops / peak_flops, self.bytes / bandwidth)


def measure_blocks(
    network: SSRFlow, source: torch.Tensor, target: torch.Tensor, repeats: int = 10, warm_up: int = 2
) -> dict[str, Block]:
    """The blocks of `network` on points source (1, N, 3) and target (1, M, 3), in the order of first use."""
    stack = _Stack()
    with torch.no_grad(), _hooked(network, stack):
        runs: list[dict[str, float]] = []
        for _ in range(warm_up + repeats):
            runs.append(_times(network, source, target, stack))
        counter = _Counter(stack)
        with counter, torch.enable_grad():  # without the CPU's loops, whose products torch does not see
            _times(network, source, target, stack)
    return {
        name: Block(Timing([run[name] for run in runs[warm_up:]]), counter.flops[name], counter.bytes[name])
        for name in runs[-1]
    }


def _times(network: SSRFlow, source: torch.Tensor, target: torch.Tensor, stack: '_Stack') -> dict[str, float]:
    stack.begin(source.device)
    with stack.inside(REST):
        with stack.inside(PYRAMID):
            frames = Pyramid.of_pair(source, target, network.config)
        network.of_frames(frames)
    return dict(stack.ms)


class _Stack:
    """Which block is at work, and how long each was."""

    def __init__(self) -> None:
        self.begin(torch.device('cpu'))

    def begin(self, device: torch.device) -> None:
        self._device = device
        self._names: list[str] = []
        self.ms: dict[str, float] = {}
        self._last = time.perf_counter()

    @property
    def top(self) -> str:
        return self._names[-1]

    def push(self, name: str) -> None:
        self._account()
        self.ms.setdefault(name, 0.0)
        self._names.append(name)

    def pop(self) -> None:
        self._account()
        self._names.pop()

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        self.push(name)
        yield
        self.pop()

    def _account(self) -> None:
        synchronise(self._device)
        now = time.perf_counter()
        if self._names:
            self.ms[self.top] += 1e3 * (now - self._last)
        self._last = now


@contextmanager
def _hooked(network: nn.Module, stack: _Stack) -> Iterator[None]:
    handles = []
    for path, module in network.named_modules():
        if type(module) in _NAMES:
            name = _place(path) + _NAMES[type(module)]
            handles.append(module.register_forward_pre_hook(lambda *_, name=name: stack.push(name)))
            handles.append(module.register_forward_hook(lambda *_: stack.pop()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _place(path: str) -> str:
    """'decoder 0: ' of 'decoder.0.embed'; the coarsest level's blocks are of 'top: '."""
    parts = path.split('.')
    if parts[0] == 'decoder':
        return f'decoder {parts[1]}: '
    return 'top: ' if parts[0] == 'initial_flow' else ''


class _Counter(TorchDispatchMode):
    """FLOPs of matrix products, and bytes in and out of every operator that is not a mere view."""

    def __init__(self, stack: _Stack):
        super().__init__()
        self._stack = stack
        self.flops: dict[str, int] = defaultdict(int)
        self.bytes: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        if count:
            self.flops[self._stack.top] += count(*args, **(kwargs or {}), out_val=out)
        elif function._overloadpacket.__name__ == '_linear_pointwise':  # oneDNN's, of which torch counts nothing
            self.flops[self._stack.top] += 2 * out.numel() * args[0].shape[-1]
        if not _is_view(function):
            self.bytes[self._stack.top] += _n_bytes((args, kwargs)) + _n_bytes(out)
        return out


def _is_view(function: Any) -> bool:
    returned = function._schema.returns
    return bool(returned) and all(one.alias_info is not None and not one.alias_info.is_write for one in returned)


def _n_bytes(tree: Any) -> int:
    leaves = torch.utils._pytree.tree_leaves(tree)
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, torch.Tensor))
