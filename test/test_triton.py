"""The Triton kernels without a GPU: interpreted on the CPU, compiled for GPUs that are not there, chosen or not."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ssrflow_ros.network import layers
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.local_flow_embedding import LocalFlowEmbedding
from ssrflow_ros.network.neighbourhood import Neighbourhood
from ssrflow_ros.network.reembedding import NeighbourReembedding
from ssrflow_ros.operators import cpu_patches, triton_kernels
from ssrflow_ros.operators.reference import attentive_patch_reference, cost_patch_reference


@pytest.fixture
def triton():
    return pytest.importorskip('triton', reason='needs "pip install triton", for Linux on x86_64')


@pytest.mark.slow
def test_interpreted_kernels_find_what_the_references_find(triton):
    script = Path(__file__).with_name('kernels_against_references.py')
    environment = {**os.environ, 'TRITON_INTERPRET': '1', 'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def k_nearest_source(k):
    from triton.compiler import ASTSource

    from ssrflow_ros.operators import triton_neighbours as room

    return ASTSource(
        room.k_nearest_kernel,
        {
            'queries': '*fp32',
            'points': '*fp32',
            'index': '*i64',
            'n_queries': 'i32',
            'n_points': 'i32',
            'found': 'i32',
            'K': 'constexpr',
            'BLOCK_M': 'constexpr',
            'BLOCK_N': 'constexpr',
        },
        {'K': k, 'BLOCK_M': room.BLOCK_QUERIES, 'BLOCK_N': room.BLOCK_POINTS},
    ), {'num_warps': 4}


def farthest_point_source():
    from triton.compiler import ASTSource

    from ssrflow_ros.operators import triton_farthest_point as room

    return ASTSource(
        room.farthest_point_kernel,
        {'points': '*fp32', 'first': '*i64', 'order': '*i64', 'n_points': 'i32', 'n': 'i32', 'BLOCK': 'constexpr'},
        {'BLOCK': room.MOST_POINTS},
    ), {'num_warps': room.WARPS}


def patch_source(name, k, relations, kind):
    from triton.compiler import ASTSource

    from ssrflow_ros.operators import triton_cost
    from ssrflow_ros.operators import triton_patch as room

    kernel = {'attentive': room.attentive_patch_kernel, 'cost': triton_cost.cost_patch_kernel}[name]
    types = {
        **dict.fromkeys(('relation', 'own', 'other', 'hidden', 'out'), kind),
        'index': '*i64',
        **dict.fromkeys(('weight', 'score', 'out_weight', 'out_bias'), '*fp32'),
        **dict.fromkeys(('n_points', 'n_others', 'width', 'relations', 'units'), 'i32'),
    }
    constants = {
        'K': k,
        'R': relations,
        'H': 16,
        'BLOCK_M': room.PAIRS // k,
        'BLOCK_C': room.CHANNELS,
        'PRECISION': 'tf32x3' if kind == '*fp32' else 'tf32',
        'SLOPE': 0.1,
    }
    signature = {argument: types.get(argument, 'constexpr') for argument in kernel.arg_names}
    constants = {argument: constants[argument] for argument in constants if argument in signature}
    return ASTSource(kernel, signature, constants), room.OPTIONS


@pytest.mark.slow
@pytest.mark.parametrize('capability', [87, 89, 90])  # Jetson Orin; RTX 40, L4; H100
def test_kernels_compile_without_spilling_registers(triton, capability, tmp_path, monkeypatch):
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    tool = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin' / 'cuobjdump'
    if not tool.exists():
        pytest.skip('this build of triton brings no cuobjdump')
    patches = [
        patch_source(name, k, max(16, k), kind)
        for name in ('attentive', 'cost')
        for k in (8, 16, 32)
        for kind in ('*fp32', '*bf16')
    ]
    searches = [k_nearest_source(k) for k in (8, 16, 32)]
    for source, options in (*searches, farthest_point_source(), *patches):
        compiled = triton.compile(source, target=GPUTarget('cuda', capability, 32), options=options)
        binary = tmp_path / 'kernel.cubin'
        binary.write_bytes(compiled.asm['cubin'])
        command = [tool, '--dump-resource-usage', binary]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert ' STACK:0 ' in usage and ' LOCAL:0 ' in usage, usage


def test_kernels_that_fail_are_warned_of_once_and_not_used(monkeypatch):
    def broken(device):
        raise OSError('no C compiler')

    monkeypatch.setattr(triton_kernels, 'checked', broken)
    triton_kernels._of_gpu.cache_clear()
    device = torch.device('cuda', 0)
    with pytest.warns(UserWarning, match='plain torch.*no C compiler'):
        assert triton_kernels.triton_kernels(device) is None
    assert triton_kernels.triton_kernels(device) is None
    triton_kernels._of_gpu.cache_clear()


@pytest.mark.parametrize('depth', [2, 3])
def test_blocks_by_kernels_are_the_blocks(monkeypatch, depth):
    config = dataclasses.replace(PRESETS['onboard'], mlp_depth=depth)
    torch.manual_seed(0)
    width = config.widths[1]
    reembedding, embedding, asked = NeighbourReembedding(width, config), LocalFlowEmbedding(1, config), []

    def kernel(reference):
        return lambda *arguments: asked.append(reference) or reference(*arguments)

    own, own_features, other_features = torch.randn(2, 9, 3), torch.randn(2, 9, width), torch.randn(2, 30, width)
    cross = Neighbourhood(torch.randint(30, (2, 9, 16)), torch.randn(2, 9, 16, 3))
    within = Neighbourhood(torch.randint(9, (2, 9, 16)), torch.randn(2, 9, 16, 3))

    def answers():
        return (
            reembedding(own, own_features, other_features, cross),
            embedding(own_features, other_features, cross, within),
        )

    wanted = answers()
    monkeypatch.setattr(cpu_patches, 'fits', lambda *tensors: False)
    monkeypatch.setattr(
        layers,
        'triton_kernels',
        lambda device: triton_kernels.Kernels(
            None, None, 0, kernel(attentive_patch_reference), kernel(cost_patch_reference)
        ),
    )
    with torch.no_grad():
        assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(answers(), wanted))
    # Deeper pair MLPs are not fused, nor is training.
    assert asked == ([attentive_patch_reference, cost_patch_reference] if depth == 2 else [])
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(answers(), wanted)) and len(asked) in (0, 2)


def test_no_kernels_without_a_gpu():
    assert triton_kernels.triton_kernels(torch.device('cpu')) is None
    assert triton_kernels.triton_kernels(torch.device('meta')) is None
