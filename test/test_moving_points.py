"""Which points move: the loop beside plain NumPy, margins, and where movers are expected that no answer tells of."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from worlds import pair_of

from ssrflow_ros.kernels.boxes import box_of_each
from ssrflow_ros.objects.moving_points import MovingPoints
from ssrflow_ros.steps.conditioning import turned_object
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair
from ssrflow_ros.transforms import invert, rigid, transformed

START_NS, PERIOD_NS = 10_000_000_000, 100_000_000
MARGIN = 0.2


@given(st.integers(0, 200), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_points_in_boxes_of_any_size_anywhere(n, k, seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-20, 20, (n, 3)).astype(np.float32) * rng.choice([1, 30]).astype(np.float32)
    centres, halves = rng.uniform(-25, 25, (k, 3)), rng.uniform(0, rng.choice([5, 300]), (k, 3))
    yaw = rng.uniform(-4, 4, k)
    centres, cosines, sines, halves = (np.float32(values) for values in (centres, np.cos(yaw), np.sin(yaw), halves))
    wanted, least, found = np.full(n, -1), np.ones(n, np.float32), np.empty(n, np.int32)
    for number in range(k):
        x, y, z = (points - centres[number]).T
        cosine, sine = cosines[number], sines[number]
        sides = np.abs(np.column_stack([cosine * x + sine * y, cosine * y - sine * x, z]))
        off = (sides / halves[number]).max(axis=1)
        wanted[off <= least] = number
        least = np.minimum(off, least)
    box_of_each(points, centres, cosines, sines, halves, found)
    assert np.array_equal(found, wanted)


def walker(centre=(6.0, 1.0, -0.6), velocity=(0.0, 2.0, 0.0), yaw=np.pi / 2, track_id=4, age=3, yaw_rate=0.0):
    return MovingObject(
        0, np.array(centre), np.array([0.8, 0.6, 1.8]), yaw, np.array(velocity), 50, track_id, age, yaw_rate
    )


def flow_of(points, objects=(), ground=None, moving=None, number=0, ego=None, frame='lidar'):
    """What is said of the sweep of that number."""
    n = len(points)
    source, target = (Sweep.from_points(points, START_NS + (number - back) * PERIOD_NS, frame) for back in (0, 1))
    nothing, none = np.zeros((n, 3), np.float32), np.zeros(n, bool)
    return FlowField(
        SweepPair(source, target),
        ego or EgoMotion(np.eye(4), 'given'),
        nothing,
        nothing,
        none if moving is None else moving,
        none if ground is None else ground,
        np.full(n, -1, np.int32),
        tuple(objects),
    )


def answered(movers, flow, margin=MARGIN):
    movers.note(flow)
    return movers.answered(flow, margin)


def test_what_lies_in_an_object_or_near_it_moves_and_ground_does_not():
    # Of one that faces along y: inside, beside it along and across, and above; then farther than the margin.
    off = [[0, 0, 0], [0, 0.55, 0], [0.45, 0, 0], [0, 0, 1.05], [0, 0, -1.05], [0, 0.65, 0], [0.55, 0, 0], [0, 0, 1.15]]
    points = walker().centre + np.array(off)
    assert answered(MovingPoints(), flow_of(points, [walker()])).tolist() == [True] * 5 + [False] * 3
    ground = np.arange(8) == 4
    assert answered(MovingPoints(), flow_of(points, [walker()], ground)).tolist() == [True] * 4 + [False] * 4
    lone = np.arange(8) == 7  # moves without an object
    assert answered(MovingPoints(), flow_of(points, [walker()], moving=lone), 0.0).tolist() == [True] + [False] * 6 + [
        True
    ]


def test_without_objects_only_what_moves_by_itself():
    points = np.random.default_rng(0).uniform(-9, 9, (30, 3))
    assert not answered(MovingPoints(), flow_of(points)).any()
    assert not MovingPoints().expected(flow_of(points).pair.source, MARGIN).any(), 'of the first cloud nothing is known'


@pytest.mark.parametrize('turn_rate, speed', [(0.0, 0.0), (0.0, 8.0), (0.6, 8.0), (-1.5, 0.0)])
@pytest.mark.parametrize('later', [1, 4])
def test_a_mover_is_expected_where_it_will_be_seen_from_a_sensor_that_moves(turn_rate, speed, later):
    """A walker and a wall, of which the sensor sees nothing but points in its own frame."""
    arm = np.random.default_rng(1).uniform(-0.4, 0.4, (40, 3))
    wall = np.random.default_rng(2).uniform((2, 4, -1), (12, 4.1, 2), (60, 3))
    velocity, start = np.array([0.0, 2.0, 0.0]), np.array([6.0, -1.0, -0.6])

    def pose(seconds):
        """World from sensor: an arc."""
        angle = turn_rate * seconds
        way = (
            np.array([np.sin(angle), 1 - np.cos(angle), 0]) * speed / turn_rate
            if turn_rate
            else np.array([speed * seconds, 0, 0])
        )
        return rigid(Rotation.from_euler('z', angle).as_matrix(), way)

    def seen(seconds):
        return transformed(np.concatenate([start + velocity * seconds + arm, wall]), invert(pose(seconds)))

    movers = MovingPoints()
    ego = EgoMotion(invert(pose(-0.1)) @ pose(0.0), 'given')
    movers.note(flow_of(seen(0.0), [walker(start, velocity)], ego=ego))
    sweep = Sweep.from_points(seen(0.1 * later), START_NS + later * PERIOD_NS, 'lidar')
    moving = movers.expected(sweep, MARGIN)
    assert moving[:40].all() and not moving[40:].any()

    # The same where every point has a time of its own, and has still to be deskewed.
    times = np.linspace(-0.1, 0.0, 100).astype(np.float32)
    skewed = np.concatenate([seen(0.1 * later + float(time))[row : row + 1] for row, time in enumerate(times)])
    sweep = dataclasses.replace(Sweep.from_points(skewed, sweep.stamp_ns, 'lidar'), times=times)
    moving = movers.expected(sweep, MARGIN)
    assert moving[:40].all() and not moving[40:].any()


def test_what_turns_is_expected_to_turn():
    car = dataclasses.replace(walker(velocity=(0, 0, 0), yaw=0.0, yaw_rate=np.pi / 2), size=np.array([4.0, 1.0, 1.0]))
    movers = MovingPoints()
    movers.note(flow_of(np.zeros((1, 3)) + 1, [car]))
    ends = car.centre + np.array([[0, 1.8, 0], [1.8, 0, 0]])  # along y, where it will face in a second, and along x
    assert movers.expected(Sweep.from_points(ends, START_NS + 10 * PERIOD_NS, 'lidar'), 0.1).tolist() == [True, False]


def test_nothing_is_expected_below_an_object_after_a_second_in_another_frame_or_after_a_reset():
    movers = MovingPoints()
    points = walker().centre + np.array([[0, 0, 0], [0, 0, -1.05]])
    movers.note(flow_of(points, [walker(velocity=(0, 0, 0))]))

    def at(number, frame='lidar'):
        return movers.expected(Sweep.from_points(points, START_NS + number * PERIOD_NS, frame), MARGIN).tolist()

    assert at(1) == [True, False], 'what is ground is not known'
    assert at(10) == [True, False]
    assert at(11) == at(1, 'other') == at(-1) == [False, False]
    movers.reset()
    assert at(1) == [False, False]


def test_an_object_that_is_not_found_again_is_expected_twice_if_it_was_seen_twice():
    movers, velocity = MovingPoints(), np.array([0.0, 2.0, 0.0])

    def moving(number, objects=()):
        points = walker().centre + velocity * 0.1 * number + np.zeros((1, 3))
        return bool(answered(movers, flow_of(points, objects, number=number))[0])

    assert moving(0, [walker(age=2)])
    assert [moving(number) for number in (1, 2, 3)] == [True, True, False]
    assert moving(4, [walker(walker().centre + 0.4 * velocity, age=1)])
    assert not moving(5), 'what was seen once may have been a mistake'
    assert moving(6, [walker(walker().centre + 0.6 * velocity, age=2)])
    assert moving(7)
    assert moving(8, [walker(walker().centre + 0.8 * velocity, age=3)]) and moving(9) and moving(10) and not moving(11)


def test_who_was_not_found_is_expected_where_there_is_no_answer_either():
    movers = MovingPoints()
    points = walker().centre + np.zeros((1, 3))
    for number, objects in enumerate([[walker(velocity=(0, 0, 0))], []]):
        movers.note(flow_of(points, objects, number=number))
    assert movers.expected(Sweep.from_points(points, START_NS + 2 * PERIOD_NS, 'lidar'), MARGIN).all()


def test_a_pair_forwards_in_time_is_answered_too():
    pair, ego = pair_of(walker().centre + np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32), dt=0.1)
    movers, none = MovingPoints(), np.zeros(1, bool)
    nothing = np.zeros((1, 3), np.float32)
    flow = FlowField(pair, ego, nothing, nothing, none, none, np.full(1, -1, np.int32), (walker(),))
    assert answered(movers, flow).all()


@pytest.mark.parametrize('roll', [40.0, 90.0, 180.0])
def test_a_sensor_that_is_tilted_sees_the_same_points_move(roll):
    """Boxes are upright on the ground, whatever the axes of the frame; also where the sensor has gone on since."""
    rng = np.random.default_rng(4)
    points = walker().centre + rng.uniform(-1.5, 1.5, (400, 3))
    turn = Rotation.from_euler('x', roll, degrees=True).as_matrix()
    motion = rigid(Rotation.from_euler('z', 0.05).as_matrix(), np.array([0.2, 0.0, 0.0]))
    tilt = rigid(turn, np.zeros(3))
    level, tilted = MovingPoints(), MovingPoints()
    level.note(flow_of(points, [walker()], ego=EgoMotion(motion, 'given')))
    theirs = EgoMotion(tilt @ motion @ invert(tilt), 'given')
    tilted.note(flow_of(points @ turn.T, [turned_object(walker(), turn)], ego=theirs))
    for number in (0, 2):
        at = START_NS + number * PERIOD_NS
        moving, same = (
            movers.expected(Sweep.from_points(seen, at, 'lidar'), MARGIN)
            for movers, seen in ((level, points), (tilted, points @ turn.T))
        )
        assert 30 < moving.sum() < 200 and (moving != same).sum() <= 1
