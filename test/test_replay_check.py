"""Movers are told from what stands by other sweeps of the same recording, without labels."""

from collections import Counter

import numpy as np
import pytest
from worlds import box, patch, seen

from ssrflow_ros.evaluation.replay_check import (
    BESIDE,
    MOVED,
    STOOD,
    UNTOLD,
    Judged,
    ReplayCheck,
    counts,
    summary,
    told_apart,
)
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.simulator.classes import CLASS_ID
from ssrflow_ros.simulator.disturbances import with_own_body
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair
from studies.replay_check import add, report
from studies.replay_check import check as check_by_truth

N = 45  # sweeps at 10 Hz


def flows(reported, gap=None):
    """A walker's box that crosses before a wall, a parked one, the robot at 1 m/s; `reported`: names of objects.

    Where a mast is reported the sensor sees it on its robot. The sweep `gap` gets no answer.
    """
    last, things = None, {'mover': (0.6, 0.6, 1.7), 'parked': (0.6, 0.6, 1.7)}
    if 'mast' in reported:
        things['mast'] = (0.2, 0.2, 1.0)
    for number in range(N):
        own = 0.1 * number
        places = {'mover': (9 - own, -3 + 0.14 * number, 0), 'parked': (8 - own, 5, 0), 'mast': (1.2, -0.8, 0)}
        parts = {name: box(np.array(places[name]), np.array(size)) for name, size in things.items()}
        points = seen(patch(16 - own, 0, 30.0, 4.0), *parts.values())
        sweep = Sweep.from_points(points, number * 100_000_000, 'lidar')
        if last is not None and number != gap:
            ego = np.eye(4)
            ego[0, 3] = 0.1  # the older sweep's sensor stood 0.1 m behind
            ids, objects = np.full(len(points), -1, np.int32), []
            for name in reported:
                inside = (np.abs(points - places[name]) <= np.array(things[name]) / 2 + 0.01).all(axis=1)
                ids[inside] = len(objects)
                velocity = np.array([0, 1.4, 0]) if name == 'mover' else np.array([0.8, 0, 0])
                objects.append(
                    MovingObject(
                        len(objects), np.array(places[name]), np.array(things[name]), 0.0, velocity, int(inside.sum())
                    )
                )
            nothing = np.zeros((len(points), 3), np.float32)
            yield FlowField(
                SweepPair(sweep, last),
                EgoMotion(ego, 'given'),
                nothing,
                nothing,
                ids >= 0,
                np.zeros(len(points), bool),
                ids,
                tuple(objects),
            )
        last = sweep


def judged(reported, **options):
    check = ReplayCheck(Settings())
    sweeps = [sweep for flow in flows(reported, **options) for sweep in check.add(flow)]
    return [*sweeps, *check.finish()]


def test_a_mover_moved_and_a_parked_thing_stood():
    sweeps = judged(['mover', 'parked'])
    assert [sweep.stamp_ns for sweep in sweeps] == [number * 100_000_000 for number in range(1, N)]
    verdicts = [[verdict for _, verdict in sweep.objects] for sweep in sweeps]
    assert all(row == [MOVED, STOOD] for row in verdicts[10:-10])
    assert verdicts[0] == verdicts[-1] == [UNTOLD, UNTOLD]  # nothing is known of one side
    movers = [mover for sweep in sweeps[10:-10] for mover in sweep.movers]
    assert len(movers) == len(sweeps) - 20 and all(found for _, found in movers)


def test_what_rides_along_is_not_judged():
    sweeps = judged(['mover', 'parked', 'mast'])
    verdicts = [[verdict for _, verdict in sweep.objects] for sweep in sweeps]
    assert all(row[:2] == [MOVED, STOOD] and row[2] in (BESIDE, UNTOLD) for row in verdicts[10:-10])
    movers = [mover for sweep in sweeps[10:-10] for mover in sweep.movers]
    assert len(movers) == len(sweeps) - 20, 'the walker alone'
    seen = counts(sweeps)
    assert seen[BESIDE] >= 10 and len(told_apart(sweeps)[1]) == seen[MOVED] + seen[STOOD]
    assert f', {seen[BESIDE]} of them keep their place beside the sensor' in summary(sweeps)[0][1]


def flow_by_truth(newer, older):
    """The answer of a method that knows the truth, and takes the robot's own body for a mover: object 0."""
    sweep, ego = newer.sweep, np.linalg.inv(older.pose) @ newer.pose
    own = (newer.class_id == CLASS_ID['object']) & (np.hypot(*sweep.points[:, :2].T) < 2.0) & ~newer.ground
    velocity = np.linalg.norm(ego[:3, 3]) / newer.dt
    ids, objects = np.full(len(sweep), -1, np.int32), []
    for rows in (np.flatnonzero(own), *(np.flatnonzero(newer.object_id == n) for n in np.unique(newer.object_id))):
        points = sweep.points[rows]
        speed = np.linalg.norm(newer.velocity[rows].mean(axis=0)) if objects else velocity
        if len(rows) >= 20 and speed >= 1.0:
            ids[rows] = len(objects)
            item = MovingObject(len(objects), points.mean(0), np.ptp(points, axis=0), 0.0, np.array([speed, 0, 0]), 1)
            objects.append(item)
    nothing = np.zeros((len(sweep), 3), np.float32)
    pair = SweepPair(sweep, older.sweep)
    return FlowField(pair, EgoMotion(ego, 'given'), nothing, nothing, ids >= 0, newer.ground, ids, tuple(objects))


def test_on_a_drive_with_the_robot_in_view_what_has_moved_are_movers():
    recording = list(with_own_body(simulate(3_200_000, 30, 'os1_64', 'street'), 0))
    check, judged = ReplayCheck(Settings()), []
    truth = {sweep.sweep.stamp_ns: sweep for sweep in recording}
    for newer, older in zip(recording[1:], recording):
        judged += check.add(flow_by_truth(newer, older))
    judged += check.finish()
    verdicts = Counter((item.id == 0, verdict) for sweep in judged for item, verdict in sweep.objects)
    assert verdicts[True, BESIDE] >= 8 and not verdicts[True, MOVED]
    assert verdicts[False, MOVED] >= 8 and not verdicts[False, BESIDE]
    gone = [truth[sweep.stamp_ns].object_id[rows] >= 0 for sweep in judged for rows, _ in sweep.movers]
    assert np.concatenate(gone).mean() > 0.97


def test_a_mover_that_nobody_reported_is_missed():
    movers = [found for sweep in judged(['parked']) for _, found in sweep.movers]
    assert len(movers) >= N - 24 and not any(movers)


def test_a_sweep_without_answer_begins_anew():
    sweeps = judged(['mover'], gap=20)
    assert len(sweeps) == N - 2
    at_the_gap = [sweep for sweep in sweeps if 17 <= sweep.stamp_ns / 100_000_000 <= 23]
    assert all(verdict == UNTOLD for sweep in at_the_gap for _, verdict in sweep.objects)


@pytest.mark.parametrize(
    'reported, texts',
    [(['mover', 'parked'], ('objects had moved (5', '(100%) of those')), ([], ('of 0 it cannot', '0 of'))],
)
def test_summary(reported, texts):
    rows = summary(judged(reported))
    assert len(rows) == len(texts) and all(text in row for text, (_, row) in zip(texts, rows))


def test_nothing_judged_is_nothing_told():
    assert ReplayCheck(Settings()).finish() == [] and summary([]) == []


@pytest.mark.slow
def test_where_the_truth_is_known_it_is_nearly_always_right():
    objects, movers, points = check_by_truth(2, 24)
    assert objects[MOVED, True] > 20 and objects[MOVED, False] < 0.05 * objects[MOVED, True]
    assert movers[True, True] > 0 and points[True] > 0.95 * points.total() > 20
    assert 'of movers' in report(objects, movers, points)


def test_verdicts_are_weighed_by_the_truth_of_what_was_not_left_out():
    """A robot in view is cut from the sweep; the labels of what is left are still its own."""
    newer, older = (next(with_own_body([one])) for one in simulate(3_100_001, 2, 'vlp16', 'street'))
    own = np.flatnonzero((newer.class_id == CLASS_ID['object']) & (np.linalg.norm(newer.sweep.points, axis=1) < 2.5))
    assert len(own) > 20 and (newer.object_id[own] == -1).all()
    left = newer.sweep.without(own)
    owner = newer.object_id[left.rows]
    mover = np.argmax(np.bincount(owner[owner >= 0]))
    rows = np.flatnonzero(owner == mover)
    nothing, none = np.zeros((len(left), 3), np.float32), np.zeros(len(left), bool)
    item = MovingObject(0, left.points[rows].mean(axis=0), np.ones(3), 0.0, np.zeros(3), len(rows))
    ids = np.where(owner == mover, 0, -1).astype(np.int32)
    flow = FlowField(
        SweepPair(left, older.sweep), EgoMotion(np.eye(4), 'given'), nothing, nothing, none, none, ids, (item,)
    )
    objects, movers, points = Counter(), Counter(), Counter()
    judged = Judged(0, ((item, MOVED),), ((rows, True),))
    add(judged, flow, newer, objects, movers, points)
    moves = np.linalg.norm(newer.motion_previous[left.rows][rows].mean(axis=0)) >= 0.025
    assert objects == {(MOVED, bool(moves)): 1} and points == {True: len(rows)}
