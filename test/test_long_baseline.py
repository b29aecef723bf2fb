"""What is slow is measured against a sweep from half a second before; where there is none nothing changes."""

import numpy as np
import pytest

from ssrflow_ros.objects.classification import classify, past_features
from ssrflow_ros.objects.features import FEATURES
from ssrflow_ros.objects.groups import Clusters
from ssrflow_ros.objects.long_baseline import long_baseline
from ssrflow_ros.objects.motion_classifier import MotionClassifier
from ssrflow_ros.objects.tiles import Blocks

CLASSIFIER = MotionClassifier.load()
DT, AGE = -0.1, 0.6


@pytest.fixture
def walker():
    """A walker (60, 3) m 20 m ahead."""
    return (np.random.default_rng(0).uniform(-0.25, 0.25, (60, 3)) * [1, 1, 3] + [20.0, 1.0, 0.0]).astype(np.float32)


def measured(walker, velocity, by_pair=(0.0, 0.0), age=AGE):
    """What half a second tells of one who goes with this velocity, m/s; by the pair he goes with another."""
    was = walker - np.float32([*velocity, 0]) * np.float32(age)
    past = Blocks(was if age else was[:0])
    return long_baseline(Clusters(walker, np.array([60])), np.array([by_pair]) * DT, past, DT, age)


@pytest.mark.parametrize('velocity', [(0.0, 0.0), (0.7, 0.0), (-0.4, 1.5)])
def test_a_walker_is_found_where_he_was(walker, velocity):
    told = measured(walker, velocity)
    assert told.known.all() and told.ratio == pytest.approx(6)
    assert told.displacement[0] / DT == pytest.approx(velocity, abs=0.05)
    assert told.cost[0] < 0.05 and (told.cost_still[0] > 0.2) == (velocity != (0.0, 0.0))


def test_the_pairs_own_velocity_is_judged(walker):
    right, wrong = (measured(walker, (1.0, 0.0), by_pair) for by_pair in ((1.0, 0.0), (-1.0, 0.0)))
    assert right.cost_alike[0] < 0.1 < 0.5 < wrong.cost_alike[0]


@pytest.mark.parametrize('by_pair, age', [((1.0, 0.0), 0.0), ((8.0, 0.0), AGE)])
def test_without_an_earlier_sweep_or_out_of_reach_nothing_is_known(walker, by_pair, age):
    told = measured(walker, (1.0, 0.0), by_pair, age)
    assert not told.known.any() and np.isnan(told.displacement).all()
    motion = {name: np.ones(1) for name in FEATURES['motion'] if '*' not in name}
    classified = classify(motion, past_features(told, np.ones(1)), None, CLASSIFIER)
    assert classified.log_odds == CLASSIFIER.motion(motion)


def test_who_seems_to_move_and_was_there_half_a_second_before_is_doubted(walker):
    odds = []
    for way, share in (((0.0, 0.0), 0.0), ((1.0, 0.0), 1.0)):
        typical = dict(zip(FEATURES['past'], CLASSIFIER.past.centre[:, None])) | {'log_odds': np.zeros(1)}
        columns = typical | past_features(measured(walker, way, (1.0, 0.0)), np.full(1, share))
        odds.append(CLASSIFIER.past.of_stacked(np.stack([columns[name] for name in FEATURES['past']], axis=-1))[0])
    assert odds[0] < 0 < odds[1]
