"""Tracks from flow fields: numbers that stay, in the newest sweep's frame, predicted over gaps."""

import numpy as np
import pytest

pytest.importorskip('filterpy')

from ssrflow_ros.node.flow_tracks import FlowTracks
from ssrflow_ros.steps.dead_reckoning import DeadReckoning
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.sweep import FlowField, MovingObject, Sweep, SweepPair
from ssrflow_ros.transforms import invert, rigid

DT, TURN = 0.1, 0.04  # s; rad a sweep
EGO, WALKER = np.array([8.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0])  # m/s in the world
START = np.array([12.0, -3.0, 0.0])


def pose(number):
    angle = TURN * number
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return rigid(turn, EGO * DT * number)


def sweep(number, frame='lidar'):
    return Sweep.from_points(np.ones((3, 3)), 10**9 + round(number * DT * 1e9), frame)


def walker(number):
    """Where he is and how he goes, as the sensor of sweep `number` sees it."""
    here = invert(pose(number))
    return here[:3, :3] @ (START + WALKER * DT * number) + here[:3, 3], here[:3, :3] @ WALKER


def flow(source, target, is_seen=True):
    """The flow from one sweep, a Sweep and its number, back to another one."""
    motion, (centre, velocity) = given(invert(pose(target[1])) @ pose(source[1])), walker(source[1])
    spread = {'position_covariance': 0.01 * np.eye(3), 'velocity_covariance': 0.01 * np.eye(3)}
    items = (MovingObject(0, centre, np.ones(3), 0.0, velocity, 20, **spread),) if is_seen else ()
    nothing, none = np.zeros((3, 3), np.float32), np.zeros(3, bool)
    pair = SweepPair(source[0], target[0])
    return FlowField(pair, motion, nothing, nothing, none, none, np.full(3, -1, np.int32), items, {})


def stream(numbers):
    """Flows of neighbouring sweeps, the newer one of each pair in `numbers`."""
    sweeps = {number: sweep(number) for one in numbers for number in (one - 1, one)}
    return [((sweeps[number], number), (sweeps[number - 1], number - 1)) for number in numbers]


def assert_on_him(track, number, atol=0.02):
    centre, velocity = walker(number)
    np.testing.assert_allclose(track.centre, centre, atol=atol)
    np.testing.assert_allclose(track.velocity, velocity, atol=atol)


def test_a_track_is_in_the_frame_of_the_newest_sweep():
    tracks = FlowTracks()
    for number, pair in enumerate(stream(range(1, 8)), 1):
        (track,) = tracks.update(flow(*pair))
        assert_on_him(track, number)
        assert (track.track_id, track.id, track.age, track.n_points) == (0, 0, number, 20)


def test_it_is_predicted_where_its_object_is_missed():
    tracks = FlowTracks()
    for number, pair in enumerate(stream(range(1, 9)), 1):
        (track,) = tracks.update(flow(*pair, is_seen=number not in (5, 6)))
        assert_on_him(track, number, atol=0.05)
        assert (track.id, track.n_points) == ((-1, 0) if number in (5, 6) else (0, 20)) and track.track_id == 0


def test_it_goes_on_over_sweeps_that_got_no_answer():
    tracks, numbers = FlowTracks(), [1, 2, 7, 12]
    for number, pair in zip(numbers, stream(numbers)):
        (track,) = tracks.update(flow(*pair))
        assert track.track_id == 0
        assert_on_him(track, number, atol=0.1)


@pytest.mark.parametrize('how', ['reset', 'frame', 'gap'])
def test_what_follows_a_new_start_has_a_new_number(how):
    tracks = FlowTracks()
    (before, after) = stream([1, 2])
    assert tracks.update(flow(*before))[0].track_id == 0
    if how == 'reset':
        tracks.reset()
    elif how == 'frame':
        after = ((sweep(2, 'rear'), 2), (sweep(1, 'rear'), 1))
    else:
        after = ((sweep(40), 40), (sweep(39), 39))
    (track,) = tracks.update(flow(*after))
    assert track.track_id == 1 and track.age == 1


def test_dead_reckoning():
    reckoning = DeadReckoning()
    for number, pair in zip((3, 4, 5, 9), stream([3, 4, 5, 9])):
        found = reckoning(SweepPair(pair[0][0], pair[1][0]), given(invert(pose(number - 1)) @ pose(number)))
        assert reckoning.begun == (number == 3)
        np.testing.assert_allclose(found, invert(pose(2)) @ pose(number), atol=0.08)
