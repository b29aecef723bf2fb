"""The exported network says what torch says, and a failure leaves no file."""

import dataclasses

import numpy as np
import pytest
import torch

from ssrflow_ros.cli.main import main
from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.inference import export
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.pointconv import nearest_offsets
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import LoadedWeights, save_weights
from ssrflow_ros.operators import farthest_point_order, gather
from studies.runtimes import Dense, tables_of

onnxruntime = pytest.importorskip('onnxruntime', reason='needs "pip install onnx onnxscript onnxruntime"')
# Two levels: every block of the network, and an export of seconds.
SMALL = dataclasses.replace(
    PRESETS['onboard'],
    divisors=(1, 4),
    widths=(8, 8),
    lengths=(1.0, 2.0),
    k_pointconv=4,
    k_embedding=4,
    k_predictor=4,
    weight_net=2,
    position_width=4,
    fusion_width=8,
    attention_width=8,
    predictor_width=8,
    predictor_out=8,
)


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return SSRFlow(SMALL).eval().requires_grad_(False)


@pytest.fixture(scope='module')
def exported(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp('export')
    weights, output = folder / 'small.safetensors', folder / 'small.onnx'
    save_weights(weights, network, {'name': 'small'})
    assert main(['export', str(output), '--weights', str(weights), '--points', '256']) == 0
    return output


@pytest.mark.parametrize('n, m', [(256, 256), (256, 100), (3, 200)])
def test_onnxruntime_says_what_torch_says(network, exported, n, m):
    """On clouds that the exporter has not seen, against the network as everybody calls it: kd-tree, any order."""
    session = onnxruntime.InferenceSession(str(exported), providers=['CPUExecutionProvider'])
    source = 10 * torch.randn(1, 256, 3, generator=torch.Generator().manual_seed(5))
    source, target = source[:, :n], source[:, :m] + 0.2
    clouds = [
        torch.cat([cloud, nearest_offsets(cloud, other), 1 - cloud[..., :2], cloud[..., 1:]], dim=-1)
        for cloud, other in ((source, target), (target, source))
    ]
    clouds = [gather(cloud, farthest_point_order(cloud[..., :3], cloud.shape[1])) for cloud in clouds]
    padded = [torch.cat([cloud, 9 * torch.randn(1, 256 - cloud.shape[1], 10)], dim=1).numpy() for cloud in clouds]
    counts = [np.array([cloud.shape[1]]) for cloud in clouds]
    found = session.run(None, dict(zip(export.INPUTS, (*padded, *counts))))[0][:, :n]
    wanted = network.flow(*clouds)
    assert wanted.abs().max() > 0.01
    assert torch.allclose(torch.from_numpy(found), wanted, atol=export.TOLERANCE)


def test_searches_may_stay_outside(network):
    """As `studies.runtimes` compares runtimes: their tables are given, and torch says the same."""
    model, clouds = Dense(network), export.made_up_pair(256)
    tables = tables_of(model, *clouds)
    assert len(tables) > 6 and torch.equal(model(*clouds, *tables), model.whole(*clouds))
    tables[-1] = tables[-1].flip(-1).roll(1, 1)
    assert not torch.equal(model(*clouds, *tables), model.whole(*clouds))


def test_the_file_says_what_it_is(exported):
    session = onnxruntime.InferenceSession(str(exported), providers=['CPUExecutionProvider'])
    assert session.get_modelmeta().custom_metadata_map['n_points'] == '256'
    assert [(entry.name, entry.shape) for entry in (*session.get_inputs(), *session.get_outputs())] == [
        ('source', [1, 256, 10]),
        ('target', [1, 256, 10]),
        ('source_count', [1]),
        ('target_count', [1]),
        ('flow', [1, 256, 3]),
    ]
    assert [path.name for path in exported.parent.iterdir() if 'onnx' in path.name] == ['small.onnx']


@pytest.mark.slow
def test_a_network_that_differs_is_not_written(network, tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'TOLERANCE', 0.0)
    with pytest.raises(SSRFlowError, match='differs from torch'):
        export.export_onnx(LoadedWeights(network, {}), 256, tmp_path / 'net.onnx')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['net.onnx', '--points', '7'], 'out of range'),
        (['net.bin'], '.onnx'),
        (['net.onnx', '--weights', 'nobody'], 'no shipped weights'),
    ],
)
def test_wrong_arguments_are_named(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['export', *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
