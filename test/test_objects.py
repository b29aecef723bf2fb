"""Objects: what moved is found with its velocity, whatever the network says; what stands is left in peace."""

import dataclasses

import numpy as np
import pytest
from worlds import box, pair_of, patch, seen

from ssrflow_ros import Settings
from ssrflow_ros.objects.detector import ObjectDetector
from ssrflow_ros.objects.motion_classifier import MotionClassifier
from ssrflow_ros.objects.observation import observe
from ssrflow_ros.steps.beams import Beams
from ssrflow_ros.steps.conditioning import ConditionedPair
from ssrflow_ros.steps.prepared import PreparedPair
from ssrflow_ros.steps.range_image import RangeImage, free_space
from ssrflow_ros.steps.thinned_cloud import ThinnedCloud

CLASSIFIER = MotionClassifier.load()
WALLS = np.concatenate([patch(25.0, 0.0, 40.0, 6.0, 0.1), patch(-20.0, 0.0, 40.0, 6.0, 0.1)])
CAR, PERSON = (4.2, 1.8, 1.5), (0.5, 0.5, 1.7)


def detector():
    return ObjectDetector(CLASSIFIER)


def find(now, before, flow=None, dt=-0.1, finder=None, stamp_ns=10_000_000_000, past=None, **settings):
    """Displacement, ids and objects; `now`, `before` and `past`, half a second before, are what the sensor sees of
    moving things, walls are added."""
    pair, ego = pair_of(seen(WALLS, *now), seen(WALLS, *before), dt, stamp_ns)
    network = np.zeros_like(pair.source.points) if flow is None else flow(pair.source.points)
    found = (finder or detector())(
        prepared(pair, ego, past=None if past is None else seen(WALLS, *past)), network, Settings(**settings)
    )
    return pair, (found.displacement, found.ids, found.objects)


def prepared(pair, ego, slope=(0.0, 0.0), past=None):
    """The pair as if nothing of it were ground."""
    n, others = len(pair.source), pair.target.points
    earlier = others[:0] if past is None else past.astype(np.float32)
    views = RangeImage(pair.source.points), RangeImage(others), RangeImage(earlier)
    return PreparedPair(
        pair,
        ego,
        np.zeros(n, bool),
        np.array(slope),
        np.arange(n),
        others,
        (ThinnedCloud(pair.source.points), ThinnedCloud(others)),
        views,
        (Beams(pair.source.points), Beams(others)),
        0.6 if len(earlier) else 0.0,
        earlier,
        *free_space(pair.source.points, others, views),
        {},
        ConditionedPair(pair, pair, np.arange(n), np.eye(3)),
    )


def moved_car(velocity, turn_rate=0.0, dt=-0.1, centre=(12.0, 3.0, 0.0), yaw=0.3):
    now = box(np.array(centre), CAR, yaw)
    return now, box(np.array(centre) + dt * np.array(velocity), CAR, yaw + dt * turn_rate)


def half_seen(velocity, dt=-0.1, centre=(12.0, 3.0), share=0.5, within=3.0):
    """A network that sees a share of the motion of what stands at `centre`."""

    def flow(points):
        near = np.linalg.norm(points[:, :2] - centre, axis=1) < within
        return (near[:, None] * share * dt * np.array(velocity)).astype(np.float32)

    return flow


@pytest.mark.parametrize('dt', [-0.1, 0.1], ids=['live', 'forward'])
@pytest.mark.parametrize('velocity', [(9.0, 3.0, 0.0), (-14.0, -4.0, 0.0), (-1.0, 3.0, 0.0)])
def test_a_car_is_found_with_its_velocity_though_the_network_sees_half(velocity, dt):
    now, other = moved_car(velocity, dt=dt)
    pair, (displacement, ids, objects) = find([now], [other], half_seen(velocity, dt), dt=dt)
    assert len(objects) == 1
    item = objects[0]
    assert item.velocity == pytest.approx(velocity, abs=0.8)
    assert item.speed > 1 and item.n_points == (ids == 0).sum() > 100
    assert np.median(displacement[ids == 0] / dt, axis=0) == pytest.approx(velocity, abs=0.8)
    assert not displacement[ids < 0].any()
    assert np.linalg.norm(pair.source.points[ids == 0].mean(axis=0) - (12, 3, 0)) < 2.5


def test_probabilities_are_those_of_the_calibration():
    now, other = moved_car((6.0, 0.0, 0.0))
    pair, ego = pair_of(seen(WALLS, now), seen(WALLS, other))
    network = half_seen((6.0, 0.0, 0.0))(pair.source.points)
    found = detector()(prepared(pair, ego), network, Settings())
    (car,) = found.objects
    shipped = CLASSIFIER.calibration
    assert 0.9 < car.probability <= shipped.object.probability[-1]
    probability = found.probability
    assert probability.dtype == np.float32 and probability.shape == (len(pair.source),)
    assert len(np.unique(probability[found.ids == 0])) == 1 and (probability[found.ids == 0] > 0.9).all()
    assert np.allclose(probability[found.ids < 0].min(), shipped.no_proposal)
    halved = dataclasses.replace(CLASSIFIER, calibration=shipped.shifted(0.5, 0.0))
    less = ObjectDetector(halved)(prepared(pair, ego), network, Settings())
    assert less.objects[0].probability < car.probability, 'another calibration, another probability'
    np.testing.assert_array_equal(less.displacement, found.displacement, 'and nothing else')


def test_a_walker_is_found():
    _, (_, _, objects) = find(
        [box(np.array([6.0, 1.0, 0]), PERSON, step=0.04)],
        [box(np.array([6.0, 1.15, 0]), PERSON, step=0.04)],
        half_seen((0.0, -1.5, 0.0), centre=(6.0, 1.0)),
    )
    assert len(objects) == 1 and objects[0].velocity == pytest.approx((0, -1.5, 0), abs=0.5)
    assert objects[0].size[2] == pytest.approx(1.7, abs=0.2)


def test_what_had_been_seen_before_tells_of_what_is_slow():
    """Somebody who goes 5 cm from sweep to sweep, and of whom the network sees nothing: where had he been?"""

    def walker(y):
        return [box(np.array([6.0, y, 0]), PERSON, step=0.04)]

    moves = {}
    for then, past in (('unknown', None), ('elsewhere', walker(1.3)), ('here', walker(1.0))):
        pair, ego = pair_of(seen(WALLS, *walker(1.0)), seen(WALLS, *walker(1.05)), -0.1, 10_000_000_000)
        ready = prepared(pair, ego, past=None if past is None else seen(WALLS, *past))
        flow = half_seen((0.0, -0.5, 0.0), centre=(6.0, 1.0), share=0.2)(pair.source.points)
        settings = Settings(moving_speed=0.05)
        fresh, nowhere = detector(), np.full(len(ready.points), -1, np.int32)
        weighed = fresh.candidates(ready, observe(ready, flow, settings), nowhere, settings)
        moves[then] = weighed.classified.probability.max() if weighed else 0.0
    assert moves['elsewhere'] > moves['unknown'] > moves['here']


def test_a_car_that_passes_a_walker_leaves_two():
    now, other = moved_car((8.0, 0.0, 0.0), centre=(10.0, 4.0, 0.0), yaw=0.0)
    walker = [box(np.array([9.0 + x, 2.4, 0]), PERSON, step=0.04) for x in (0.0, 0.15)]

    def shrunk(points):
        of_car = (points[:, 0] < 14) & (points[:, 1] > 2.8)
        of_walker = (np.abs(points[:, 0] - 9.0) < 0.3) & (np.abs(points[:, 1] - 2.4) < 0.3)
        return (0.6 * (of_car[:, None] * [-0.8, 0, 0] + of_walker[:, None] * [0.15, 0, 0])).astype(np.float32)

    _, (_, _, objects) = find([now, walker[0]], [other, walker[1]], shrunk, min_motion_probability=0.3)
    ways = sorted(round(float(item.velocity[0])) for item in objects)
    assert len(objects) == 2 and ways[0] == pytest.approx(-1.5, abs=1) and ways[1] == pytest.approx(8, abs=1)


def test_what_moves_goes_along_the_ground():
    """A sensor that is tilted by a tenth sees a level road as a slope, and a car on it climb."""
    velocity, slope = np.array([9.0, 3.0, 0.0]), np.array([0.1, 0.0])
    pair, ego = pair_of(
        *(
            seen(WALLS, thing) + np.float32([0, 0, 1]) * (seen(WALLS, thing) @ [*slope, 0])[:, None].astype(np.float32)
            for thing in moved_car(velocity)
        )
    )
    network = half_seen(velocity)(pair.source.points)
    level, tilted = (detector()(prepared(pair, ego, rise), network, Settings()) for rise in ((0, 0), slope))
    (flat,), (item,) = level[2], tilted[2]
    assert flat.velocity[2] == 0 and item.velocity == pytest.approx([*flat.velocity[:2], slope @ flat.velocity[:2]])
    moved = tilted[0][tilted[1] == 0]
    assert moved[:, 2] == pytest.approx(moved[:, :2] @ slope, abs=1e-6) and np.abs(moved[:, 2]).min() > 0.05
    assert item.velocity_covariance == pytest.approx(item.velocity_covariance.T)
    assert (np.linalg.eigvalsh(item.velocity_covariance) > 0).all()


def test_a_turn_is_seen():
    now, other = moved_car((6.0, 0.0, 0.0), turn_rate=0.6, yaw=0.0)
    _, (_, _, objects) = find([now], [other], half_seen((6.0, 0.0, 0.0)))
    assert objects[0].yaw_rate == pytest.approx(0.6, abs=0.35)


def test_what_stands_and_what_comes_into_view_is_no_object():
    fence = [np.concatenate([patch(6.0, gap - 5.5, 10.0), patch(6.0, gap + 5.5, 10.0)]) for gap in (0.25, -0.25)]
    parked = box(np.array([12.0, 0.0, 0]), CAR)
    _, (displacement, ids, objects) = find(
        [fence[0] * (1, 0, 1) + (0, 0.25, 0), parked], [fence[0] * (1, 0, 1) + (0, 0.25, 0), parked]
    )
    assert objects == () and not displacement.any() and (ids == -1).all()


def test_a_wall_that_the_network_lets_creep_stands():
    _, (_, _, objects) = find([], [], lambda points: np.full_like(points, 0.1))
    assert objects == ()


def test_points_of_what_is_not_quite_believed_move_as_the_network_says():
    now, other = moved_car((9.0, 3.0, 0.0))
    flow = half_seen((9.0, 3.0, 0.0))
    pair, (displacement, ids, objects) = find([now], [other], flow, min_motion_probability=0.9999)
    assert not objects and (ids == -1).all()
    said = flow(pair.source.points)
    moved = displacement.any(axis=1)
    assert moved.sum() > 100 and np.array_equal(displacement[moved], said[moved]) and said[moved].any(axis=1).all()


def test_what_is_known_is_published():
    now, other = moved_car((9.0, 3.0, 0.0))
    _, (_, _, (item,)) = find([now], [other], half_seen((9.0, 3.0, 0.0)))
    for covariance in (item.position_covariance, item.velocity_covariance):
        assert covariance == pytest.approx(covariance.T) and (np.linalg.eigvalsh(covariance) > 0).all()
    assert item.yaw_rate_variance > 0 and item.yaw == pytest.approx(np.arctan2(3, 9), abs=0.1)
    assert item.track_id >= 0 and item.age == 1 and (item.size[1:] > 0.3).all()


def test_an_object_keeps_its_number_and_ages():
    finder, numbers = detector(), []
    for sweep in range(4):
        now, other = moved_car((5.0, -6.0, 0.0), centre=(10.0 + 0.5 * sweep, 3.0 - 0.6 * sweep, 0.0))
        network = half_seen((5.0, -6.0, 0.0), centre=(10.0 + 0.5 * sweep, 3.0 - 0.6 * sweep))
        _, (_, _, objects) = find([now], [other], network, finder=finder, stamp_ns=10_000_000_000 + sweep * 100_000_000)
        numbers.append((objects[0].track_id, objects[0].age))
    assert numbers == [(0, 1), (0, 2), (0, 3), (0, 4)]


def followed(speeds, steady, hidden=False):
    """Speed that is found, sweep by sweep, of a lorry that goes by at `speeds` m/s; in the last screens may hide its
    ends, and the network sees less than half."""
    finder, found, x = detector(), [], -3.0
    for sweep, speed in enumerate(speeds):
        x += 0.1 * speed
        now, before = (box(np.array([x - back, 7.0, 0.5]), (12.0, 2.5, 3.0)) for back in (0.0, 0.1 * speed))
        last = hidden and sweep == len(speeds) - 1
        screens = [box(np.array([side * 8.0, 4.0, 0.5]), (12.0, 0.2, 6.0)) for side in (-1, 1)] if last else []
        network = half_seen((speed, 0.0, 0.0), centre=(x, 7.0), share=0.4 if last else 1.0, within=7.0)
        _, (_, _, (item,)) = find(
            [now, *screens],
            [before, *screens],
            network,
            finder=finder,
            steady=steady,
            stamp_ns=10_000_000_000 + sweep * 100_000_000,
            min_motion_probability=0.3,
        )
        found.append(item.velocity[0])
    return np.array(found)


def test_in_a_stream_a_velocity_is_steady_and_yields_to_what_the_sweeps_say():
    steady, alone = (followed([8.0] * 4, of_stream, hidden=True) for of_stream in (True, False))
    assert steady[0] == alone[0] and np.abs(steady[1:] - 8).max() < 0.5
    # Where the ends are seen a pair alone errs by 0.03 m/s, and there is nothing to steady.
    assert np.abs(np.diff(steady)).mean() < max(0.8 * np.abs(np.diff(alone)).mean(), 0.1)
    for of_stream in (True, False):
        assert followed([8.0, 8.0, 3.0], of_stream)[2] == pytest.approx(3.0, abs=1.0)


@pytest.mark.parametrize('n', [0, 1, 5])
def test_few_points_or_no_partner_are_no_trouble(n):
    points = np.random.default_rng(0).uniform(3, 9, (n, 3)).astype(np.float32)
    for target in (points, points[:0]):
        pair, ego = pair_of(points, target)
        found = detector()(prepared(pair, ego), np.full_like(points, 0.3), Settings())
        assert found[0].shape == (n, 3) and found[2] == ()


def test_a_target_without_points_moves_nothing():
    now, _ = moved_car((9.0, 3.0, 0.0))
    pair, ego = pair_of(seen(WALLS, now), np.zeros((0, 3), np.float32))
    objects = detector()(prepared(pair, ego), np.full_like(pair.source.points, 0.5), Settings()).objects
    assert objects == ()
