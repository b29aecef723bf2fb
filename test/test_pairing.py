"""The pairing policy, row by row."""
import numpy as np
import pytest

from ssrflow_ros.settings import Settings
from ssrflow_ros.steps import pairing
from ssrflow_ros.steps.pairing import Pairing
from ssrflow_ros.sweep import Sweep


def sweep(seconds: float, frame: str = 'lidar', n: int = 3) -> Sweep:
    return Sweep.from_points(np.ones((n, 3), np.float32), round(seconds * 1e9), frame)


# Stamps (s) that come in, and what each gives: a pair (its dt, s) or the reason why not.
STREAMS = {
    'steady': ([0.0, 0.1, 0.2], [pairing.FIRST, -0.1, -0.1]),
    'duplicate': ([0.0, 0.1, 0.1, 0.2], [pairing.FIRST, -0.1, pairing.DUPLICATE, -0.1]),
    'out of order': ([0.0, 0.2, 0.1, 0.3], [pairing.FIRST, -0.2, pairing.OUT_OF_ORDER, -0.1]),
    'one second back is still out of order': ([5.0, 4.0, 5.1], [pairing.FIRST, pairing.OUT_OF_ORDER, -0.1]),
    'bag loop': ([10.0, 10.1, 0.0, 0.1], [pairing.FIRST, -0.1, pairing.TIME_RESTARTED, -0.1]),
    'gap': ([0.0, 0.1, 0.7, 0.8], [pairing.FIRST, -0.1, pairing.GAP, -0.1]),
    'a gap of exactly max_gap is allowed': ([0.0, 0.5], [pairing.FIRST, -0.5]),
    'stamps of today': ([1.8e9, 1.8e9 + 0.25], [pairing.FIRST, -0.25]),
}


@pytest.mark.parametrize('name', STREAMS)
def test_stream(name):
    stamps, expected = STREAMS[name]
    pairs = Pairing(Settings(max_gap=0.5))
    for stamp, want in zip(stamps, expected):
        newest = sweep(stamp)
        pair = pairs.push(newest)
        if isinstance(want, str):
            assert pair is None and pairs.reason == want
        else:
            assert pair.source is newest and pairs.reason == ''
            assert pair.dt == pytest.approx(want)
    assert sum(pairs.drops.values()) == sum(isinstance(want, str) for want in expected)


def test_other_frame_starts_anew():
    pairs = Pairing(Settings())
    pairs.push(sweep(0.0, 'front'))
    assert pairs.push(sweep(0.1, 'rear')) is None and pairs.reason == pairing.OTHER_FRAME
    assert pairs.push(sweep(0.2, 'rear')).dt == pytest.approx(-0.1)


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
