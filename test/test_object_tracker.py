"""The example: a tracker that takes the velocities of `~/objects` knows its movers a sweep earlier."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('filterpy')
EXAMPLES = Path(__file__).resolve().parents[1] / 'examples'
sys.path.insert(0, str(EXAMPLES))

from ssrflow_ros.formats.object_cloud import encode_objects, moved, read_objects  # noqa: E402
from ssrflow_ros.node.tracker import LONGEST_GAP, MISSED, Tracker  # noqa: E402
from ssrflow_ros.sweep import MovingObject  # noqa: E402

DT_NS = 100_000_000
PLACE, SPEED = 0.1, 0.3  # m and m/s, standard deviations of what is measured


def detect(rng, centres, velocities, known=True):
    """Objects with noise as their covariances say; `known` False: covariances are missing."""
    spread = {'position_covariance': PLACE**2 * np.eye(3), 'velocity_covariance': SPEED**2 * np.eye(3)}
    return read_objects(
        encode_objects(
            [
                MovingObject(
                    number,
                    centre + rng.normal(0, PLACE, 3),
                    np.ones(3),
                    0.0,
                    velocity + rng.normal(0, SPEED, 3),
                    20,
                    **(spread if known else {}),
                )
                for number, (centre, velocity) in enumerate(zip(centres, velocities, strict=True))
            ]
        )
    )


def errors_of(with_velocity, sweeps=12, runs=40):
    """(sweeps,) rms velocity error, m/s, of a mover at 10 m/s."""
    rng, squares = np.random.default_rng(1), np.zeros(sweeps)
    velocity = np.array([8.0, -6.0, 0.0])
    for _ in range(runs):
        tracker = Tracker(with_velocity)
        for sweep in range(sweeps):
            objects = detect(rng, [velocity * 0.1 * sweep], [velocity])
            (track,) = tracker.update(sweep * DT_NS, objects)
            squares[sweep] += np.sum((track.filter.x[3:] - velocity) ** 2) / runs
        assert track.id == 0 and track.sweeps == sweeps
    return np.sqrt(squares)


def test_a_measured_velocity_is_worth_more_than_a_sweep():
    measured, places = errors_of(True), errors_of(False)
    assert measured[0] < 1.0 < 5.0 < places[0], 'without it nothing is known in the first sweep'
    assert measured[0] < places[1] and np.all(measured <= places)
    assert places[-1] < 1.0, 'and yet that tracker is a good one'


def test_covariance_of_a_track_is_as_large_as_its_error():
    rng, velocity, nees = np.random.default_rng(2), np.array([3.0, 1.0, 0.0]), []
    for _ in range(60):
        tracker = Tracker()
        for sweep in range(6):
            (track,) = tracker.update(sweep * DT_NS, detect(rng, [velocity * 0.1 * sweep], [velocity]))
        off = track.filter.x - np.concatenate([velocity * 0.1 * sweep, velocity])
        nees.append(off @ np.linalg.solve(track.filter.P, off))
    # The mover does not accelerate, so the filter is rather too careful than too sure.
    assert 0.4 * 6 < np.mean(nees) < 1.3 * 6


@pytest.mark.parametrize('with_velocity', [True, False])
def test_two_that_pass_each_other_keep_their_numbers(with_velocity):
    rng, tracker = np.random.default_rng(3), Tracker(with_velocity)
    velocities = np.array([[5.0, 0, 0], [-5.0, 0, 0]])
    for sweep in range(20):
        centres = np.array([[-5.0, 1.0, 0], [5.0, -1.0, 0]]) + 0.1 * sweep * velocities
        ids = [track.id for track in tracker.update(sweep * DT_NS, detect(rng, centres, velocities)[::-1])]
    assert ids == [0, 1] and len(tracker.tracks) == 2


def test_a_track_bridges_missed_sweeps_and_ends_after_more():
    rng, velocity = np.random.default_rng(4), np.array([6.0, 0.0, 0.0])
    tracker = Tracker()
    nothing = detect(rng, [], [])
    tracker.update(0, detect(rng, [np.zeros(3)], [velocity]))
    for sweep in range(1, 1 + MISSED):
        assert tracker.update(sweep * DT_NS, nothing) == [] and len(tracker.tracks) == 1
    sweep += 1
    (track,) = tracker.update(sweep * DT_NS, detect(rng, [velocity * 0.1 * sweep], [velocity]))
    assert track.id == 0 and track.missed == 0
    for further in range(1, 2 + MISSED):
        tracker.update((sweep + further) * DT_NS, nothing)
    assert tracker.tracks == []


def test_time_that_jumps_ends_every_track():
    rng = np.random.default_rng(5)
    for jump in (-1.0, 0.0, LONGEST_GAP + 0.1):
        tracker = Tracker()
        tracker.update(10**10, detect(rng, [np.zeros(3)], [np.ones(3)]))
        (track,) = tracker.update(10**10 + round(jump * 1e9), detect(rng, [np.zeros(3)], [np.ones(3)]))
        assert track.id == 1 and len(tracker.tracks) == 1


def test_objects_without_covariances_are_tracked_by_their_places():
    rng, velocity = np.random.default_rng(6), np.array([6.0, 0.0, 0.0])
    tracker = Tracker()
    for sweep in range(10):
        (track,) = tracker.update(sweep * DT_NS, detect(rng, [velocity * 0.1 * sweep], [velocity], known=False))
    assert track.id == 0 and np.linalg.norm(track.filter.x[3:] - velocity) < 3.0


def test_objects_are_moved_with_their_covariances():
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, [10, 20, 0]
    item = MovingObject(
        0,
        np.array([1.0, 0, 0]),
        np.ones(3),
        0.5,
        np.array([2.0, 0, 0]),
        9,
        position_covariance=np.diag([1.0, 4, 9]),
        velocity_covariance=np.diag([4.0, 1, 9]),
    )
    (row,) = moved(read_objects(encode_objects([item])), pose)
    np.testing.assert_allclose(row['centre'], [10, 21, 0])
    np.testing.assert_allclose(row['velocity'], [0, 2, 0], atol=1e-12)
    np.testing.assert_allclose(row['position_covariance'], np.diag([4, 1, 9]), atol=1e-12)
    assert row['yaw'] == pytest.approx(0.5 + np.pi / 2)


@pytest.mark.slow
def test_on_simulated_recordings_velocities_lock_on_a_sweep_earlier():
    from lock_on import TUNED, VELOCITY, locked, measure

    from ssrflow_ros.settings import Settings

    errors = measure(range(9), 8, Settings())
    measured, places = locked(errors[VELOCITY]), locked(errors[TUNED])
    assert len(measured) >= 20
    assert np.mean(measured <= 1) > np.mean(places <= 2), 'at once, rather than in the second sweep'
    assert np.nanmedian(places - measured) >= 1


def test_the_lock_is_the_first_sweep_whose_velocity_is_right():
    from lock_on import PLACES, TUNED, VELOCITY, locked, report

    late, at_once, never = [9, np.nan, 0.5, 2, 1, 1], [1, 9, 9, 9, 9, 9], [9, 2, np.nan, 3, 4, 5]
    np.testing.assert_array_equal(locked(np.array([late, at_once, never])), [3, 1, np.nan])
    table = report(
        {VELOCITY: np.array([at_once, at_once]), PLACES: np.array([never, never]), TUNED: np.array([late, never])}
    )
    assert 'by 2.00 sweeps in the mean, median 2 (1 movers' in table
