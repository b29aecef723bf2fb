"""What rides along is learnt and cut; what stands, and who goes along, is not."""

import os
from pathlib import Path

import numpy as np
import pytest
from worlds import box
from yards import yard

from ssrflow_ros import Settings
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.clouds import read_fields
from ssrflow_ros.kernels.near_field import near_cells, without_rows
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.simulator.simulate import simulate
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.steps.own_body import OwnBody
from ssrflow_ros.sweep import Sweep, SweepPair
from ssrflow_ros.transforms import invert, rigid

KITTI = Path(os.environ.get('SSRFLOW_TEST_DATA', '../shared/data')) / 'sequences' / 'kitti_a'
SETTINGS = Settings(ego_motion='odometry', threads=1, remove_outliers=False)
RIG = np.concatenate([box((-1.2, 0.0, -0.6), (0.5, 1.2, 0.2)), box((1.3, 0.4, 0.2), (0.1, 0.1, 0.8), step=0.03)])
CAR, CYCLIST = (4.3, 1.8, 1.5), (1.7, 0.5, 1.7)


def stamp_ns(number):
    return 10_000_000_000 + number * 100_000_000


def uneven(seconds):
    """m along x; at 4 m/s in the mean."""
    return 4 * seconds + 0.4 * np.sin(2 * seconds) - 10


def even(seconds):
    return 4 * seconds - 10


def drive(things, along=uneven, sweeps=45):
    """Sweeps and poses of a sensor in a yard; `things` (n, 3) of its frame at a time in s."""
    for number in range(sweeps):
        seconds, rng = 0.1 * number, np.random.default_rng(number)
        place = np.array([along(seconds), 0.0, 0.0])
        world = yard(4000, number) - place.astype(np.float32)
        world = world[np.linalg.norm(world, axis=1) > 1]
        near = things(seconds)
        near = near + rng.normal(0, 0.01, near.shape)
        yield (
            Sweep.from_points(np.concatenate([world, near]), stamp_ns(number), 'lidar'),
            rigid(np.eye(3), place),
            len(world),
        )


def learn(recording, preparation=None):
    """What a preparation has learnt at the end, and the last sweep with the rows of what it leaves out of it."""
    preparation = preparation or Preparation(SETTINGS)
    last = None
    for sweep, pose, real in recording:  # noqa: B007
        if last is not None:
            pair = SweepPair(sweep, last[0])
            preparation.learn(pair, given(invert(last[1]) @ pose))
            left = preparation.own_body.cut(pair).source
        last = sweep, pose
    return preparation.own_body, np.setdiff1d(np.arange(len(sweep)), left.rows), real, len(sweep)


def nothing(seconds):
    return np.zeros((0, 3))


def test_what_rides_along_is_cut_and_nothing_else():
    own_body, cut, real, total = learn(drive(lambda seconds: RIG))
    assert np.array_equal(cut, np.arange(real, total)) and own_body.done
    assert f'about {len(RIG)} returns a sweep within 1.' in own_body.learnt


def fellow(size, side, along=uneven):
    """Someone beside the sensor, its near side `side` m away, who goes `along`, the sensor itself being `uneven`."""

    def at(seconds):
        return box((along(seconds) - uneven(seconds), side + size[1] / 2, -0.8), size)

    return at


def corridor(seconds):
    """Walls to both sides, and a rail, that are the same wherever one is."""
    x, z = np.meshgrid(np.arange(-12, 12, 0.06), np.arange(-1.6, 1.5, 0.12))
    return np.concatenate([np.stack([x.ravel(), np.full(x.size, y), z.ravel()], 1) for y in (-1.3, 1.5)])


@pytest.mark.parametrize(
    'things',
    [
        pytest.param(nothing, id='nothing'),
        pytest.param(fellow(CAR, 1.3), id='a car that does all that the robot does'),
        pytest.param(fellow(CAR, 1.3, even), id='a car at its mean speed'),
        pytest.param(fellow(CAR, 2.0), id='a car farther off'),
        pytest.param(fellow(CYCLIST, 1.0, even), id='a cyclist at its mean speed'),
        pytest.param(corridor, id='walls along the way'),
    ],
)
def test_who_goes_along_and_what_stands_is_kept(things):
    own_body, cut, *_ = learn(drive(things))
    assert not len(cut) and not own_body.learnt


@pytest.mark.parametrize('sensor', [even, lambda seconds: 0.002 * np.sin(7 * seconds)], ids=['evenly', 'not at all'])
def test_nothing_is_learnt_while_the_sensor_moves(sensor):
    own_body, cut, *_ = learn(drive(lambda seconds: RIG, along=sensor))
    assert not len(cut) and not own_body.learnt


def test_a_turn_on_the_spot_tells_too():
    def turning():
        for number, (sweep, _, real) in enumerate(drive(lambda seconds: RIG, along=lambda seconds: 0.0)):
            angle = 0.12 * number
            turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
            points = sweep.points.copy()
            points[:real] = points[:real] @ turn  # the world, seen from there
            yield Sweep.from_points(points, sweep.stamp_ns, 'lidar'), rigid(turn, np.zeros(3)), real

    _, cut, real, total = learn(turning())
    assert (cut >= real).all() and len(cut) > 0.7 * (total - real)


def test_what_is_gone_is_forgotten():
    preparation = Preparation(SETTINGS)
    learn(drive(lambda seconds: RIG, sweeps=40), preparation)
    folded = list(drive(nothing, sweeps=25))
    learn(folded, preparation)
    _, cut, real, total = learn(list(drive(lambda seconds: RIG, sweeps=2)), preparation)
    assert not len(cut) and total - real == len(RIG)


def test_another_frame_is_another_sensor():
    preparation = Preparation(SETTINGS)
    own_body, *_ = learn(drive(lambda seconds: RIG), preparation)
    sweeps = [Sweep.from_points(RIG, stamp_ns(100 + number), 'rear') for number in range(2)]
    pair = SweepPair(sweeps[1], sweeps[0])
    assert own_body.cut(pair) is pair and not own_body.learnt


def test_sweeps_that_were_left_out_do_not_hinder():
    recording = [found for number, found in enumerate(drive(lambda seconds: RIG, sweeps=75)) if number % 5 < 2]
    preparation = Preparation(SETTINGS)
    for (target, before, _), (source, pose, real) in zip(recording[::2], recording[1::2]):  # noqa: B007
        pair = SweepPair(source, target)
        preparation.learn(pair, given(invert(before) @ pose))
        left = preparation.own_body.cut(pair).source
    assert np.array_equal(np.setdiff1d(np.arange(len(source)), left.rows), np.arange(real, len(source)))


@pytest.mark.parametrize('own_body, cuts', [('auto', True), ('', False), ('-9 -9 -9 9 9 9', False)])
def test_the_setting(own_body, cuts):
    preparation, last = Preparation(SETTINGS.replace(own_body=own_body)), None
    for sweep, pose, _ in drive(lambda seconds: RIG, sweeps=30):
        if last is not None:
            prepared = preparation(SweepPair(sweep, last[0]), given(invert(last[1]) @ pose))
        last = sweep, pose
    assert len(sweep) - len(prepared.pair.source) == (len(RIG) if cuts else 0)
    preparation.reset()  # the sensor is the same
    again = preparation(prepared.pair, prepared.ego_motion)
    assert bool(preparation.own_body.learnt) == cuts and np.array_equal(
        again.pair.source.rows, prepared.pair.source.rows
    )


def test_no_number_and_no_word_but_auto():
    assert Settings(own_body='auto').own == (1.0, ())
    with pytest.raises(InputError, match='or auto'):
        Settings(own_body='automatic')


@pytest.mark.parametrize('seed', [1, 8])
def test_in_a_simulated_world_nothing_real_is_cut(seed):
    def recording():
        for labelled in simulate(seed, sweeps=30, sensor='vlp16', scene='street'):
            points, rng = labelled.sweep.points, np.random.default_rng(labelled.sweep.stamp_ns)
            points = points[np.linalg.norm(points, axis=1) > 1]
            rig = RIG + rng.normal(0, 0.015, RIG.shape)
            yield (
                Sweep.from_points(np.concatenate([points, rig]), labelled.sweep.stamp_ns, 'lidar'),
                labelled.pose,
                len(points),
            )

    _, cut, real, _ = learn(recording())
    assert (cut >= real).all()


@pytest.mark.skipif(not KITTI.is_dir(), reason='needs the shared KITTI drive')
def test_on_a_real_drive_it_is_the_roof_and_nothing_else():
    preparation, sweeps = Preparation(Settings(threads=1)), []
    for number, file in enumerate(sorted(KITTI.glob('*.bin'))):
        sweeps.append(Sweep.from_points(read_fields(file)[0], stamp_ns(number), 'lidar', 1.0))
        if number:
            preparation.learn(SweepPair(*sweeps[:-3:-1]))
    for before, sweep in zip(sweeps, sweeps[1:]):
        left = preparation.own_body.cut(SweepPair(sweep, before)).source
        cut = np.delete(sweep.points, np.searchsorted(sweep.rows, left.rows), axis=0)
        # Two rails behind the sensor, and something at the right before it; else parked cars are as near.
        behind, before_it = np.abs(cut - (-1, 0, -0.6)) < (0.5, 1.8, 0.4), np.abs(cut - (1.5, -1.1, -0.7)) < 0.4
        assert 20 < len(cut) < 80 and (behind.all(axis=1) | before_it.all(axis=1)).all()
        roof = np.abs(left.points - (-1, 0, -0.6)) < (0.2, 1.2, 0.1)
        assert roof.all(axis=1).sum() <= 2


def test_the_loops_do_as_numpy_does():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 3, (3000, 3)).astype(np.float32)
    rows, cells = near_cells(points, np.float32(2.5), np.float32(0.25), 12)
    near = (np.square(points[:, :2]).sum(axis=1) < 2.5**2) & (np.abs(points[:, 2]) < 2.5)
    assert np.array_equal(rows, np.flatnonzero(near))
    i, j, k = (np.floor(points[near] / np.float32(0.25)).astype(int) + 12).T
    assert np.array_equal(cells, (i * 24 + j) * 24 + k)
    kept, numbers = without_rows(points, np.arange(3000), rows)
    assert np.array_equal(kept, np.delete(points, rows, axis=0)) and np.array_equal(numbers, np.flatnonzero(~near))
    assert OwnBody().learnt == ''
