"""The judge of moving objects judges a case that is known."""

import numpy as np
import pytest

from ssrflow_ros.simulator import CLASSES
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair
from studies.limits import row
from studies.moving_objects import report
from studies.object_scores import Labels, LookedFor, Tally, true_movers

DT = -0.1


def case(velocity, claimed, wrong=(3.0, 0.0, 0.0)):
    """A car of 20 points that goes `velocity`, found with `claimed`, and a bush that is taken for a mover."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-1, 1, (20, 3)) + (8, 0, 0), rng.uniform(-1, 1, (20, 3)) + (0, 15, 0)])
    source = Sweep.from_points(points, 2_000_000_000)
    ids = np.repeat([0, 1], 20).astype(np.int32)
    found = np.where(ids[:, None] == 0, claimed, wrong).astype(np.float32)
    objects = tuple(
        MovingObject(k, np.array(centre), np.ones(3), 0, np.array(way, float), 20, k, 1, 0, np.eye(3), np.eye(3), 1)
        for k, (centre, way) in enumerate((((8.0, 0, 0), claimed), ((0, 15.0, 0), wrong)))
    )
    motion = np.where(ids[:, None] == 0, velocity, (0, 0, 0)) * DT
    labels = Labels(
        motion.astype(np.float32),
        np.ones(40, bool),
        np.where(ids == 0, 3, -1),
        np.where(ids == 0, CLASSES.index('car'), CLASSES.index('vegetation')),
        np.array([[0.0] * 7] * 3 + [[8.0, 0.5, 0, 4, 2, 1.5, 0]]),
    )
    pair = SweepPair(source, Sweep.from_points(points, 1_900_000_000))
    flow = FlowField(pair, EgoMotion(np.eye(4), 'given'), DT * found, found, ids >= 0, np.zeros(40, bool), ids, objects)
    return flow, labels


def test_a_found_mover_and_a_false_one():
    tally, known = Tally(), {}
    tally.add(*case((10.0, 0.0, 0.0), (9.0, 0.0, 0.0)), known)
    assert tally.moving['refined'].tolist() == [20, 20, 0] and tally.moving['zero'].tolist() == [0, 0, 20]
    assert [(mover.kind, mover.found) for mover in tally.looked_for] == [('car', True)]
    assert [kind for _, kind in tally.claimed] == ['car', None]
    (error,) = tally.errors
    assert error['velocity'] == pytest.approx(1.0, abs=1e-4)
    assert error['velocity_nees'] == pytest.approx(1 / 3, abs=1e-4)
    assert error['position'] == pytest.approx(0.5) and error['heading'] == pytest.approx(0, abs=1e-3)
    parts = np.array(tally.three_way['refined'])[0]
    assert parts[:, 1].tolist() == [20, 0, 20] and parts[0, 0] == pytest.approx(2.0, rel=1e-4)
    assert '0.50 of 2' in report(tally) and known == {3: 0}


def test_a_missed_mover_counts():
    tally = Tally()
    flow, labels = case((10.0, 0.0, 0.0), (9.0, 0.0, 0.0))
    nothing = FlowField(
        flow.pair,
        flow.ego_motion,
        0 * flow.flow,
        0 * flow.velocity,
        np.zeros(40, bool),
        flow.ground,
        np.full(40, -1, np.int32),
    )
    tally.add(nothing, labels, {})
    assert [mover.found for mover in tally.looked_for] == [False] and not tally.claimed and not tally.errors


def test_a_turn_is_read_off_the_labels():
    flow, labels = case((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    points, rate = flow.pair.source.points, 0.5
    motion = np.zeros_like(points)
    motion[:20] = DT * rate * np.column_stack([-points[:20, 1], points[:20, 0] - 8, np.zeros(20)])
    mover = true_movers(points, Labels(motion, labels.scored, labels.owner, labels.kinds), DT)[3]
    assert mover.motion[3] == pytest.approx(rate, rel=0.1)


def test_what_is_false_is_counted_against_the_same_recordings_dry():
    def tallies(*false):
        return [
            Tally(
                pairs=5, claimed=[(8.0, None)] * count + [(8.0, 'car')], looked_for=[LookedFor('car', 8.0, 3.0, True)]
            )
            for count in false
        ]

    wet, dry = tallies(0, 5, 1, 0), tallies(1, 1, 1, 1)
    assert row('rain', wet, dry) == '| rain | 20 | 0 | 4 of 4 | 4 | 6 | +2 ± 4 | 1 of 4 |'
    assert row('rain', wet) == '| rain | 20 | 0 | 4 of 4 | 4 | 6 |  |  |'
