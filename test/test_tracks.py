"""Objects keep their numbers from sweep to sweep, over gaps, under a moving sensor, and not over a restart."""

import dataclasses

import numpy as np
import pytest

from ssrflow_ros.objects.tracks import Tracks
from ssrflow_ros.sweep import EgoMotion, MovingObject, Sweep, SweepPair

DT_NS = 100_000_000


def pair(stamp, dt=-1, frame='lidar'):
    points = np.ones((1, 3), np.float32)
    return SweepPair(
        Sweep.from_points(points, (100 + stamp) * DT_NS, frame),
        Sweep.from_points(points, (100 + stamp + dt) * DT_NS, frame),
    )


def ego(speed=0.0, turn=0.0, dt=-0.1):
    """Of a sensor that goes `speed` m/s ahead and turns `turn` rad/s: target_from_source."""
    angle = -turn * dt
    motion = np.eye(4)
    motion[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    motion[0, 3] = -speed * dt
    return EgoMotion(motion, 'given')


def car(x, y, velocity=(10.0, 0.0, 0.0)):
    return MovingObject(0, np.array([x, y, 0.0]), np.array([4.0, 1.8, 1.5]), 0.0, np.array(velocity), 50)


def step(tracks, stamp, *objects, motion=None, **of_pair):
    tracks.advance(pair(stamp, **of_pair), motion or ego())
    return [(item.track_id, item.age) for item in tracks.follow(list(objects))]


def test_numbers_stay_and_new_ones_are_new():
    tracks = Tracks()
    assert step(tracks, 0, car(0, 5), car(20, -5)) == [(0, 1), (1, 1)]
    assert step(tracks, 1, car(21, -5), car(1, 5), car(9, 9)) == [(1, 2), (0, 2), (2, 1)]


@pytest.mark.parametrize('missed, known', [(1, True), (2, True), (3, False)])
def test_one_or_two_missed_sweeps_are_bridged(missed, known):
    tracks = Tracks()
    step(tracks, 0, car(0, 5))
    for stamp in range(1, missed + 1):
        assert step(tracks, stamp) == []
    found = step(tracks, missed + 1, car(1.0 * (missed + 1), 5))
    assert found == ([(0, 2)] if known else [(1, 1)])


def test_sweeps_that_never_came_are_bridged_too():
    tracks = Tracks()
    step(tracks, 0, car(0, 5))
    assert step(tracks, 3, car(3.0, 5)) == [(0, 2)]
    assert step(tracks, 8, car(8.0, 5)) == [(0, 3)]  # at two a second, as on a slow machine
    assert step(tracks, 19, car(19.0, 5)) == [(1, 1)]


def test_the_sensors_own_motion_is_taken_out():
    standing, tracks = (0.0, 0.0, 0.0), Tracks()
    motion = ego(speed=15.0, turn=1.0)
    step(tracks, 0, car(30.0, 0.0, standing), motion=motion)
    here = np.linalg.inv(motion.target_from_source) @ (30.0, 0.0, 0.0, 1.0)
    assert step(tracks, 1, car(here[0], here[1], standing), motion=motion) == [(0, 2)]
    assert not np.allclose(here[:2], (30, 0), atol=2.0)


def test_forward_pairs_are_followed_too():
    tracks = Tracks()
    assert step(tracks, 0, car(0, 5), dt=1, motion=ego(dt=0.1)) == [(0, 1)]
    assert step(tracks, 1, car(1, 5), dt=1, motion=ego(dt=0.1)) == [(0, 2)]


@pytest.mark.parametrize(
    'again',
    [dict(stamp=1, frame='other'), dict(stamp=0), dict(stamp=-50), dict(stamp=40)],
    ids=['other frame', 'same sweep', 'time set back', 'gap'],
)
def test_a_restart_begins_anew_and_uses_no_number_twice(again):
    tracks = Tracks()
    step(tracks, 0, car(0, 5))
    assert step(tracks, again.pop('stamp'), car(0, 5), **again) == [(1, 1)]


def test_how_much_what_is_found_moves_unlike_what_is_expected():
    tracks, here = Tracks(), np.array([1.0, 5.0])
    assert np.isinf(tracks.unlike(here[None], np.zeros((1, 2)))).all()
    step(tracks, 0, car(0, 5))
    tracks.advance(pair(1), ego())
    ways = np.array([[10.0, 0.0], [10.0, 2.5], [10.0, 5.0], [-10.0, 0.0], [10.0, 0.0]])
    places = np.array([here] * 4 + [[9.0, 5.0]])
    unlike = tracks.unlike(places, ways)
    assert unlike[0] == pytest.approx(0, abs=1e-6) and 0.4 < unlike[1] < 0.6 < unlike[2] < 1
    assert np.isinf(unlike[3:]).all()


def test_of_several_that_are_expected_the_one_that_moves_most_alike_counts():
    tracks, asked = Tracks(), (np.array([[1.0, 5.5]]), np.array([[10.0, 0.0]]))
    step(tracks, 0, car(0, 5), car(0, 6, (7.0, 0.0, 0.0)))
    tracks.advance(pair(1), ego())
    assert tracks.unlike(*asked) == pytest.approx(0, abs=1e-6)
    tracks.follow([])
    tracks.advance(pair(40), ego())
    assert not tracks.goes_on and np.isinf(tracks.unlike(*asked)).all()


def test_how_what_is_expected_goes():
    tracks, asked = Tracks(), np.array([[1.0, 5.0], [1.4, 5.0], [9.0, 5.0]])
    assert np.isnan(tracks.expected(asked)).all()
    tracks.advance(pair(0), ego())
    tracks.follow([car(0, 5)])
    tracks.advance(pair(1), ego())
    velocity = tracks.expected(asked)
    assert velocity[:2] == pytest.approx(np.array([[10.0, 0.0]] * 2)) and np.isnan(velocity[2]).all()


@pytest.mark.parametrize(
    'size, velocity, apart',
    [
        ((0.8, 0.4, 1.5), (10.0, 0.0, 0.0), False),
        ((0.8, 0.4, 1.5), (4.0, 0.0, 0.0), True),
        ((3.0, 0.4, 1.5), (10.0, 0.0, 0.0), True),
    ],
    ids=['piece', 'goes by', 'no piece'],
)
def test_a_piece_of_a_long_object_is_expected_with_it(size, velocity, apart):
    tracks = Tracks()
    step(tracks, 0, car(0, 5), dataclasses.replace(car(1, 5.5, velocity), size=np.array(size)))
    box = tracks.inside(np.float32([[1.0, 5.5, 0.0], [-1.0, 5.0, 0.0]]))
    assert box.tolist() == [int(apart), 0]


def test_what_is_not_found_again_is_expected_and_two_sweeps_long():
    tracks, numbers = Tracks(), []
    motion = ego(speed=5.0)
    for stamp in range(2):
        step(tracks, stamp, car(20 + 0.5 * stamp, 5), car(40 + 0.5 * stamp, -5), motion=motion)
        assert not tracks.lost()
    for missed in (1, 2):
        step(tracks, 1 + missed, car(20.5 + 0.5 * missed, 5), motion=motion)
        (lost,) = tracks.lost()
        numbers.append(lost.item.track_id)
        assert (lost.missed, lost.item.age) == (missed, 2) and lost.seconds == pytest.approx(0.1 * missed)
        np.testing.assert_allclose(lost.item.centre[:2], (40.5 + 0.5 * missed, -5), atol=1e-9)
    step(tracks, 4, car(22.0, 5), motion=motion)
    assert not tracks.lost() and numbers == [1, 1]


def test_what_was_seen_once_is_not_expected_nor_what_has_another_name_now():
    tracks = Tracks()
    step(tracks, 0, car(20, 5))
    step(tracks, 1)
    assert not tracks.lost()
    for stamp in (10, 11):
        step(tracks, stamp, car(20, 5, (0, 0, 0)), car(22.5, 5, (0, 0, 0)))
    step(tracks, 12, car(21.5, 5, (0, 0, 0)))  # of two pieces of one thing there is one left
    assert not tracks.lost()
