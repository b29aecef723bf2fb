"""The rhythm of stamps: what is missing, what is uneven, and that the one is not taken for the other."""

import numpy as np
import pytest

from ssrflow_ros.steps.stamps import forward_steps, rhythm

BEGIN_NS = 1_700_000_000_000_000_000
EVEN = 0.1 * np.arange(300)


def beat_of(seconds):
    return rhythm(forward_steps([BEGIN_NS + round(second * 1e9) for second in seconds]))


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('lost', [0.0, 0.1, 0.4, 0.8])
@pytest.mark.parametrize('jitter', [0.0, 0.003])
def test_missing_ones_are_counted(seed, lost, jitter):
    rng = np.random.default_rng(seed)
    seconds = (EVEN + rng.normal(0, jitter, len(EVEN)))[rng.random(len(EVEN)) >= lost]
    beat = beat_of(seconds)
    assert beat.period == pytest.approx(0.1, rel=0.02) and not beat.complaint
    assert beat.missing == round((seconds[-1] - seconds[0]) / 0.1) + 1 - len(seconds)


UNEVEN = {
    'normal': lambda rng: EVEN + rng.normal(0, 0.02, len(EVEN)),
    'uniform': lambda rng: EVEN + rng.uniform(-0.025, 0.025, len(EVEN)),
    'late at times': lambda rng: EVEN + rng.exponential(0.02, len(EVEN)),
    'in milliseconds': lambda rng: np.round(EVEN + rng.normal(0, 0.02, len(EVEN)), 3),
    'by turns': lambda rng: np.cumsum([0.15, 0.05] * 40),
    'three sweeps': lambda rng: [0.0, 0.15, 0.2],
}


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('kind', UNEVEN)
def test_uneven_stamps_are_no_loss(kind, seed):
    beat = beat_of(UNEVEN[kind](np.random.default_rng(seed)))
    assert 'uneven' in beat.complaint and beat.missing <= 3
    assert beat.period == pytest.approx(0.1, rel=0.05)


def test_uneven_stamps_with_a_loss():
    rng = np.random.default_rng(0)
    keep = rng.random(len(EVEN)) >= 0.15
    beat = beat_of((EVEN + rng.normal(0, 0.012, len(EVEN)))[keep])
    assert beat.missing == pytest.approx((~keep).sum(), rel=0.25)


def test_pauses_restarts_and_stamps_of_0_tell_nothing():
    stamps = [0, *(BEGIN_NS + np.int64(1e9 * second) for second in (0.0, 0.1, 0.2, 60.2, 60.3, 0.0, 0.1, 0.2))]
    np.testing.assert_allclose(forward_steps(stamps), [0.1] * 5)
    assert rhythm(forward_steps([0, BEGIN_NS])) is None
    assert beat_of([0.0, 0.1]).missing == 0
