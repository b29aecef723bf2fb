"""What is believed: network and other sweep are fused as was fitted, and the fit finds what is there to be found."""
import numpy as np
import pytest

from ssrflow_ros.evaluation.belief import fit_trust
from ssrflow_ros.steps import belief


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def features_of(curvature, measured, network, against=(0.0, 0.0)):
    n = len(measured)
    costs, against = [np.full(n, 0.1)] * 3, [np.full(n, share) for share in against]
    return belief.trust_features(curvature, measured, network, costs, against, np.full(n, 50), np.full(n, 2.0),
                                 np.full(n, 9.0))


def test_the_trusted_motion_lies_between_the_two_along_each_axis(rng):
    measured, network = rng.normal(size=(2, 40, 2))
    halves = rng.normal(size=(40, 2, 2))
    curvature = halves @ np.swapaxes(halves, 1, 2)
    trusted = belief.trusted(curvature, measured, network, features_of(curvature, measured, network))
    axes = belief.principal(curvature)[1]
    low, high = np.sort([np.einsum('kij,ki->kj', axes, motion) for motion in (measured, network)], axis=0)
    along = np.einsum('kij,ki->kj', axes, trusted)
    assert (along >= low - 1e-9).all() and (along <= high + 1e-9).all()


def test_where_both_agree_that_is_trusted(rng):
    motion, curvature = rng.normal(size=(5, 2)), np.tile(np.eye(2), (5, 1, 1))
    assert belief.trusted(curvature, motion, motion, features_of(curvature, motion, motion)) == pytest.approx(motion)


def test_what_the_other_sweep_saw_through_speaks_against_a_motion(rng):
    measured, network = rng.normal(size=(2, 20, 2))
    curvature = np.tile(np.eye(2), (20, 1, 1))

    def off_measured(against):
        features = features_of(curvature, measured, network, against)
        return np.linalg.norm(belief.trusted(curvature, measured, network, features) - measured, axis=1)
    assert (off_measured((0.0, 0.5)) < off_measured((0.0, 0.0))).all()
    assert (off_measured((0.0, 0.0)) < off_measured((0.5, 0.0))).all()


def test_trust_is_learnt_where_the_curvature_tells_who_is_right(rng, monkeypatch):
    """Across a flat valley the measurement is right, along it the network is."""
    count = 400
    true, turn = rng.normal(size=(count, 2)), rng.uniform(0, np.pi, count)
    along = np.column_stack([np.cos(turn), np.sin(turn)])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    curvature = (0.1 * along[:, :, None] * along[:, None] + 50 * across[:, :, None] * across[:, None])
    measured, network = (true + rng.normal(size=(count, 1)) * way for way in (along, across))
    features = features_of(curvature, measured, network)
    axes = belief.principal(curvature)[1]
    samples = list(zip(features, axes, measured, network, true, np.ones(count)))
    monkeypatch.setattr(belief, 'TRUST', fit_trust(samples, np.zeros(len(belief.TRUST))))
    error = np.linalg.norm(belief.trusted(curvature, measured, network, features) - true, axis=1)
    assert error.mean() < 0.15 * np.linalg.norm(measured - true, axis=1).mean()


def test_a_point_without_object_needs_a_likelier_proposal_where_there_are_more_and_less_where_space_was_free():
    likely, company = (grid.ravel() for grid in np.meshgrid([0.0, 0.1, 0.5], [1, 10, 100]))
    odds = (belief.lone_features(likely, company, *np.zeros((3, 9)), 0.2) @ belief.LONE).reshape(3, 3)
    assert odds[0, 2] > 0 > odds[2, 0]
    assert (np.diff(odds, axis=0) < 0).all() and (np.diff(odds, axis=1) > 0).all()
    for evidence in np.eye(3):
        told = belief.lone_features(likely, company, *np.repeat(evidence[:, None], 9, axis=1), 0.2) @ belief.LONE
        assert (told.reshape(3, 3) > odds).all()


def test_probabilities_are_probabilities_and_few_or_no_evidence_is_no_trouble():
    assert belief.probability(np.zeros((1, len(belief.MOVES)))) == pytest.approx(0.5)
    assert belief.probability(np.zeros((1, len(belief.MOVES))), 20.0) > 0.99
    n = np.array([8, 5000])
    features = belief.worth_features(n, np.array([0.0, 0.9]), np.zeros(2), np.zeros(2), np.ones(2), *np.zeros((3, 2)))
    assert features.shape == (2, len(belief.WORTH)) and np.isfinite(features).all()
