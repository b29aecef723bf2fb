"""Probabilities that mean what they say: the shipped curves, the error of what is said, and one's own drive."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrflow_ros import Settings
from ssrflow_ros.errors import WeightsError
from ssrflow_ros.evaluation.calibration_error import binned, own_drive
from ssrflow_ros.objects.calibration import SHIPPED, Calibration, Curve, logit
from ssrflow_ros.objects.models import logistic

CURVES = 'object', 'object_point', 'lone_point', 'other_point'
SHIPPED_ONE = Calibration.load()


@pytest.mark.parametrize('name', CURVES)
def test_shipped_curves_rise_from_doubt_to_certainty(name):
    curve = getattr(SHIPPED_ONE, name)
    said = SHIPPED_ONE.of(curve, np.linspace(-12, 12, 100))
    assert (np.diff(said) >= 0).all() and said[0] >= 0 and 0.7 < said[-1] <= 1
    assert 0 < SHIPPED_ONE.ground < SHIPPED_ONE.no_proposal < 0.05


def test_what_is_saved_is_loaded(tmp_path):
    shifted = SHIPPED_ONE.shifted(0.8, -0.3)
    shifted.save(tmp_path / 'mine.json')
    again = Calibration.load(str(tmp_path / 'mine.json'))
    assert (again.scale, again.offset) == (0.8, -0.3)
    for name in CURVES:
        np.testing.assert_array_equal(getattr(again, name).probability, getattr(shifted, name).probability)


def test_a_shift_of_a_shift_is_one_shift():
    odds = np.linspace(-3, 6, 10)
    once = SHIPPED_ONE.shifted(0.8, -0.3)
    twice = once.shifted(1.2, 0.5)
    wanted = logistic(1.2 * logit(once.of(once.object, odds)) + 0.5)
    np.testing.assert_allclose(twice.of(twice.object, odds), wanted, atol=2e-4)


def without(name):
    return lambda parts: parts.pop(name)


@pytest.mark.parametrize(
    'damage',
    [
        without('object'),
        without('ground'),
        lambda parts: parts.update(offset='much'),
        lambda parts: parts.update(scale=float('nan')),
        lambda parts: parts.update(another=1.0),
        lambda parts: parts['object'].update(probability=[0.5]),
        lambda parts: parts['object'].update(log_odds=[1.0, 0.0], probability=[0.1, 0.2]),
        lambda parts: parts['object'].update(log_odds=[0.0, 1.0], probability=[0.2, 0.1]),
        lambda parts: parts['object'].update(log_odds=[0.0, 1.0], probability=[0.2, 1.1]),
        lambda parts: parts['object'].update(log_odds=[0.0, 1.0], probability=[0.2, float('nan')]),
        lambda parts: parts.update(object=3),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line_with_the_cure(tmp_path, damage):
    parts = json.loads(SHIPPED.read_text())
    damage(parts)
    file = tmp_path / 'calibration.json'
    file.write_text(json.dumps(parts))
    with pytest.raises(WeightsError, match='ssrflow bag --recalibrate') as refused:
        Calibration.load(file)
    assert str(file) in str(refused.value) and '\n' not in str(refused.value)


@pytest.mark.parametrize('content', ['', '[]', '3', 'null', '{"object": ', '[' * 100_000])
def test_garbage_is_refused(tmp_path, content):
    (tmp_path / 'x.json').write_text(content)
    for file in (tmp_path / 'x.json', tmp_path / 'missing.json', tmp_path):
        with pytest.raises(WeightsError):
            Calibration.load(file)


def test_a_calibration_that_is_missing_fails_when_the_method_is_built():
    from ssrflow_ros import SceneFlow

    with pytest.raises(WeightsError, match='mine.json: no calibration can be read'):
        SceneFlow(Settings(calibration='mine.json'))


@given(st.integers(0, 2**32 - 1))
def test_what_comes_true_as_often_as_is_said_has_no_error(seed):
    rng = np.random.default_rng(seed)
    said = rng.random(20_000)
    honest = binned(said, rng.random(20_000) < said)
    assert honest.error < 0.03 and honest.share.sum() == pytest.approx(1)
    assert binned(said, rng.random(20_000) < said**2).error > 0.1


def test_the_error_by_hand():
    said, true = np.array([0.9, 0.9, 0.2, 0.2]), np.array([1, 0, 0, 0])
    assert binned(said, true).error == pytest.approx((0.4 + 0.2) / 2)
    assert binned(said, true, np.array([3.0, 1.0, 2.0, 2.0])).error == pytest.approx((0.15 + 0.2) / 2)
    assert binned(np.array([1.0, 0.0]), np.array([1, 0])).error == 0


@pytest.mark.parametrize('scale, offset', [(1.0, 0.0), (0.6, -1.0), (1.4, 0.8)])
def test_ones_own_drive_is_found_again(scale, offset):
    rng = np.random.default_rng(3)
    said = logistic(rng.normal(2, 1.5, 5000))
    moved = rng.random(5000) < logistic(scale * logit(said) + offset)
    found = own_drive(said, moved)
    np.testing.assert_allclose(found, (scale, offset), atol=0.15)


def test_a_few_objects_shift_little_and_none_nothing():
    assert own_drive(np.zeros(0), np.zeros(0, bool)) == pytest.approx((1.0, 0.0), abs=1e-3)
    scale, offset = own_drive(np.full(3, 0.9), np.zeros(3, bool))
    assert 0.5 < logistic(scale * logit(np.array([0.9])) + offset)[0] < 0.9


def test_curves_are_straight_between_their_knots_and_level_beyond():
    curve = Curve(np.array([0.0, 2.0]), np.array([0.5, 0.9]))
    np.testing.assert_allclose(curve(np.array([-9.0, 0.0, 1.0, 2.0, 9.0])), [0.5, 0.5, 0.7, 0.9, 0.9])
    one = dataclasses.replace(SHIPPED_ONE, object=curve)
    np.testing.assert_allclose(one.of(curve, np.array([1.0])), [0.7])
