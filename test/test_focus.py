"""The finest level decoded where something moves."""
import dataclasses

import pytest
import torch

from ssrflow_ros.network import focus
from ssrflow_ros.network.config import NetworkConfig
from ssrflow_ros.network.ssrflow import SSRFlow

SMALL = NetworkConfig(widths=(16, 16, 16, 16, 16), divisors=(1, 2, 4, 8, 16), k_pointconv=4, k_embedding=4,
                      k_predictor=4, weight_net=4, position_width=4, attention_width=8, fusion_width=8,
                      predictor_width=8, predictor_out=8, focus_width=4)


@pytest.fixture
def pair():
    """A network with a head, the same without, and two clouds."""
    torch.manual_seed(0)
    network = SSRFlow(SMALL).eval().requires_grad_(False)
    plain = SSRFlow(dataclasses.replace(SMALL, focus_width=0)).eval().requires_grad_(False)
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if 'focus' not in name})
    return network, plain, torch.randn(1, 200, 3) * 10, torch.randn(1, 180, 3) * 10


def flows(pair, monkeypatch, least, most=1.0):
    monkeypatch.setattr(focus, 'LEAST', least)
    monkeypatch.setattr(focus, 'MOST', most)
    with torch.inference_mode():
        return pair[0].flow(*pair[2:]), pair[1].flow(*pair[2:])


def test_where_all_may_move_all_is_decoded(pair, monkeypatch):
    found, wanted = flows(pair, monkeypatch, -float('inf'))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


def test_where_nothing_may_move_the_coarser_level_answers(pair, monkeypatch):
    found, wanted = flows(pair, monkeypatch, float('inf'))
    assert not torch.allclose(found, wanted) and found.isfinite().all()


def test_what_is_decoded_is_what_may_move(pair, monkeypatch):
    odds = []
    pair[0].focus.register_forward_hook(lambda module, given, out: odds.append(out))
    nothing, _ = flows(pair, monkeypatch, float('inf'))
    least = float(odds[0].median())
    some, _ = flows(pair, monkeypatch, least)
    changed = (some != nothing).any(dim=-1)[0].sum()
    assert 0 < changed <= (odds[0] >= least).sum() < 200


def test_on_padding_and_in_batches_the_same_points_are_decoded(pair, monkeypatch):
    network, _, source, target = pair
    alone, _ = flows(pair, monkeypatch, -0.1)
    padded = torch.cat([source, torch.zeros(1, 56, 3)], dim=1), torch.cat([target, torch.zeros(1, 76, 3)], dim=1)
    with torch.inference_mode():
        other = network.flow(*padded, torch.tensor([200]), torch.tensor([180]))[:, :200]
    same = torch.isclose(alone, other, atol=1e-4).all(dim=-1)
    assert same.float().mean() > 0.5    # those at the rim of what is decoded see fewer neighbours


def test_what_a_pair_costs_is_bounded():
    odds = torch.arange(40.0)[None].flip(1)
    assert focus.chosen(odds)[0].nonzero()[:, 0].tolist() == list(range(10))
    assert not focus.chosen(odds - 100).any()


def test_neighbours_of_what_is_chosen_are_chosen():
    chosen = torch.tensor([False, True, False, False])
    assert focus.with_neighbours(chosen, torch.tensor([[0, 1], [1, 3], [2, 0], [3, 1]])).tolist() == [1, 3]
