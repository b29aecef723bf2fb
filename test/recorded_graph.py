"""Stands in for CUDA graphs where there is no GPU: operators, recorded and done again on the same tensors."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class RecordedGraph(TorchDispatchMode):
    """As a CUDA graph, `replay` knows no Python: whatever the capture took from a value then stays as it was."""

    def __init__(self):
        super().__init__()
        self.calls, self.replays = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        changed = [
            tensor
            for call in self.calls
            for tensor in tree_leaves(call)
            if isinstance(tensor, torch.Tensor) and not tensor.is_inference()
        ]
        with torch.autograd._unsafe_preserve_version_counter(tuple(changed)):  # autograd knows of no replay either
            for function, args, kwargs, out in self.calls:
                for kept, again in zip(tree_leaves(out), tree_leaves(function(*args, **kwargs))):
                    if isinstance(kept, torch.Tensor) and kept.data_ptr() != again.data_ptr():
                        kept.copy_(again)


def stand_in(monkeypatch, capture_fails=''):
    """Patch torch.cuda; the list of graphs that were captured from then on."""
    graphs = []

    @contextmanager
    def graph(cuda_graph, stream=None, **_options):
        graphs.append(cuda_graph)
        with cuda_graph:
            yield
        if capture_fails:
            raise RuntimeError(capture_fails)

    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, 'graph', graph)
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', RecordedGraph)
    monkeypatch.setattr(torch.cuda, 'Stream', lambda device: stream)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: stream)
    monkeypatch.setattr(torch.cuda, 'stream', lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, 'graph_pool_handle', lambda: None)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda device: None)
    return graphs
