"""On a CUDA GPU, where there is one: what the other tests of kernels, graphs and shapes check without."""

import copy
import warnings

import numpy as np
import pytest
import torch

pytest.importorskip('triton')

import kernels_against_references as kernels

from ssrflow_ros import EgoMotion, SceneFlow, Settings, SweepPair
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights
from ssrflow_ros.operators.triton_kernels import triton_kernels
from ssrflow_ros.simulator import simulate
from ssrflow_ros.steps.thinned_cloud import ThinnedCloud
from ssrflow_ros.steps.upsampling import upsample
from ssrflow_ros.training.augmentation import NO_AUGMENTATION
from ssrflow_ros.training.config import TrainingConfig
from ssrflow_ros.training.dataset import PairDataset, joined, on_device, with_pyramids
from ssrflow_ros.training.losses import LossConfig, training_loss
from ssrflow_ros.training.pairs import make_pairs
from ssrflow_ros.training.train import Training
from studies.network_memory import peak_bytes

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
GPU, CPU = torch.device('cuda', 0), torch.device('cpu')


@pytest.fixture(scope='module')
def stream():
    """Pairs of neighbouring sweeps and the motion between them."""
    labelled = list(simulate(3, 4))
    return [
        (SweepPair(new.sweep, old.sweep), EgoMotion(np.linalg.inv(old.pose) @ new.pose, 'given'))
        for old, new in zip(labelled, labelled[1:])
    ]


@pytest.fixture(autouse=True)
def nothing_is_warned_of():
    """A kernel that fails and a capture that fails are warned of."""
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='the network')
        yield


def test_the_kernels_are_trusted():
    assert triton_kernels(GPU) is not None


def test_neighbours_are_those_of_the_reference():
    kernels.check_k_nearest(GPU, [(2, 2048, 2048, 16), (1, 1000, 8192, 32), (1, 2048, 512, 3)])
    kernels.check_ties_go_to_the_lower_index(GPU)


def test_farthest_points_are_those_of_the_reference():
    kernels.check_farthest_point_order(GPU, [(2, 2048, 512), (2, 8192, 700), (3, 1500, 375)])


def test_patches_are_those_of_the_reference():
    kernels.check_patches(GPU, [(2, 2048, 2048, 16, 32, 16), (1, 512, 700, 16, 48, 16), (1, 300, 300, 32, 256, 32)])


@pytest.mark.parametrize('n_points', [300, 2048, 8192])
def test_flow_is_that_of_the_cpu(stream, n_points):
    """One graph for all pairs, and after the network has left the device and come back."""
    settings = Settings(network_points=n_points)
    here, there = (SceneFlow(settings.replace(device=name)) for name in ('cpu', 'cuda'))
    for _ in range(2):
        for pair, ego in stream:
            wanted, found = here(pair, ego), there(pair, ego)
            apart = np.linalg.norm(wanted.network_velocity - found.network_velocity, axis=1) * pair.dt
            # Of two neighbours as far off the CPU may take the other, so single points differ.
            assert np.quantile(apart, 0.99) < 1e-3 and apart.mean() < 1e-3, (apart.mean(), apart.max())
        assert there.inference._run._graph is not None
        there.inference.offload()
        there.inference.onload()


@pytest.mark.parametrize('precision', ['float16', 'bfloat16'])
def test_low_precision_is_near(stream, precision):
    exact, rough = (SceneFlow(Settings(device='cuda', precision=name)) for name in ('float32', precision))
    for pair, ego in stream:
        apart = np.linalg.norm(exact(pair, ego).network_velocity - rough(pair, ego).network_velocity, axis=1) * pair.dt
        assert apart.mean() < 0.01


def test_the_network_never_waits_for_the_device():
    network = load_weights('onboard', GPU).network
    clouds = [torch.randn(1, 512, 8, device=GPU) * 10 for _ in range(2)]
    counts = [torch.tensor([400], device=GPU) for _ in range(2)]
    with torch.inference_mode():
        network.flow(*clouds, *counts)  # compiles and checks the kernels
        torch.cuda.set_sync_debug_mode('error')
        try:
            flow = network.flow(*clouds, *counts)
        finally:
            torch.cuda.set_sync_debug_mode('default')
        assert flow.isfinite().all()


@pytest.mark.parametrize('n_points', [2048, 8192])
def test_memory_is_what_was_counted(n_points):
    config = PRESETS['onboard']
    network = SSRFlow(config).to(GPU).eval()
    clouds = [torch.randn(1, n_points, 8, device=GPU) * 10 for _ in range(2)]
    with torch.inference_mode():
        for _ in range(2):
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            network.flow(*clouds)
    taken, counted = torch.cuda.max_memory_allocated() - before, peak_bytes(config, n_points)[1]
    assert 0.5 * counted < taken < 1.5 * counted + 2**23  # and cuBLAS has a workspace


def test_upsampling_is_that_of_the_cpu():
    rng = np.random.default_rng(0)
    points, known, values = rng.normal(0, 20, (5000, 3)), rng.normal(0, 20, (300, 3)), rng.normal(0, 1, (300, 3))
    points, known, values = (array.astype(np.float32) for array in (points, known, values))
    values = torch.from_numpy(values)
    cloud = ThinnedCloud(points)
    assert np.allclose(upsample(cloud, known, values.to(GPU)), upsample(cloud, known, values), atol=1e-4)


def test_gradients_are_those_of_the_cpu(tmp_path):
    """As far as float32 allows: products on a GPU are summed in another order."""
    make_pairs(tmp_path, 7, 2)
    dataset, config = PairDataset(tmp_path, 512, NO_AUGMENTATION), PRESETS['onboard']
    torch.manual_seed(0)
    network = SSRFlow(config)
    gradients = {}
    for device in (CPU, GPU):
        one = copy.deepcopy(network).to(device)
        batch = with_pyramids(on_device(joined([dataset[i] for i in range(2)]), device), config)
        prediction = one(batch['source'], batch['target'])
        training_loss(
            prediction,
            batch['source'],
            batch['target'],
            batch['motion'],
            batch['moving'],
            LossConfig(lfc_weight=0.1, cfs_weight=0.1),
        )['total'].backward()
        gradients[device] = torch.cat([parameter.grad.flatten().cpu() for parameter in one.parameters()])
    assert (gradients[GPU] - gradients[CPU]).norm() < 0.02 * gradients[CPU].norm()


@pytest.mark.parametrize('amp', [False, True])
def test_a_training_runs_and_goes_on(tmp_path, amp):
    make_pairs(tmp_path / 'pairs', 7, 2)
    config = TrainingConfig(n_points=256, validation_points=256, batch=2, steps=6, optimiser='muon', amp=amp)
    for minutes in (0, 9):  # a step, and the rest
        training = Training(tmp_path / 'run', tmp_path / 'pairs', config, tmp_path / 'pairs', device=GPU)
        training.run(minutes, workers=1, validate_every=2)
    assert training.step == 6
    assert all(parameter.isfinite().all() for parameter in training.average.parameters())


def test_a_training_by_graphs_is_that_without(tmp_path):
    make_pairs(tmp_path / 'pairs', 7, 4)
    config = TrainingConfig(n_points=256, batch=4, steps=12, optimiser='muon', warm_up=2)
    ends = []
    for graphed in (True, False):
        torch.manual_seed(0)
        training = Training(tmp_path / f'graphed_{graphed}', tmp_path / 'pairs', config, device=GPU)
        begin = torch.cat([parameter.detach().flatten() for parameter in training.network.parameters()])
        if not graphed:
            training._do = lambda part: part()
        training.run(workers=1)
        assert not graphed or len(training._do._graphs) == 3
        ends.append(torch.cat([parameter.detach().flatten() for parameter in training.network.parameters()]))
    assert (ends[0] - ends[1]).norm() < 0.1 * (ends[1] - begin).norm()
