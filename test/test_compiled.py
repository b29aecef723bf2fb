"""The network compiled for the CPU: the same flow for clouds of all sizes, and without a compiler all the same."""
import dataclasses
import functools
import warnings

import numpy as np
import pytest
import torch

from ssrflow_ros.network import compiled
from ssrflow_ros.network.compiled import CompiledFlow
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.device import autocast
from ssrflow_ros.network.ssrflow import SSRFlow

FLOAT32 = autocast(torch.device('cpu'), 'float32')


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    # One level decoded, so that compiling takes seconds: every block is in it.
    return SSRFlow(dataclasses.replace(PRESETS['onboard'], divisors=(1, 4), lengths=(1.0, 2.0), widths=(8, 8),
                                       k_embedding=4, k_pointconv=4, k_predictor=4, attention_width=8,
                                       fusion_width=8, predictor_width=8, predictor_out=8)).eval()


def cloud(n, seed):
    """(n, 6): points, and an offset of each."""
    return (np.random.default_rng(seed).uniform(-1, 1, (n, 6)) * (40, 20, 2, 1, 1, 1)).astype(np.float32)


def eager(network, source, target):
    with torch.inference_mode():
        return network.flow(*(torch.from_numpy(points)[None] for points in (source, target)))[0]


@pytest.mark.parametrize('backend', ['aot_eager', pytest.param('inductor', marks=pytest.mark.slow)])
def test_one_compilation_serves_clouds_of_all_sizes(network, tmp_path, monkeypatch, backend):
    """The first backend traces only, the second one is the compiler itself."""
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path))
    monkeypatch.setattr(compiled.torch, 'compile', functools.partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    flow_of = CompiledFlow(network, 128, FLOAT32)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='the network runs uncompiled')
        for seed, (n, m) in enumerate([(128, 128), (128, 50), (3, 128), (1, 1), (128, 128)]):
            source, target = cloud(n, seed), cloud(m, seed + 10)
            flow = flow_of(source, target)
            assert flow.shape == (n, 3) and torch.allclose(flow, eager(network, source, target), atol=1e-5)
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] == 1


def test_without_a_compiler_the_network_runs_as_it_is(network, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError('No working C++ compiler found\nand a long story')
    monkeypatch.setattr(compiled.torch, 'compile', lambda *_, **__: fails)
    flow_of = CompiledFlow(network, 128, FLOAT32)
    source, target = cloud(100, 0), cloud(128, 1)
    with pytest.warns(UserWarning, match=r'slower.*No working C\+\+ compiler found\).*g\+\+'):
        flow = flow_of(source, target)
    assert torch.allclose(flow, eager(network, source, target), atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert torch.equal(flow_of(source, target), flow)
