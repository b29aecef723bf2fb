"""The method as a whole: known motions come back, every row is answered, odd sweeps are no surprise."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from ssrflow_ros import EgoMotion, SceneFlow, Settings, Sweep, SweepPair, preparation
from ssrflow_ros.datasets import open_dataset
from ssrflow_ros.errors import EgoMotionError, PairError, SSRFlowError, WeightsError
from ssrflow_ros.evaluation.evaluate import Evaluation
from ssrflow_ros.inference import network_runner
from ssrflow_ros.inference.device import autocast
from ssrflow_ros.node.warm_up import warm_up
from ssrflow_ros.simulator import simulate
from ssrflow_ros.stopwatch import Stopwatch

DT_NS = 100_000_000
QUICK = Settings(network_points=512)


@pytest.fixture(scope='module')
def method():
    return SceneFlow(QUICK)


@pytest.fixture(scope='module')
def recording():
    return list(simulate(seed=3, sweeps=2, sensor='vlp16', scene='street'))


def rigid(yaw=0.02, shift=(0.8, 0.1, 0.0)):
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0, shift[0]], [s, c, 0, shift[1]], [0, 0, 1, shift[2]], [0, 0, 0, 1]])


def pair_of(points, target, dt_ns=DT_NS):
    return SweepPair(Sweep.from_points(points, 0), Sweep.from_points(target, dt_ns))


def test_a_pair_moved_rigidly_gives_that_motion(method, recording):
    points, moved = recording[0].sweep.points, rigid()
    target = (points @ moved[:3, :3].T + moved[:3, 3]).astype(np.float32)
    field = method(pair_of(points, target))
    assert field.ego_motion.target_from_source == pytest.approx(moved, abs=2e-3)
    still = ~field.moving
    assert still.mean() > 0.99
    # What is not exactly static is what the network leaves on a static world.
    assert np.median(np.linalg.norm(points + field.flow - target, axis=1)) < 0.01
    assert np.percentile(np.linalg.norm(field.velocity, axis=1), 95) < 0.5


def test_the_newest_sweep_is_annotated_with_negative_time(method, recording):
    older, newer = recording
    forward = method(SweepPair(older.sweep, newer.sweep))
    live = method(SweepPair(newer.sweep, older.sweep))
    assert forward.pair.dt == pytest.approx(0.1) and live.pair.dt == pytest.approx(-0.1)
    there, back = (found.ego_motion.target_from_source for found in (forward, live))
    assert there @ back == pytest.approx(np.eye(4), abs=0.02)
    assert there == pytest.approx(np.linalg.inv(newer.pose) @ older.pose, abs=0.05)


def test_a_method_that_left_the_device_and_came_back_is_the_same(recording):
    method, pair = SceneFlow(QUICK), SweepPair(recording[0].sweep, recording[1].sweep)
    before = method(pair)
    method.inference.offload()
    assert {weight.device.type for weight in method.inference.network.parameters()} == {'cpu'}
    method.inference.onload()
    np.testing.assert_array_equal(method(pair).velocity, before.velocity)


def test_warming_up_finds_an_object_among_more_points_than_the_network_is_given_and_ends_when_told(method):
    sizes, flows = [], []

    def count(pair, ego_motion):
        sizes.append(len(pair.source))

    assert warm_up(count, QUICK)
    assert len(sizes) == 1 and sizes[0] > QUICK.network_points
    assert not warm_up(count, QUICK, go_on=lambda: False)
    assert len(sizes) == 1
    assert warm_up(lambda *given: flows.append(method(*given)), QUICK)
    assert all(flow.objects for flow in flows), 'what objects are found by is not made ready'


def test_a_given_motion_replaces_the_search(method, recording):
    pair = SweepPair(recording[0].sweep, recording[1].sweep)
    ego = EgoMotion(np.linalg.inv(recording[1].pose) @ recording[0].pose, 'given')
    field = method(pair, ego)
    assert field.ego_motion is ego
    ground = field.ground
    assert ground.any() and not field.moving[ground].any() and not field.velocity[ground].any()
    assert field.flow[ground] == pytest.approx(ego.displacement(pair.source.points)[ground], abs=1e-5)


def test_same_sweeps_same_answer(recording):
    pair = SweepPair(recording[0].sweep, recording[1].sweep)
    first, again = (SceneFlow(QUICK)(pair) for _ in range(2))
    assert np.array_equal(first.flow, again.flow) and np.array_equal(first.moving, again.moving)
    # What is not called moving stands exactly still, and the other way round.
    assert np.array_equal(first.velocity.any(axis=1), first.moving)
    # Of an object that turns the points about which it turns may be slower than the whole.
    speed = np.linalg.norm(first.velocity, axis=1)
    assert (speed[first.moving & (first.object_ids < 0)] >= QUICK.moving_speed - 1e-3).all()
    assert all(speed[first.object_ids == item.id].max() >= QUICK.moving_speed - 1e-3 for item in first.objects)


def test_beyond_the_range_the_world_is_static(recording):
    method = SceneFlow(QUICK.replace(max_range=15.0))
    field = method(SweepPair(recording[0].sweep, recording[1].sweep))
    far = np.linalg.norm(field.pair.source.points, axis=1) > 15.0
    assert far.any() and not field.velocity[far].any() and np.isfinite(field.flow[far]).all()


def test_identical_sweeps_stand_still(method, recording):
    points = recording[0].sweep.points
    field = method(pair_of(points, points))
    assert field.ego_motion.target_from_source == pytest.approx(np.eye(4), abs=1e-3)
    assert field.moving.mean() < 0.01


@pytest.mark.parametrize('n', [0, 1, 50])
def test_few_points_are_an_error_with_a_cure_or_an_answer(method, n):
    points = np.random.default_rng(0).uniform(2, 9, (n, 3)).astype(np.float32)
    pair = pair_of(points, points + 0.1)
    with pytest.raises(SSRFlowError, match='point'):
        method(pair)
    standing = SceneFlow(QUICK.replace(ego_motion='none', ground='none'))
    field = standing(pair)
    assert field.flow.shape == (n, 3) and np.isfinite(field.flow).all() and field.moving.shape == (n,)


def test_an_empty_target_and_disjoint_clouds(method, recording):
    points = recording[0].sweep.points
    with pytest.raises(EgoMotionError):
        method(pair_of(points, points[:0]))
    standing = SceneFlow(QUICK.replace(ego_motion='none'))
    assert not standing(pair_of(points, points[:0])).velocity.any()


def test_equal_stamps_make_no_pair(recording):
    with pytest.raises(PairError, match='--dt'):
        pair_of(recording[0].sweep.points, recording[1].sweep.points, dt_ns=0)


def test_dropped_rows_stay_in_their_places():
    points = np.array([[np.nan] * 3, [5, 0, 0], [0, 0, 0], [np.inf, 1, 1], [6, 1, 0]], np.float32)
    sweep = Sweep.from_points(points)
    assert sweep.rows.tolist() == [1, 4] and sweep.n_rows == 5
    laid = sweep.to_rows(np.ones((2, 3), np.float32))
    assert np.isnan(laid[[0, 2, 3]]).all() and (laid[[1, 4]] == 1).all()


@pytest.mark.parametrize('name', ['kitti_lidar_000002', 'dgp_scene_01_pair0'])
def test_better_than_zero_flow_on_real_sweeps(data_folder, name):
    data = open_dataset(f'pairs:{data_folder / "pairs"}')
    pair = next(pair for pair in (data[number] for number in range(len(data))) if pair.name == name)
    values = Evaluation(Settings()).add(pair).values
    assert values['method.moving_epe3d'] < values['zero.moving_epe3d']
    if 'kitti' in name:  # the other's sensor stands still: there zero is nearly right for static points
        assert values['method.epe3d'] < values['zero.epe3d']


def test_the_network_alone_is_told_beside_the_method(method, recording):
    field = method(SweepPair(recording[0].sweep, recording[1].sweep))
    assert field.network_velocity.shape == field.velocity.shape and np.isfinite(field.network_velocity).all()
    still = ~field.moving & ~field.ground
    assert field.network_velocity[still].any() and not field.network_velocity[field.ground].any()


def test_what_is_timed_as_a_step_is_that_step(recording, monkeypatch):
    running, seen = [], {}

    class Steps(Stopwatch):
        @contextmanager
        def __call__(self, step):
            running.append(step)
            with super().__call__(step):
                yield
            running.pop()

    def noted(name, work):
        def call(*arguments, **named):
            seen.setdefault(name, set()).add(running[-1])
            return work(*arguments, **named)

        return call

    monkeypatch.setattr(preparation, 'Stopwatch', Steps)
    for name in ('rise', 'range_image', 'free_space', 'sample_thinned'):
        monkeypatch.setattr(preparation, name, noted(name, getattr(preparation, name)))
    prepare = preparation.Preparation(Settings(network_points=256))
    for name in ('ego_motion', 'ground', 'past'):
        setattr(prepare, name, noted(name, getattr(prepare, name)))
    prepare.past.between = lambda pair, ego: None
    preparation.with_samples(prepare(SweepPair(recording[1].sweep, recording[0].sweep)), prepare.settings)
    assert seen == {
        'ego_motion': {'ego_motion'},
        'ground': {'ground'},
        'rise': {'ground'},
        'range_image': {'free_space'},
        'past': {'free_space'},
        'free_space': {'free_space'},
        'sample_thinned': {'sample'},
    }


def test_what_float16_cannot_hold_is_refused_with_the_cure(monkeypatch):
    points = np.random.default_rng(0).uniform(-20, 20, (500, 3)).astype(np.float32)
    monkeypatch.setattr(network_runner, 'autocast', lambda device, precision: autocast(device, 'float32'))
    method = SceneFlow(Settings(device='cpu', precision='float16', network_points=256, ground='none'))
    monkeypatch.setattr(method.inference, '_flow', lambda source, target: torch.full((len(source), 3), float('inf')))
    pair = SweepPair(*(Sweep.from_points(points, i * 100_000_000) for i in (1, 0)))
    with pytest.raises(WeightsError, match='too large for float16: set precision to'):
        method(pair, EgoMotion(np.eye(4), 'given'))
