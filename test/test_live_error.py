"""The live error: delays, lost sweeps and movers that nobody tells of."""

import numpy as np
import pytest

from ssrflow_ros.evaluation.live_error import CUTOFF, Answer, TrueSweep, live_error, looked_for
from ssrflow_ros.formats.object_cloud import OBJECT


def told(centre, velocity):
    objects = np.zeros(1, OBJECT)
    objects['centre'], objects['velocity'] = centre, velocity
    return objects


def pose(x, turn=0.0):
    out = np.eye(4)
    out[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    out[0, 3] = x
    return out


def truth(speed, sensor=0.0, n=10):
    """A mover that begins 10 m ahead and goes at `speed` m/s away from where the sensor, `sensor` m/s, began."""
    for k in range(n):
        t = 0.1 * k
        centre = np.array([[10 + speed * t - sensor * t, 0.0, 0.0]])
        yield TrueSweep(t, round(t * 1e9), pose(sensor * t), centre)


def test_a_late_answer_with_the_right_velocity_is_right():
    answers = [Answer(0.45, 200_000_000, told([10 + 5 * 0.2 - 0.2 * 3, 0, 0], [5, 0, 0]))]
    found = live_error(truth(5.0, sensor=3.0), answers)
    assert found.movers == 5 and found.mean == pytest.approx(0, abs=1e-6) and found.told == 1


def test_an_error_of_the_velocity_grows_with_the_delay():
    late, early = ([Answer(0.2 + delay, 200_000_000, told([11, 0, 0], [4, 0, 0]))] for delay in (0.3, 0.0))
    assert live_error(truth(5.0), late).mean == pytest.approx(np.mean([0.3, 0.4, 0.5, 0.6, 0.7]))
    assert live_error(truth(5.0), early).mean == pytest.approx(np.mean(0.1 * np.arange(8)))


def test_the_newest_sweep_counts_not_the_newest_message():
    answers = [
        Answer(0.3, 300_000_000, told([11.5, 0, 0], [5, 0, 0])),
        Answer(0.4, 100_000_000, told([0, 9, 0], [0] * 3)),
    ]
    assert live_error(truth(5.0), answers).mean == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('objects', [np.zeros(0, OBJECT), told([-50, 0, 0], [0, 0, 0])])
def test_who_is_not_told_of_is_counted(objects):
    found = live_error(truth(5.0), [Answer(0.0, 0, objects)])
    assert np.isnan(found.mean) and found.told == 0 and found.movers == 10


def test_one_that_is_told_of_too_far_off_is_not():
    found = live_error(truth(5.0), [Answer(0.0, 0, told([10, 0, 0], [0, 0, 0]))])
    near = [0.5 * k for k in range(10) if 0.5 * k < CUTOFF]
    assert found.mean == pytest.approx(np.mean(near)) and found.told == len(near) / 10


def test_before_the_first_answer_nothing_is_counted():
    assert live_error(truth(5.0), []) is None


def test_the_answers_frame_is_turned_with_the_sensor():
    sweep = TrueSweep(0.0, 0, pose(1.0, np.pi / 2), np.array([[4.0, 0, 0]]))  # at (1, 4) of the world
    after = TrueSweep(0.1, 100_000_000, pose(1.0), np.array([[0.0, 5.0, 0]]))  # at (1, 5)
    assert live_error([sweep, after], [Answer(0.05, 0, told([4, 0, 0], [10, 0, 0]))]).mean == pytest.approx(0, abs=1e-6)


def test_an_object_is_told_of_one_mover():
    """Of two side by side, one of which was found, the other one is not told of."""
    sweep = TrueSweep(0.1, 0, np.eye(4), np.array([[10.0, 0, 0], [10.0, 1.0, 0]]))
    found = live_error([sweep], [Answer(0.0, 0, told([10, 0.9, 0], [0] * 3))])
    assert found.mean == pytest.approx(0.1) and found.told == 0.5 and found.movers == 2


def test_only_what_moves_and_can_be_seen_is_looked_for():
    movers = np.zeros(3, OBJECT)
    movers['n_points'], movers['velocity'][:, 0] = (10, 7, 13), (1.0, 9.0, 0.2)
    movers['id'] = 1, 2, 3
    assert looked_for(movers)['id'].tolist() == [1]
