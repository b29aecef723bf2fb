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
    return Sweep.from_points(np.full((n, 3), 1 + seconds % 1000.0, np.float32), round(seconds * 1e9), frame)


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


def again(one, index, step=0.1):
    """The points of `one` with the stamp of the `index`-th cloud."""
    return Sweep(one.points, round(index * step * 1e9), 'lidar', one.rows, one.n_rows)


@pytest.mark.parametrize('known', [True, False])
@pytest.mark.parametrize('times', [2, 3])
def test_a_cloud_sent_again_with_a_new_stamp_is_dropped(times, known):
    """While it is not known that the points change, the first one's repeats say that nothing moves."""
    pairs = Pairing(Settings())
    pairs.changing = known
    clouds = [sweep(0.1 * index) for index in range(4) for _ in range(times)]
    for index, one in enumerate(clouds):
        pair = pairs.push(again(one, index, 0.1 / times))
        if index >= times and not index % times:
            assert pair.dt == pytest.approx(-0.1)
        elif index >= times or known and index:
            assert pair is None and pairs.reason == pairing.SAME_POINTS
    assert pairs.drops == {pairing.FIRST: 1, pairing.SAME_POINTS: (4 if known else 3) * (times - 1)}


def test_a_simulation_that_stands_still_is_answered():
    pairs = Pairing(Settings())
    answers = [pairs.push(again(sweep(0.0), index)) for index in range(20)]
    assert all(pair.dt == pytest.approx(-0.1) for pair in answers[1:])
    assert pairs.push(again(sweep(1.0), 20)).dt == pytest.approx(-0.1), 'and then goes on'


def test_one_that_comes_to_a_stand_is_answered_after_the_longest_gap():
    pairs = Pairing(Settings(max_gap=0.5))
    for index in range(3):
        pairs.push(again(sweep(index), index))
    reasons = []
    for index in range(3, 12):
        pairs.push(again(sweep(2), index))
        reasons.append(pairs.reason)
    assert reasons == [pairing.SAME_POINTS] * 5 + [pairing.GAP] + [''] * 3


def test_every_reason_has_its_cure():
    reasons = {value for name, value in vars(pairing).items() if name.isupper() and isinstance(value, str)}
    assert reasons == set(pairing.CURES)


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
