"""The network compiled for the CPU: the same flow for clouds of all sizes and weights of its shape, or done without.

The compiler itself takes minutes on a busy machine, so what needs it is slow; the others take something in its place.
"""

import dataclasses
import re
import shutil
import warnings

import numpy as np
import pytest
import torch

from ssrflow_ros import SceneFlow, Settings
from ssrflow_ros.cli.main import main
from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.inference import compiled
from ssrflow_ros.inference.compiled import CompiledFlow, compile_network, compiled_path
from ssrflow_ros.inference.padded import PaddedFlow
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import save_weights
from ssrflow_ros.operators.opaque import opaque_searches

N = 256
# One level decoded, so that compiling takes seconds: every block is in it.
SMALL = dataclasses.replace(
    PRESETS['onboard'],
    divisors=(1, 4),
    lengths=(1.0, 2.0),
    widths=(8, 8),
    k_embedding=4,
    k_pointconv=4,
    k_predictor=4,
    attention_width=8,
    fusion_width=8,
    predictor_width=8,
    predictor_out=8,
)


def small_network(seed):
    torch.manual_seed(seed)
    return SSRFlow(SMALL).eval()


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """What the small network was compiled to, once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        return compile_network(small_network(seed=0), N)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path


@pytest.fixture
def kept(made, cache):
    """The cache of this test, with what was compiled in it."""
    path = cache / 'ssrflow_ros' / made.path.name
    path.parent.mkdir()
    path.write_bytes(made.path.read_bytes())
    return path


def cloud(n, seed):
    """(n, 10): points, an offset of each, how far is seen past it, and had been before."""
    return (np.random.default_rng(seed).uniform(-1, 1, (n, 10)) * (40, 20, 2, 1, 1, 1, 4, 4, 4, 4)).astype(np.float32)


def uncompiled(network, source, target):
    with torch.inference_mode():
        return network.flow(*(torch.from_numpy(points)[None] for points in (source, target)))[0]


SIZES = [(N, N), (N, 50), (3, N), (1, 1), (N, N)]


class InItsPlace(PaddedFlow):
    """Stands where a `CompiledFlow` would: loads nothing, runs the network."""

    def __init__(self, network, n_points, path):
        assert path.exists()
        super().__init__(network, n_points, torch.autocast('cpu', enabled=False))


@pytest.fixture
def quick(cache, monkeypatch):
    """A compiler that writes a file at once."""
    monkeypatch.setattr(compiled, '_compile', lambda network, n_points, path: path.write_bytes(b'code'))
    monkeypatch.setattr(compiled, 'CompiledFlow', InItsPlace)


@pytest.fixture
def small_weights(tmp_path):
    path = tmp_path / 'small.safetensors'
    save_weights(path, small_network(seed=1), {'name': 'small'})
    return str(path)


def test_what_is_compiled_calls_the_searches_and_serves_all_sizes():
    network = small_network(seed=0)
    with torch.no_grad(), opaque_searches():
        clouds, counts = torch.zeros(2, 1, N, network.config.columns), torch.full((2, 1), N)
        program = torch.export.export(compiled._Flow(network), (*clouds, *counts), strict=False)
    called = {str(node.target) for node in program.graph.nodes if node.op == 'call_function'}
    assert {'ssrflow_ros.kd_tree.default', 'ssrflow_ros.farthest_points.default'} <= called
    assert not {'aten.topk.default', 'aten.argmax.default'} & called
    traced = PaddedFlow(network, N, torch.autocast('cpu', enabled=False))
    traced._flow = lambda: program.module()(*traced._clouds, *traced._counts)
    for seed, (n, m) in enumerate(SIZES):
        clouds = cloud(n, seed), cloud(m, seed + 10)
        assert torch.allclose(traced(*clouds), uncompiled(network, *clouds), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('seed', [0, 1])
def test_one_compilation_serves_clouds_of_all_sizes_and_all_weights(kept, seed):
    network = small_network(seed)
    flow_of = CompiledFlow.found(network, N)
    for seed, (n, m) in enumerate(SIZES):
        clouds = cloud(n, seed), cloud(m, seed + 10)
        flow = flow_of(*clouds)
        assert flow.shape == (n, 3) and torch.allclose(flow, uncompiled(network, *clouds), atol=1e-5)


@pytest.mark.slow
def test_the_method_takes_what_was_compiled(kept, small_weights):
    settings = Settings(weights=small_weights, device='cpu', network_points=N, threads=1)
    with_it, without = (SceneFlow(settings.replace(compiled=compiled)) for compiled in (True, False))
    assert with_it.inference.compiled and not without.inference.compiled
    clouds = cloud(100, 0), cloud(N, 1)
    assert torch.allclose(with_it.inference(*clouds), without.inference(*clouds), atol=1e-5)


def test_another_shape_size_number_of_threads_or_version_is_another_file(cache, monkeypatch):
    network = small_network(seed=0)
    paths = [
        compiled_path(network, N),
        compiled_path(network, N + 1),
        compiled_path(SSRFlow(dataclasses.replace(SMALL, k_embedding=8)), N),
    ]
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 7)
    paths.append(compiled_path(network, N))
    monkeypatch.setattr(torch, '__version__', '0.1')
    paths.append(compiled_path(network, N))
    assert len(set(paths)) == len(paths)
    assert all(path.parent == cache / 'ssrflow_ros' for path in paths)


def test_without_a_file_the_network_runs_as_it_is_and_nothing_is_said(cache):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert CompiledFlow.found(small_network(seed=0), N) is None


def test_a_damaged_file_is_told_of_and_done_without(cache):
    network = small_network(seed=0)
    path = compiled_path(network, N)
    path.parent.mkdir()
    path.write_bytes(b'half a file')
    with pytest.warns(UserWarning, match=r'slower: .*pt2 cannot be loaded .*run "ssrflow compile" again'):
        assert CompiledFlow.found(network, N) is None


@pytest.mark.parametrize(
    'fails, told',
    [
        (RuntimeError('No working C++ compiler found\nand a long story'), r'No working C\+\+ compiler found\).*g\+\+'),
        (AttributeError("module 'torch' has no attribute 'export'"), r'torch 2\.7'),
    ],
)
def test_where_it_cannot_compile_the_cure_is_named_and_nothing_is_left(cache, monkeypatch, fails, told):
    def failing(*_):
        raise fails

    monkeypatch.setattr(compiled, '_compile', failing)
    with pytest.raises(SSRFlowError, match=told):
        compile_network(small_network(seed=0), N)
    assert not list((cache / 'ssrflow_ros').iterdir())


def test_code_that_says_something_else_is_not_kept(quick, cache, monkeypatch):
    monkeypatch.setattr(InItsPlace, '_flow', lambda self: torch.ones(1, N, 3))
    with pytest.raises(SSRFlowError, match='differs .* not kept'):
        compile_network(small_network(seed=0), N)
    assert not list((cache / 'ssrflow_ros').iterdir())


def test_without_a_compiler_the_command_says_so_at_once(monkeypatch, capsys):
    monkeypatch.setenv('PATH', '')
    monkeypatch.delenv('CXX', raising=False)
    assert main(['compile']) == 2
    assert 'no C++ compiler: sudo apt install g++' in capsys.readouterr().err


def test_the_command_says_what_was_won(quick, cache, small_weights, monkeypatch, capsys):
    monkeypatch.setattr(shutil, 'which', lambda name: name)
    arguments = ['--weights', small_weights, '--network-points', str(N), '--threads', '1']
    assert main(['compile', *arguments]) == 0
    told = re.search(
        r'written: (\S+) \(0 MB\)\nthe network takes \d+ ms instead of \d+; its flow differs by at most '
        r'0\.0e\+00 m',
        capsys.readouterr().out,
    )
    assert told and told[1] == str(compiled_path(small_network(seed=1), N))
