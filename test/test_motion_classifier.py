"""The motion classifier: loaded with the features that it was fitted on, fused as was fitted, and found by the fits."""

import dataclasses
import importlib
import pkgutil
from types import SimpleNamespace

import numpy as np
import pytest

import ssrflow_ros.objects
from ssrflow_ros.errors import WeightsError
from ssrflow_ros.objects.classification import Classification, motion_features, stream_features
from ssrflow_ros.objects.covariance import displacement_covariance, displacement_features, motion_errors
from ssrflow_ros.objects.detector import Candidates
from ssrflow_ros.objects.features import FEATURES, stacked
from ssrflow_ros.objects.fusion import Fusion, PastFusion, between, measured_features, share_features, steadied
from ssrflow_ros.objects.groups import Clusters
from ssrflow_ros.objects.models import Linear, Perceptron, logistic
from ssrflow_ros.objects.motion_classifier import SHIPPED, MotionClassifier
from ssrflow_ros.objects.observation import ObservedPoints
from ssrflow_ros.objects.prefilter import ScreenedProposals, prefilter
from ssrflow_ros.objects.registration import Registration
from ssrflow_ros.objects.visibility import VisibilityFeatures
from ssrflow_ros.steps.beams import Beams
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.sweep import EgoMotion
from studies.fit_expectation import Expected, fit
from studies.fitting import fit_perceptron, fit_share

CLASSIFIER = MotionClassifier.load()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_nothing_is_loaded_at_import():
    modules = [
        importlib.import_module(f'ssrflow_ros.objects.{module.name}')
        for module in pkgutil.iter_modules(ssrflow_ros.objects.__path__)
    ]
    loaded = MotionClassifier, Linear, Perceptron
    assert len(modules) > 10 and not [
        value for module in modules for value in vars(module).values() if isinstance(value, loaded)
    ]


def saved_with(tmp_path, **changes):
    """A file as shipped, but for some of its parts; None leaves one out."""
    with np.load(SHIPPED) as file:
        parts = {**file, **{name.replace('__', '.'): value for name, value in changes.items()}}
    np.savez(tmp_path / 'it.npz', **{name: value for name, value in parts.items() if value is not None})
    return tmp_path / 'it.npz'


def test_names_lie_beside_the_weights_and_what_is_saved_is_loaded(tmp_path):
    with np.load(SHIPPED) as file:
        for model, names in FEATURES.items():
            assert tuple(file[f'{model}.names']) == names
            weights = file[f'{model}.line' if model in ('motion', 'past') else f'{model}.weights']
            assert weights.shape[-1] == len(names)
    CLASSIFIER.save(tmp_path / 'again.npz')
    again = MotionClassifier.load(tmp_path / 'again.npz')
    for model in FEATURES:
        for one, other in zip(vars(getattr(CLASSIFIER, model)).values(), vars(getattr(again, model)).values()):
            assert np.array_equal(one, other)


def test_a_file_of_other_features_or_none_at_all_is_refused(tmp_path):
    names = np.array(FEATURES['stream'])
    for changes, told in (
        ({'stream__names': np.array(['constant', 'known', 'colour'])}, 'colour'),
        ({'stream__names': names[::-1]}, 'order'),
        ({'stream__names': None}, 'stream.names is missing'),
        ({'motion__into': None}, 'motion.into is missing'),
        ({'turn_variance__weights': np.zeros(3)}, 'turn_variance'),
    ):
        with pytest.raises(WeightsError, match=told):
            MotionClassifier.load(saved_with(tmp_path, **changes))
    (tmp_path / 'text.npz').write_text('nothing of the kind')
    (tmp_path / 'cut.npz').write_bytes(SHIPPED.read_bytes()[:3000])
    np.save(tmp_path / 'one.npy', np.zeros(3))
    for name in ('text.npz', 'cut.npz', 'one.npy', 'none.npz'):
        with pytest.raises(WeightsError, match=name):
            MotionClassifier.load(tmp_path / name)


def test_columns_are_stacked_by_name_and_products_are_made():
    found = stacked({'a': np.array([2.0, 3.0]), 'b': 5.0}, ('constant', 'b', 'a*b', 'a', 'a*a'))
    assert found.tolist() == [[1, 5, 10, 2, 4], [1, 5, 15, 3, 9]]
    assert stacked({'a': np.ones((3, 1)), 'b': np.zeros((3, 2))}, ('a', 'b')).shape == (3, 2, 2)
    with pytest.raises(KeyError):
        stacked({'a': 1.0}, ('b',))


def registration(
    measured, network, curvature=((1.0, 0.0), (0.0, 1.0)), cost=0.1, still=0.1, size=(2.0, 2.0, 1.0), centre=(9.0, 0.0)
):
    """Clusters as if registered so; curvature (2, 2) or (K, 2, 2)."""
    n = len(measured)
    flatness, axes = np.linalg.eigh(np.broadcast_to(np.array(curvature), (n, 2, 2)))
    tiles = SimpleNamespace(centre=np.tile(centre, (n, 1)), size=np.tile(size, (n, 1)), cell=np.ones(n))
    cost, still = np.broadcast_to(cost, n), np.broadcast_to(still, n)
    return Registration(tiles, network, measured, np.zeros(n), cost, cost, still, np.maximum(flatness, 0.02), axes)


def trusted(registered, against=(0.0, 0.0), classifier=CLASSIFIER):
    """Displacements between what was measured and the network's, and the features of how far."""
    n = len(registered.measured)
    features = measured_features(registered, np.full(n, 50), *(np.full(n, share) for share in against))
    return between(
        registered.axes, registered.measured, registered.network, classifier.measured_share(features)
    ), features


def test_the_trusted_motion_lies_between_the_two_along_each_axis(rng):
    measured, network = rng.normal(size=(2, 40, 2))
    halves = rng.normal(size=(40, 2, 2))
    registered = registration(measured, network, halves @ np.swapaxes(halves, 1, 2))
    low, high = np.sort([np.einsum('kij,ki->kj', registered.axes, motion) for motion in (measured, network)], axis=0)
    along = np.einsum('kij,ki->kj', registered.axes, trusted(registered)[0])
    assert (along >= low - 1e-9).all() and (along <= high + 1e-9).all()


def test_where_both_agree_that_is_trusted(rng):
    motion = rng.normal(size=(5, 2))
    assert trusted(registration(motion, motion))[0] == pytest.approx(motion)


def test_what_the_other_sweep_saw_through_speaks_against_a_motion(rng):
    measured, network = rng.normal(size=(2, 20, 2))

    def off_measured(against):
        return np.linalg.norm(trusted(registration(measured, network), against)[0] - measured, axis=1)

    assert (off_measured((0.0, 0.5)) < off_measured((0.0, 0.0))).all()
    assert (off_measured((0.0, 0.0)) < off_measured((0.5, 0.0))).all()


def test_trust_is_learnt_where_the_curvature_tells_who_is_right(rng):
    """Across a flat valley the measurement is right, along it the network is."""
    count = 400
    true, turn = rng.normal(size=(count, 2)), rng.uniform(0, np.pi, count)
    along = np.column_stack([np.cos(turn), np.sin(turn)])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    curvature = 0.1 * along[:, :, None] * along[:, None] + 50 * across[:, :, None] * across[:, None]
    measured, network = (true + rng.normal(size=(count, 1)) * way for way in (along, across))
    registered = registration(measured, network, curvature)
    features = stacked(trusted(registered)[1], FEATURES['measured_share'])
    samples = list(zip(features, registered.axes, measured, network, true, np.ones(count)))
    learnt = CLASSIFIER.with_weights(measured_share=fit_share(samples, np.zeros(features.shape[-1])))
    error = np.linalg.norm(trusted(registered, classifier=learnt)[0] - true, axis=1)
    assert error.mean() < 0.15 * np.linalg.norm(measured - true, axis=1).mean()


def tracked(registered, found, expected, costs=(0.1, 0.1), against=(0.0, 0.0), accumulated=None):
    """What was found, and fused with what was expected, and with what was accumulated before that."""
    n = len(found)
    (cost, found_cost), (opposed, found_opposed) = (
        [np.broadcast_to(value, n) for value in pair] for pair in (costs, against)
    )
    fused = Fusion(found, found_cost, found_opposed, {})
    features = share_features(registered, fused, cost, opposed)
    accumulated = np.full_like(found, np.nan) if accumulated is None else accumulated
    return fused, steadied(registered, fused, accumulated, features, expected, features, CLASSIFIER)


def share_of_the_expected(found, expected, **given):
    """How far each of the steady displacements lies from the one that was found towards the one that was expected."""
    registered = registration(found, found + [0.02, 0.0], size=(4.0, 1.0, 1.0))
    steady = tracked(registered, found, expected, **given)[1].displacement
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
    costs = np.where(unsure, 0.05, 0.4), np.where(unsure, 0.4, 0.05)
    accumulated = true + (0.1 + found_off * unsure[:, None]) * rng.normal(size=(count, 2))
    registered = registration(found, found, cost=costs[1], size=(4.0, 1.0, 1.0), centre=(10.0, 0.0))
    fused, steady = tracked(registered, found, expected, costs, accumulated=accumulated)
    known, log_odds = rng.random(count) < 0.5, np.full(count, np.log(9.0))
    past = dict.fromkeys(FEATURES['past'], np.zeros(count)) | {'known': np.zeros(count, bool), 'log_odds': log_odds}
    nothing, sizes = np.zeros(count), np.full(count, 60)
    proposals = ScreenedProposals(
        [np.arange(60)] * count,
        np.tile(np.arange(60), count),
        np.full(count, 60),
        Clusters(np.zeros((0, 3)), sizes),
        np.zeros((0, 3)),
        {},
        *np.zeros((6, count)),
    )
    seen = Candidates(
        proposals,
        registered,
        PastFusion(fused, found, np.full_like(found, np.nan), {}),
        steady,
        nothing,
        Classification(log_odds, log_odds, {}, past, stream_features(np.where(known, 0.2, np.inf), 4)),
        motion_errors(registered, fused, steady, logistic(log_odds), sizes, CLASSIFIER),
        -0.1,
    )
    right = rng.random(count) < np.where(known, 0.9, 0.2)
    return Expected(seen, np.arange(count), true, np.ones(count, bool), np.arange(count), right)


def test_what_a_stream_expects_is_learnt_and_how_surely(rng):
    pair = movers(rng, 800)
    learnt = fit([pair], CLASSIFIER)
    assert {model for model in FEATURES if getattr(learnt, model) is not getattr(CLASSIFIER, model)} == {
        'accumulated_share',
        'expected_share',
        'tracked_displacement_variance',
        'stream',
    }
    seen, stream = pair.candidates, pair.candidates.classified.stream_features
    likely, known = logistic(seen.classified.log_odds + learnt.stream(stream)), stream['known']
    assert np.allclose([likely[known].mean(), likely[~known].mean()], [0.9, 0.2], atol=0.05)
    pair = movers(rng, 800)
    seen, steady = pair.candidates, pair.steadied(learnt)
    off = np.linalg.norm(steady.displacement - pair.true, axis=1)
    assert off.mean() < 0.5 * np.linalg.norm(seen.fused.displacement - pair.true, axis=1).mean()
    of_error = displacement_features(
        seen.registered, seen.fused, steady, seen.classified.probability, seen.proposals.sizes
    )
    covariance, error = displacement_covariance(of_error, seen.registered.axes, learnt), steady.displacement - pair.true
    nees = np.einsum('ki,kij,kj->k', error, np.linalg.inv(covariance), error) / 2
    assert 0.5 < nees.mean() < 2.0


def test_a_motion_is_surer_where_it_was_expected_likewise(rng):
    seen = movers(rng, 50, expected_off=0.0, found_off=0.0).candidates

    def spread(off):
        expected = seen.fused.displacement + off
        of_error = displacement_features(
            seen.registered,
            seen.fused,
            seen.tracked._replace(expected=expected),
            seen.classified.probability,
            seen.proposals.sizes,
        )
        return np.trace(displacement_covariance(of_error, seen.registered.axes, CLASSIFIER), axis1=1, axis2=2)

    likewise, otherwise, unknown = (spread(off) for off in (0.01, 0.5, np.nan))
    assert (likewise < unknown).all() and (likewise < otherwise).all()


def test_in_a_stream_what_is_new_is_believed_sooner_where_much_moves_already_and_what_is_known_if_it_goes_on():
    unlike = np.array([0.0, 0.9, np.inf])
    (alike_alone, unlike_alone, new_alone), (alike_among_many, _, new_among_many) = (
        CLASSIFIER.stream(stream_features(unlike, followed)) for followed in (1, 8)
    )
    assert new_alone < new_among_many < alike_among_many and alike_alone <= alike_among_many and new_alone < -1
    assert new_alone < unlike_alone < alike_alone - 1


def test_what_is_left_of_the_streams_models_is_fitted(rng):
    pairs = [movers(rng, 200)]
    learnt = fit(pairs, CLASSIFIER, keep=['accumulated_share', 'expected_share', 'tracked_displacement_variance'])
    assert [model for model in FEATURES if getattr(learnt, model) is not getattr(CLASSIFIER, model)] == ['stream']


def test_a_point_without_object_stands_unless_space_was_free_and_the_more_there_are_the_surer():
    likely, company = (grid.ravel() for grid in np.meshgrid([0.0, 0.1, 0.5], [1, 10, 100]))

    def odds(**seen):
        nothing = dict.fromkeys(('in_free_space', 'leaves_free_space', 'in_past_free_space'), 0.0)
        return CLASSIFIER.unassigned(
            {
                'log_probability': np.log(likely + 0.01),
                'log_company': np.log(company),
                'travelled': np.log(0.23),
                **nothing,
                **seen,
            }
        ).reshape(3, 3)

    alone = odds()
    assert (alone < 0).all() and (odds(in_free_space=1.0) > 0).all()
    assert (np.diff(alone, axis=0) < 0).all()
    for evidence in ('in_free_space', 'leaves_free_space', 'in_past_free_space'):
        assert (odds(**{evidence: 1.0}) > alone).all()


def test_probabilities_are_probabilities_and_few_or_no_evidence_is_no_trouble():
    odds = CLASSIFIER.motion.of_stacked(CLASSIFIER.motion.centre[None])
    assert 0 < logistic(odds) < logistic(odds + 1) < 1 and logistic(odds + 30) > 0.99
    points, none = np.zeros((2, 3), np.float32), np.zeros(2, bool)
    observed = ObservedPoints(points, points, np.zeros(len(points)), *[none] * 6, vacated_space=points)
    seen = prefilter(
        [np.array([0]), np.array([0, 1])],
        observed,
        np.full(2, -1),
        RangeImage(points[:0]),
        Beams(points),
        np.arange(2),
        3.5,
        dataclasses.replace(CLASSIFIER, least_log_odds=-np.inf),
    )
    assert np.isfinite(stacked(seen.features, FEATURES['prefilter'])).all() and len(seen.groups) == 2


def likely(shift, ego=(0.0, 0.0), overlap=1.0, free=0.0):
    """Probability that each of the things 10 m ahead moves by `shift` (K, 2) m, and their features."""
    shift = np.asarray(shift, float)
    k, none = len(shift), np.zeros(len(shift))
    registered = registration(shift, shift, cost=0.05, still=0.3, size=(1.0, 1.0, 1.0), centre=(10.0, 0.0))
    pose = np.eye(4)
    pose[:2, 3] = -np.asarray(ego)
    proposals = ScreenedProposals(
        [np.arange(60)] * k,
        np.tile(np.arange(60), k),
        np.full(k, 60),
        Clusters(np.zeros((0, 3)), np.full(k, 60)),
        np.zeros((0, 3)),
        {},
        np.full(k, free),
        none,
        np.ones(k),
        np.full(k, 0.05),
        np.ones(k),
        none,
    )
    features = motion_features(
        registered,
        Fusion(shift, np.full(k, 0.05), none, {}),
        proposals,
        VisibilityFeatures(*[none] * 11, overlap),
        EgoMotion(pose, 'given'),
    )
    assert np.isfinite(stacked(features, FEATURES['motion'])).all()
    return logistic(CLASSIFIER.motion(features)), features


def test_what_stands_where_the_other_sweep_saw_through_is_believed_to_move():
    shift = [(0.4, 0.0), (0.0, 0.4), (-0.4, 0.0)]
    assert (likely(shift, free=0.6)[0] > likely(shift)[0]).all()


def test_what_seems_to_move_is_doubted_where_sweeps_look_elsewhere():
    shift = [(0.4, 0.0), (0.0, 0.4)]
    assert (likely(shift, overlap=0.5)[0] < likely(shift, overlap=1.0)[0]).all()


def test_where_a_motion_goes_is_told_of_the_view_and_of_the_sensor():
    away, across, towards = likely([(0.4, 0.0), (0.0, 0.4), (-0.4, 0.0)])[1]['away']
    assert [away, across, towards] == pytest.approx([1, 0, -1], abs=1e-4)
    ways = (0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, 0.0)
    along = [likely([(0.4, 0.0)], ego=way)[1]['along_sensor'][0] for way in ways]
    assert along == pytest.approx([1, -1, 0, 0], abs=1e-4)
    assert np.isfinite(likely([(0.0, 0.0)])[0]).all()


def test_a_perceptron_learns_what_no_sum_tells(rng):
    features = rng.normal(5.0, 3.0, size=(3000, 2))
    outcome = ((features[:, 0] > 5) != (features[:, 1] > 5)).astype(float)
    learnt = fit_perceptron(features, outcome, ('x', 'y'))
    odds = learnt.of_stacked(features)
    assert ((odds > 0) == (outcome > 0)).mean() > 0.9
    assert np.array_equal(learnt({'x': features[:, 0], 'y': features[:, 1]}), odds)
    again = fit_perceptron(features, outcome, ('x', 'y'))
    assert np.array_equal(again.of_stacked(features), odds), 'not the same again'
