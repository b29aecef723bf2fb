"""What a GPU will ask of the network, checked without one: no wait for the host, low precision, bounded memory."""

import dataclasses

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssrflow_ros import Settings
from ssrflow_ros.errors import InputError
from ssrflow_ros.inference.device import autocast
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights
from ssrflow_ros.operators import interpolate, interpolation_weights
from studies.network_memory import LiveBytes, peak_bytes, upsampling_peak_bytes

SWITCHES = [
    {},
    {'position_encoder': 'inside'},
    {'attention': 'single'},
    {'initial_flow': 'local'},
    {'temporal': False},
    {'fusion_pooling': 'max'},
    {'local_flow_embedding': 'point_to_patch'},
    {'finest_level': 1},
    {'finest_reembedded': 1},
]


class OnlyOnTheDevice(TorchDispatchMode):
    """Refuses operators that bring content to the host, or take it from there."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, out)):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != 'meta':
                raise AssertionError(f'{function} on a tensor of the host')
        return out


class NoConstants(TorchFunctionMode):
    """Refuses tensors made of Python numbers, which would be copied to the device, and waited for."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.new_tensor):
            raise AssertionError(f'{function} copies from the host')
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize('switch', SWITCHES, ids=str)
def test_network_never_waits_for_the_device(switch):
    """On meta tensors, which have no content: what needs to see a value or a number of hits (item, nonzero) raises."""
    with torch.device('meta'):
        network = SSRFlow(dataclasses.replace(PRESETS['onboard'], **switch)).eval()
        source, target = torch.empty(1, 256, 3), torch.empty(1, 300, 3)
        counts = torch.empty(2, 1, dtype=torch.int64)
    with torch.inference_mode(), NoConstants(), OnlyOnTheDevice():
        assert network.flow(source, target).shape == (1, 256, 3)
        assert network.flow(source, source, *counts).shape == (1, 256, 3)


def test_upsampling_never_waits_for_the_device():
    points, known, flow = (torch.empty(1, count, 3, device='meta') for count in (5000, 256, 256))
    with torch.inference_mode(), NoConstants(), OnlyOnTheDevice():
        assert interpolate(flow, *interpolation_weights(points, known)).shape == (1, 5000, 3)


@pytest.mark.parametrize(
    'wait',
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: bool(x.any()),
        lambda x: x @ x.new_tensor([1.0, 2.0, 3.0]),
        lambda x: torch.zeros(4, 3) + x,
    ],
)
def test_a_wait_for_the_device_is_noticed(wait):
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), NoConstants(), OnlyOnTheDevice():
        wait(torch.empty(4, 3, device='meta'))


@pytest.mark.parametrize('kind, within', [(torch.bfloat16, 0.02), (torch.float16, 0.002)])
def test_low_precision_keeps_the_flow(kind, within):
    network = load_weights('onboard').network
    source = torch.rand(1, 512, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([60.0, 60.0, 3.0])
    target = source + torch.tensor([0.5, 0.0, 0.0])
    with torch.inference_mode():
        full = network.flow(source, target)
        with torch.autocast('cpu', kind):
            low = network.flow(source, target)
    assert low.dtype == torch.float32 and low.isfinite().all()
    assert (low - full).norm(dim=-1).mean() < within


@pytest.mark.filterwarnings('ignore:CUDA is not available')
def test_precision_is_for_gpus():
    assert autocast(torch.device('cuda', 0), 'bfloat16').fast_dtype == torch.bfloat16
    assert not autocast(torch.device('cpu'), 'float32')._enabled
    with pytest.raises(InputError, match='float32'):
        autocast(torch.device('cpu'), 'bfloat16')
    with pytest.raises(InputError, match='precision'):
        Settings(precision='float64')


def test_live_bytes_counts_what_lives():
    with LiveBytes() as live:
        first = torch.empty(1000, device='meta')
        view, second = first[:10], first + 1
        assert live.now == 8000
        del second
        assert live.now == 4000
        del first
        assert live.now == 4000  # the view keeps the whole
        del view
    assert (live.now, live.peak) == (0, 8000)


def test_memory_grows_no_faster_than_the_points():
    network = load_weights('onboard').network
    weights, small = peak_bytes(network.config, 512)
    assert weights == sum(p.nbytes for p in network.parameters())
    assert small < peak_bytes(network.config, 1024)[1] <= 2.2 * small
    assert upsampling_peak_bytes(2000, 512) <= 2 * upsampling_peak_bytes(1000, 512)
