"""A narrower network, fitted to a trained one's answers."""

import dataclasses

import numpy as np
import pytest
import torch
from test_training import SMALL

from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights, save_weights
from ssrflow_ros.training.dataset import as_item, joined, with_pyramids
from studies import narrow_network
from studies.narrow_network import narrowed

WIDE = dataclasses.replace(SMALL, widths=(8, 12, 12, 16, 16), weight_net=4, predictor_width=12)
NARROW = dataclasses.replace(WIDE, widths=(8, 8, 10, 12, 12), weight_net=3)


def pairs():
    """Four of one cloud that is moved, half of its points farther than the others."""
    rng = np.random.default_rng(0)
    items = []
    for _ in range(4):
        source = rng.uniform(-10, 10, (512, WIDE.columns)).astype(np.float32)
        moving = source[:, 0] > 0
        motion = np.where(moving[:, None], [1.0, 0.5, 0.0], 0.0).astype(np.float32)
        target = source.copy()
        target[:, :3] += motion
        items.append(as_item(source, target, motion=motion, moving=moving))
    return joined(items)


@pytest.fixture(scope='module')
def teacher():
    torch.manual_seed(0)
    return SSRFlow(WIDE).eval().requires_grad_(False)


@pytest.fixture(scope='module')
def batch():
    return with_pyramids(pairs(), WIDE)


def test_as_wide_it_is_the_same(teacher, batch):
    same = narrowed(teacher, WIDE, batch)
    for name, values in teacher.state_dict().items():
        torch.testing.assert_close(same.state_dict()[name], values, atol=1e-4, rtol=1e-4)


def test_narrower_it_says_nearly_the_same(teacher, batch):
    network = narrowed(teacher, NARROW, batch)
    said, fitted = (one(batch['source'], batch['target']).flows[0] for one in (teacher, network))
    assert (fitted - said).norm(dim=-1).mean() < 0.5 * (said - said.mean((0, 1))).norm(dim=-1).mean()


def test_the_command_writes_weights_that_load(teacher, tmp_path, monkeypatch):
    save_weights(tmp_path / 'wide.safetensors', teacher, {'trained_on': 'nothing'})
    monkeypatch.setattr(narrow_network, 'calibration_pairs', lambda folder, count: pairs())
    widths = [str(width) for width in NARROW.widths]
    settings = ['--widths', *widths, '--weight-net', '3', '--teacher', str(tmp_path / 'wide.safetensors')]
    monkeypatch.setattr('sys.argv', ['narrow', '--pairs', 'none', '-o', str(tmp_path / 'out'), *settings])
    narrow_network.main()
    found = load_weights(str(tmp_path / 'out' / 'onboard.safetensors'))
    assert found.network.config == NARROW
    assert found.card['trained_on'] == 'nothing'
    assert found.card['parameters'] < sum(parameter.numel() for parameter in teacher.parameters())
