"""The network and a training step as CUDA graphs, with a stand-in for the graph: one capture serves all that comes."""

import csv
import dataclasses
import importlib
import warnings

import numpy as np
import pytest
import torch
from recorded_graph import stand_in
from test_training_run import TINY

from ssrflow_ros import EgoMotion, SceneFlow, Settings, Sweep, SweepPair
from ssrflow_ros.inference.device import autocast
from ssrflow_ros.inference.graphed import GraphedFlow
from ssrflow_ros.network.weights import load_weights
from ssrflow_ros.operators import cpu_patches, farthest_point, neighbours
from ssrflow_ros.operators.reference import farthest_point_order_reference
from ssrflow_ros.training.graphed import Graphed
from ssrflow_ros.training.pairs import make_pairs
from ssrflow_ros.training.train import Training

CPU = torch.device('cpu')
FLOAT32 = autocast(CPU, 'float32')


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch):
    """Plain torch throughout, as on a GPU: a graph cannot see what numpy does."""
    monkeypatch.setattr(neighbours, '_by_trees', lambda points: False)
    monkeypatch.setattr(cpu_patches, 'fits', lambda *tensors: False)
    monkeypatch.setattr(
        farthest_point,
        '_compiled_order',
        lambda points, counts, n: farthest_point_order_reference(points, n, torch.zeros_like(counts)),
    )


@pytest.fixture(scope='module')
def network():
    return load_weights('onboard').network


def cloud(n, seed):
    """(n, 10): points, an offset of each, how far is seen past it, and had been before."""
    return (np.random.default_rng(seed).uniform(-1, 1, (n, 10)) * (40, 20, 2, 1, 1, 1, 4, 4, 4, 4)).astype(np.float32)


def eager(network, source, target, precision=FLOAT32):
    with torch.inference_mode(), precision:
        return network.flow(*(torch.from_numpy(points)[None] for points in (source, target)))[0]


@pytest.mark.parametrize(
    'precision, within',
    [(FLOAT32, 1e-5), (torch.autocast('cpu', torch.float16), 0.02), (torch.autocast('cpu', torch.bfloat16), 0.1)],
)
def test_one_capture_serves_clouds_of_all_sizes(network, monkeypatch, precision, within):
    graphs = stand_in(monkeypatch)
    graphed = GraphedFlow(network, 256, precision)
    for seed, (n, m) in enumerate([(256, 256), (256, 100), (3, 256), (1, 1), (256, 256)]):
        source, target = cloud(n, seed), cloud(m, seed + 10)
        flow = graphed(source, target)
        assert flow.shape == (n, 3) and torch.allclose(flow, eager(network, source, target, precision), atol=within)
    assert len(graphs) == 1 and graphs[0].replays == 5


def test_a_capture_that_fails_is_warned_of_once(network, monkeypatch):
    graphs = stand_in(monkeypatch, capture_fails='not permitted when stream is capturing')
    graphed = GraphedFlow(network, 256, FLOAT32)
    source, target = cloud(200, 0), cloud(256, 1)
    with pytest.warns(UserWarning, match='slower.*not permitted'):
        flow = graphed(source, target)
    assert torch.allclose(flow, eager(network, source, target), atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert torch.equal(graphed(source, target), flow)
    assert len(graphs) == 1 and graphs[0].replays == 0


def test_weights_that_move_are_captured_anew(monkeypatch):
    graphs = stand_in(monkeypatch)
    method = SceneFlow(Settings(device='cpu', network_points=256, ground='none'))
    pair = SweepPair(*(Sweep.from_points(cloud(2000, i)[:, :3], i * 100_000_000) for i in (1, 0)))
    still = EgoMotion(np.eye(4), 'given')
    alone = method(pair, still).network_velocity
    method.inference.device = torch.device('cuda', 0)
    monkeypatch.setattr(method.inference.network, 'to', lambda device: method.inference.network)
    method.inference.offload()  # and with it the CPU's way to run it
    for captures in (1, 2):
        for _ in range(2):
            assert method(pair, still).network_velocity == pytest.approx(alone, abs=1e-4)
        assert len(graphs) == captures
        method.inference.offload()
        method.inference.onload()


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Makes trainings of 8 steps, one by one or by stand-ins for graphs."""
    monkeypatch.setattr(importlib.import_module('ssrflow_ros.operators.gather'), 'is_traced', lambda: True)
    make_pairs(tmp_path / 'pairs', 60, 4)

    def make(name, graphed):
        config = dataclasses.replace(TINY, optimiser='muon', steps=8)
        one = Training(tmp_path / name, tmp_path / 'pairs', config)
        if graphed:
            do = Graphed(torch.device('cuda', 0))
            # On a CPU AdamW counts its steps in Python, where no capture sees them.
            one._builds, one._do = True, lambda part: part() if part == one._descend else do(part)
        return one

    return make


def weights(training):
    return torch.cat([parameter.detach().flatten() for parameter in training.average.parameters()])


def test_a_training_by_graphs_is_the_same_training(training, monkeypatch):
    graphs = stand_in(monkeypatch)
    for name, graphed in (('plain', False), ('graphed', True)):
        one = training(name, graphed)
        before = weights(one)
        one.run(workers=0, report_every=1)
        curve = [row['loss'] for row in csv.DictReader((one.folder / 'curve.csv').open())]
        if not graphed:
            wanted, wanted_curve = weights(one), curve
    assert not torch.allclose(before, wanted, atol=1e-3)
    assert torch.allclose(weights(one), wanted, atol=1e-5) and curve == wanted_curve
    assert [graph.replays for graph in graphs] == [5, 5]  # forward and backward; three steps came before


def test_a_training_whose_capture_fails_goes_on(training, monkeypatch):
    stand_in(monkeypatch, capture_fails='not permitted when stream is capturing')
    plain, graphed = training('plain', False), training('graphed', True)
    plain.run(workers=0)
    with pytest.warns(UserWarning, match='slower.*_predict.*not permitted'):
        graphed.run(workers=0)
    assert graphed.step == 8 and torch.allclose(weights(graphed), weights(plain), atol=1e-5)
