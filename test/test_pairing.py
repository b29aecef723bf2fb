"""The pairing policy, row by row of the table in streams.py."""
import numpy as np
import pytest

from streams import TABLE

from ssrflow_ros.settings import Settings
from ssrflow_ros.steps import pairing
from ssrflow_ros.steps.pairing import Pairing
from ssrflow_ros.sweep import Sweep

BEGIN = 1_700_000_000.0


def sweep(seconds: float, frame: str = 'lidar', n: int = 3) -> Sweep:
    return Sweep.from_points(np.ones((n, 3), np.float32), round(seconds * 1e9), frame)


@pytest.mark.parametrize('row', TABLE)
def test_row(row):
    stream, expected = TABLE[row]
    pairs, frame, answers = Pairing(Settings(max_gap=0.5)), 'lidar', iter(expected)
    for step in stream:
        if isinstance(step, str):
            frame = frame if step == 'pause' else step
            continue
        newest, want = sweep(BEGIN + step, frame), next(answers)
        pair = pairs.push(newest)
        if isinstance(want, str):
            assert pair is None and pairs.reason == want
        else:
            assert pair.source is newest and pairs.reason == ''
            assert pair.dt == pytest.approx(want, abs=1e-6)
    assert sum(pairs.drops.values()) == sum(isinstance(want, str) for want in expected)


@pytest.mark.parametrize('stamps, reason', [((5.0, 4.0), pairing.OUT_OF_ORDER), ((0.0, 0.5), '')])
def test_the_ends_of_what_is_allowed_belong_to_it(stamps, reason):
    """One second back is still out of order, and a gap of exactly max_gap no gap."""
    pairs = Pairing(Settings(max_gap=0.5))
    for stamp in stamps:
        pairs.push(sweep(stamp))
    assert pairs.reason == reason


def test_empty_sweep_keeps_the_last_one():
    pairs = Pairing(Settings())
    pairs.push(sweep(0.0))
    assert pairs.push(sweep(0.1, n=0)) is None and pairs.reason == pairing.EMPTY
    assert pairs.push(sweep(0.2)).dt == pytest.approx(-0.2)


def test_reset_forgets_the_sweep_and_keeps_the_counts():
    pairs = Pairing(Settings())
    pairs.push(sweep(0.0))
    pairs.reset()
    assert pairs.push(sweep(0.1)) is None
    assert pairs.drops == {pairing.FIRST: 2}


def test_max_gap_can_be_changed_live():
    pairs = Pairing(Settings(max_gap=0.2))
    pairs.push(sweep(0.0))
    pairs.settings = pairs.settings.replace(max_gap=2.0)
    assert pairs.push(sweep(1.0)) is not None
