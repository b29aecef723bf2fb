"""What is believed: network and other sweep are fused as was fitted, and the fit finds what is there to be found."""
import numpy as np
import pytest

from ssrflow_ros.evaluation.belief import fit_share
from ssrflow_ros.evaluation.expectation import Expected, fit
from ssrflow_ros.evaluation.perceptron import fit_perceptron
from ssrflow_ros.steps import belief
from ssrflow_ros.steps.fit import Fit
from ssrflow_ros.steps.objects import Candidates
from ssrflow_ros.steps.perceptron import Perceptron
from ssrflow_ros.steps.screening import Asked
from ssrflow_ros.steps.sights import Sights
from ssrflow_ros.sweep import EgoMotion


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
    monkeypatch.setattr(belief, 'TRUST', fit_share(samples, np.zeros(len(belief.TRUST))))
    error = np.linalg.norm(belief.trusted(curvature, measured, network, features) - true, axis=1)
    assert error.mean() < 0.15 * np.linalg.norm(measured - true, axis=1).mean()


def share_of_the_expected(found, expected, costs=(0.1, 0.1), against=(0.0, 0.0), curvature=((1.0, 0.0), (0.0, 1.0))):
    """How far each of the steady displacements lies from the one that was found towards the one that was expected."""
    n, curvature = len(found), np.tile(np.array(curvature), (len(found), 1, 1))
    features = belief.steady_features(
        curvature, expected, found, [np.full(n, cost) for cost in costs], [np.full(n, share) for share in against],
        np.full(n, 4.0), np.full((n, 2), 0.02))
    steady = belief.steadied(curvature, expected, found, features)
    return np.linalg.norm(steady - found, axis=1) / np.linalg.norm(expected - found, axis=1)


def test_what_was_expected_counts_as_far_as_it_explains_this_pair(rng):
    found = rng.normal(size=(30, 2))
    expected = found + 0.1 * rng.normal(size=(30, 2))
    alike = share_of_the_expected(found, expected)
    assert (alike > 0.05).all() and (alike < 0.95).all()
    assert (share_of_the_expected(found, expected, costs=(0.3, 0.1)) < alike).all()
    assert (share_of_the_expected(found, expected, costs=(0.1, 0.3)) > alike).all()
    assert (share_of_the_expected(found, expected, against=(0.4, 0.0)) < alike).all()
    assert (share_of_the_expected(found, expected, against=(0.0, 0.4)) > alike).all()
    # Braked hard: what was expected neither fits nor leaves open what the other sweep saw through.
    assert (share_of_the_expected(found, expected, costs=(0.8, 0.02), against=(0.5, 0.0)) < 0.05).all()


def movers(rng, count, expected_off=0.2, found_off=0.2):
    """Candidates that were expected, and their true displacements; where `unsure`, what was found is off."""
    true, unsure = rng.normal(size=(count, 2)), rng.random(count) < 0.5
    found = true + (0.03 + found_off * unsure[:, None]) * rng.normal(size=(count, 2))
    expected = true + (0.03 + expected_off * ~unsure[:, None]) * rng.normal(size=(count, 2))
    curvature, n = np.tile(np.eye(2), (count, 1, 1)), np.full(count, 60)
    costs = np.where(unsure, 0.05, 0.4), np.where(unsure, 0.4, 0.05)
    features = belief.steady_features(curvature, expected, found, costs, np.zeros((2, count)), np.full(count, 4.0),
                                      np.full((count, 2), 0.02))
    nothing = np.zeros(count)
    fitted = Fit(found, found, nothing, np.zeros((count, 2)), np.ones((count, 3)), found, found, nothing, expected,
                 features, costs[1], nothing, curvature, nothing)
    known = rng.random(count) < 0.5
    seen = Candidates([np.arange(60)] * count, fitted, np.zeros((count, len(belief.MOVES.centre))), np.full(count, 0.9),
                      nothing, nothing, np.full(count, 4.0), np.full(count, 10.0), nothing, nothing,
                      belief.stream_features(known, 4, True))
    right = rng.random(count) < np.where(known, 0.9, 0.2)
    return Expected(seen, np.arange(count), true, np.ones(count, bool), np.arange(count), right), n


def test_what_a_stream_expects_is_learnt_and_how_surely(rng, monkeypatch):
    for name in ('STEADY', 'STEADY_SHIFT', 'STREAM'):
        monkeypatch.setattr(belief, name, getattr(belief, name))
    pair, n = movers(rng, 800)
    lines = list(fit([pair]))
    assert [line.split(' = ')[0] for line in lines[1:]] == ['STEADY', 'STEADY_SHIFT', 'STREAM']
    likely = belief.probability(pair.seen.features, pair.seen.stream @ belief.STREAM)
    known = pair.seen.stream[:, 1] > 0
    assert np.allclose([likely[known].mean(), likely[~known].mean()], [0.9, 0.2], atol=0.05)
    pair, n = movers(rng, 800)
    steadied = pair.steadied()
    off = np.linalg.norm(steadied.steady - pair.true, axis=1)
    assert off.mean() < 0.5 * np.linalg.norm(steadied.shift - pair.true, axis=1).mean()
    covariance = belief.shift_covariance(steadied, pair.seen.moves, n, pair.seen.size, pair.seen.reach)
    error = steadied.steady - pair.true
    nees = np.einsum('ki,kij,kj->k', error, np.linalg.inv(covariance), error) / 2
    assert 0.5 < nees.mean() < 2.0


def test_a_motion_is_surer_where_it_was_expected_likewise(rng):
    pair, n = movers(rng, 50, expected_off=0.0, found_off=0.0)
    seen = pair.seen

    def spread(expected):
        there = Fit(*(expected if name == 'expected' else value for name, value in vars(seen.fit).items()))
        return np.trace(belief.shift_covariance(there, seen.moves, n, seen.size, seen.reach), axis1=1, axis2=2)
    likewise, otherwise, unknown = (spread(seen.fit.shift + off) for off in (0.01, 0.5, np.nan))
    assert (likewise < unknown).all() and (likewise < otherwise).all()


def test_in_a_stream_what_is_new_is_believed_sooner_where_much_moves_already():
    known = np.array([True, False])
    (known_alone, new_alone), (known_among_many, new_among_many) = (
        belief.stream_features(known, followed, True) @ belief.STREAM for followed in (0, 8))
    assert new_alone < new_among_many < known_among_many and known_alone <= known_among_many and new_alone < -1
    assert not belief.stream_features(known, 0, False).any(), 'no stream, nothing told'


def test_a_point_without_object_needs_a_likelier_proposal_where_there_are_more_and_less_where_space_was_free():
    likely, company = (grid.ravel() for grid in np.meshgrid([0.0, 0.1, 0.5], [1, 10, 100]))
    odds = (belief.lone_features(likely, company, *np.zeros((3, 9)), 0.2) @ belief.LONE).reshape(3, 3)
    assert odds[0, 2] > 0 > odds[2, 0]
    assert (np.diff(odds, axis=0) < 0).all() and (np.diff(odds, axis=1) > 0).all()
    for evidence in np.eye(3):
        told = belief.lone_features(likely, company, *np.repeat(evidence[:, None], 9, axis=1), 0.2) @ belief.LONE
        assert (told.reshape(3, 3) > odds).all()


def test_probabilities_are_probabilities_and_few_or_no_evidence_is_no_trouble():
    nothing = np.tile(belief.MOVES.centre, (1, 1))
    assert 0 < belief.probability(nothing) < belief.probability(nothing, 1.0) < 1
    assert belief.probability(nothing, 30.0) > 0.99
    n = np.array([8, 5000])
    features = belief.worth_features(n, np.array([0.0, 0.9]), np.zeros(2), np.zeros(2), np.ones(2), *np.zeros((3, 2)))
    assert features.shape == (2, len(belief.WORTH)) and np.isfinite(features).all()


def likely(shift, ego=(0.0, 0.0), overlap=1.0, taken=0.0):
    """Probability that each of the things 10 m ahead moves by `shift` (K, 2) m, and their features."""
    shift = np.asarray(shift, float)
    k, none = len(shift), np.zeros(len(shift))
    fitted = Fit(shift, shift, none, np.tile([10.0, 0.0], (k, 1)), np.ones((k, 3)), shift, shift, none, shift, none,
                 np.full(k, 0.05), np.full(k, 0.3), none, none)
    pose = np.eye(4)
    pose[:2, 3] = -np.asarray(ego)
    asked = Asked([], none, none, taken=np.full(k, taken), before=none, framed=none, fast=np.ones(k),
                  unlike=np.full(k, 0.05), worth=none)
    seen = Sights(none, np.zeros((k, 5)), np.zeros((k, 5)), overlap)
    features = belief.movement_features(fitted, np.full(k, 60), asked, seen, EgoMotion(pose, 'given'))
    assert np.isfinite(features).all() and features.shape == (k, len(belief.MOVES.centre))
    return belief.probability(features), features


def test_what_stands_where_the_other_sweep_saw_through_is_believed_to_move():
    shift = [(0.4, 0.0), (0.0, 0.4), (-0.4, 0.0)]
    assert (likely(shift, taken=0.6)[0] > likely(shift)[0]).all()


def test_what_seems_to_move_is_doubted_where_sweeps_look_elsewhere():
    shift = [(0.4, 0.0), (0.0, 0.4)]
    assert (likely(shift, overlap=0.5)[0] < likely(shift, overlap=1.0)[0]).all()


def test_where_a_motion_goes_is_told_of_the_view_and_of_the_sensor():
    away, across, towards = likely([(0.4, 0.0), (0.0, 0.4), (-0.4, 0.0)])[1]
    assert [features[-1] for features in (away, across, towards)] == pytest.approx([1, 0, -1], abs=1e-4)
    ways = (0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, 0.0)
    told = np.stack([likely([(0.4, 0.0)], ego=way)[1][0] for way in ways])
    assert np.isclose(told, np.array([1, -1, 0, 0])[:, None], atol=1e-4).all(axis=0).sum() == 1
    assert np.isfinite(likely([(0.0, 0.0)])[0]).all()


def test_a_perceptron_learns_what_no_sum_tells_and_is_kept(rng, tmp_path):
    features = rng.normal(5.0, 3.0, size=(3000, 2))
    outcome = ((features[:, 0] > 5) != (features[:, 1] > 5)).astype(float)
    learnt = fit_perceptron(features, outcome)
    right = (learnt(features) > 0) == (outcome > 0)
    assert right.mean() > 0.9
    assert np.array_equal(fit_perceptron(features, outcome)(features), learnt(features)), 'not the same again'
    learnt.save(tmp_path / 'it.npz')
    assert np.allclose(Perceptron.load(tmp_path / 'it.npz')(features), learnt(features), atol=1e-4)
