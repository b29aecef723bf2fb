"""A sensor that stands learns what it sees when nobody is there."""

import numpy as np

from ssrflow_ros import Settings
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.steps.background import Background
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.sweep import Sweep, SweepPair

NOTHING = RangeImage(np.zeros((0, 3), np.float32))


def wall(x, low, high, tall=1.5, step=0.08):
    across, up = np.meshgrid(np.arange(low, high, step), np.arange(-tall, tall, step))
    return np.stack([np.full(across.size, float(x)), across.ravel(), up.ravel()], axis=1).astype(np.float32)


FAR, WALKER = wall(15, -10, 10), wall(8, -0.3, 0.3, 0.6)


def image(*things):
    """Of walls of which the nearer hide nothing that counts here."""
    return RangeImage(np.concatenate(things))


def after(seconds, background=None, begin=0.0, rate=2, things=lambda time: (FAR,)):
    """The background at the end."""
    background = background or Background()
    for step in range(round(seconds * rate)):
        time = begin + step / rate
        made = background(image(*things(time)), NOTHING, 10**9 + round(time * 1e9))
    return background, made


def test_who_stands_where_it_was_free_has_come():
    background, _ = after(30)
    _, seen = after(5, background, 30, things=lambda time: (FAR, WALKER))
    assert seen.at(WALKER).is_free().all() and not seen.at(FAR).is_free().any()


def test_until_enough_is_known_it_is_what_was_seen_before():
    background, past = Background(), image(FAR)
    assert background(image(FAR), past, 10**9) is past


def test_who_comes_now_and_then_is_no_background_and_who_stays_becomes_it():
    _, seen = after(120, things=lambda time: (FAR, WALKER) if time % 23 < 1 else (FAR,))
    assert seen.at(WALKER).is_free().all()
    background, _ = after(60)
    _, seen = after(200, background, 60, things=lambda time: (FAR, WALKER))
    assert seen.at(WALKER).is_at_return().all()


def test_leaves_in_the_wind_were_never_free():
    _, seen = after(60, things=lambda time: (FAR, WALKER) if round(2 * time) % 3 == 0 else (FAR,))
    assert not seen.at(WALKER).is_free().any()


def test_a_recording_that_begins_anew():
    background, _ = after(60)
    _, seen = after(1, background, -20, things=lambda time: (FAR, WALKER))
    assert not seen.at(WALKER).is_free().any()


def test_it_is_for_a_sensor_that_stands_by_its_users_word():
    for ego_motion, free in (('none', True), ('scan_matching', False)):
        preparation = Preparation(Settings(ego_motion=ego_motion, ground='none', threads=1))
        last = None
        for number in range(130):
            points = np.concatenate([FAR, WALKER] if number > 115 else [FAR])
            sweep = Sweep.from_points(points, 10**9 + number * 10**8, 'lidar')
            if last is not None and (number < 117 or number == 129):
                prepared = preparation(SweepPair(sweep, last), None if free else given(np.eye(4)))
            elif last is not None:
                preparation.past(
                    SweepPair(sweep, last), given(np.eye(4)), (RangeImage(sweep.points), RangeImage(last.points))
                )
            last = sweep
        at_walker = prepared.points[:, 0] < 9
        assert prepared.in_past_free_space[at_walker].mean() > 0.9 or not free
        assert free or not prepared.in_past_free_space[at_walker].any()
