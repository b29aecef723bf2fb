"""Odd sweeps through the whole method, untrained: a clear error, or a result of the right form."""

import numpy as np
import pytest
from yards import yard

torch = pytest.importorskip('torch')
pytest.importorskip('small_gicp')

from ssrflow_ros import SceneFlow, Settings, Sweep, SweepPair  # noqa: E402
from ssrflow_ros.errors import EgoMotionError, PairError  # noqa: E402
from ssrflow_ros.network.config import PRESETS  # noqa: E402
from ssrflow_ros.network.ssrflow import SSRFlow  # noqa: E402
from ssrflow_ros.network.weights import save_weights  # noqa: E402


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    save_weights(path, SSRFlow(PRESETS['onboard']), {})
    return str(path)


def make_method(weights, **settings):
    return SceneFlow(Settings(weights=weights, network_points=256, threads=1, **settings))


@pytest.fixture(scope='module')
def standing(weights):
    return make_method(weights, ego_motion='none')


@pytest.fixture(scope='module')
def matching(weights):
    return make_method(weights)


def pair_of(source, target):
    return SweepPair(Sweep.from_points(source, 0, min_range=1.0), Sweep.from_points(target, 100_000_000, min_range=1.0))


def assert_right_form(flow):
    n = len(flow.pair.source)
    assert flow.flow.shape == flow.velocity.shape == (n, 3)
    assert flow.moving.shape == flow.ground.shape == flow.object_ids.shape == (n,)
    assert np.isfinite(flow.flow).all() and np.isfinite(flow.velocity).all()


@pytest.mark.parametrize('n_source, n_target', [(1, 1), (1, 5000), (50, 50), (5000, 1), (0, 0), (0, 50), (50, 0)])
def test_few_points_give_a_result_of_their_number(standing, n_source, n_target):
    pick = [yard(seed=seed)[::-1][:n] for seed, n in ((0, n_source), (1, n_target))]
    flow = standing(pair_of(*pick))
    assert_right_form(flow)
    assert len(flow.flow) == len(flow.pair.source)


@pytest.mark.parametrize('n', [0, 1, 50])
def test_too_few_points_to_match_are_an_error_that_says_so(matching, n):
    with pytest.raises(EgoMotionError, match='points'):
        matching(pair_of(yard()[:n], yard()))


def test_all_nan_is_an_empty_sweep(standing):
    assert_right_form(standing(pair_of(np.full((100, 3), np.nan), yard())))


def test_identical_sweeps_give_no_ego_motion(matching):
    flow = matching(pair_of(yard(), yard()))
    assert_right_form(flow)
    np.testing.assert_allclose(flow.ego_motion.target_from_source, np.eye(4), atol=1e-3)


def test_double_precision_is_the_same_as_single(standing):
    single, double = (
        standing(pair_of(yard().astype(kind), yard(seed=1).astype(kind))) for kind in (np.float32, np.float64)
    )
    np.testing.assert_array_equal(single.flow, double.flow)


def test_no_time_between_the_sweeps_is_an_error():
    with pytest.raises(PairError, match='same time stamp'):
        SweepPair(Sweep.from_points(yard(), 5), Sweep.from_points(yard(), 5))


def test_nothing_within_range_stands_still(standing):
    flow = standing(pair_of(yard() + np.float32([500, 0, 0]), yard() + np.float32([500, 0, 0])))
    assert_right_form(flow)
    assert not flow.moving.any()


@pytest.mark.slow
def test_two_million_points(matching):
    flow = matching(pair_of(yard(380_000), yard(380_000, seed=1)))
    assert len(flow.pair.source) > 1_900_000
    assert_right_form(flow)
