"""What had been seen half a second before is kept, led into the newest frame, and forgotten where a stream ends."""

import dataclasses

import numpy as np
import pytest
from worlds import patch

from ssrflow_ros import Settings
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.steps.range_image_history import RangeImageHistory
from ssrflow_ros.sweep import EgoMotion, Sweep, SweepPair

WALL = patch(20.0, 0.0, 30.0, 6.0)
STEP = 0.5  # m that the sensor goes ahead from sweep to sweep, while all stands


def stream(count, interval=0.1, first=0):
    """Sweeps of a wall 20 m ahead of the first place, and their views."""
    sweeps = [
        Sweep.from_points(WALL - [number * STEP, 0, 0], round((1 + number * interval) * 1e9), 'lidar')
        for number in range(first, first + count)
    ]
    return [(sweep, RangeImage(sweep.points)) for sweep in sweeps]


def ahead(sweeps=1):
    motion = np.eye(4)
    motion[0, 3] = sweeps * STEP
    return EgoMotion(motion, 'given')


def played(past, sweeps, find=lambda pair, about: None):
    """The answer to the last of the pairs of neighbouring sweeps; `find` gives the motion over those left out."""
    for (target, target_view), (source, view) in zip(sweeps, sweeps[1:]):
        pair = SweepPair(source, target)
        left_out = past.between(pair, ahead())
        motion, clouds = None if left_out is None else find(*left_out), (source.points, target.points)
        answer = past(pair, ahead(), (view, target_view), clouds, motion)
    return answer.image, answer.age


def sees_the_wall(view, number):
    """Whether the view, asked in the frame of sweep `number`, saw through what stands before the wall, and to it."""
    distance = 20 - number * STEP
    asked = np.array([[distance - 4, 0, 0], [distance, 0, 0], [distance + 4, 0, 0]], np.float32)
    free, taken = view.at(asked).is_free().tolist(), view.at(asked).is_at_return().tolist()
    return free == [True, False, False] and taken == [False, True, False]


def test_a_first_pair_knows_nothing_of_the_past():
    view, age = played(RangeImageHistory(), stream(2))
    assert age == 0
    assert not view.at(WALL.astype(np.float32) / 2).is_free().any() and not view.at(WALL).is_at_return().any()


@pytest.mark.parametrize('sweeps, interval, age', [(3, 0.1, 0.2), (6, 0.1, 0.5), (12, 0.1, 0.6), (14, 0.05, 0.6)])
def test_the_oldest_view_of_half_a_second_is_led_into_the_newest_frame(sweeps, interval, age):
    view, told = played(RangeImageHistory(), stream(sweeps, interval))
    assert told == pytest.approx(age, abs=0.01) and sees_the_wall(view, sweeps - 1)


def test_where_the_stream_breaks_off_all_is_forgotten():
    past = RangeImageHistory()
    played(past, stream(5))
    assert played(past, stream(2, first=8))[1] == 0  # the sweeps between are missing, and no motion is known
    assert played(past, stream(3, first=20))[1] == pytest.approx(0.2)
    assert played(past, stream(2, first=1))[1] == 0  # time set back
    other = [
        (Sweep(sweep.points, sweep.stamp_ns, 'other', sweep.rows, sweep.n_rows), view)
        for sweep, view in stream(2, first=4)
    ]
    assert played(past, other, find=lambda pair, about: ahead())[1] == 0


def test_over_sweeps_that_were_left_out_it_goes_on_where_their_motion_is_found():
    past, asked = RangeImageHistory(), []

    def find(pair, about):
        assert about.target_from_source == pytest.approx(ahead(3).target_from_source)
        asked.append(round((pair.source.stamp_ns - pair.target.stamp_ns) / 1e8))
        return ahead(asked[-1])

    played(past, stream(3))
    view, age = played(past, stream(2, first=5), find)
    # Of the sweeps before, number 0 lies half a second before the target, number 5.
    assert asked == [3] and age == pytest.approx(0.6) and sees_the_wall(view, 6)


def test_a_pair_forwards_in_time_knows_nothing():
    past = RangeImageHistory()
    sweeps = stream(4)
    for (source, view), (target, target_view) in zip(sweeps, sweeps[1:]):
        pair = SweepPair(source, target)
        clouds = source.points, target.points
        assert past.between(pair, ahead(-1)) is None
        assert past(pair, ahead(-1), (view, target_view), clouds, ahead()).age == 0


def test_deskewed_sweeps_are_one_stream_too():
    prepare = Preparation(Settings(ground='none', ego_motion='none', network_points=256))
    sweeps = [dataclasses.replace(sweep, times=np.zeros(len(sweep), np.float32)) for sweep, _ in stream(4)]
    ages = [prepare(SweepPair(source, target)).past_age for target, source in zip(sweeps, sweeps[1:])]
    assert ages == pytest.approx([0.0, 0.2, 0.3])
