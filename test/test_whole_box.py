"""Whole boxes: what is hidden lies behind what is seen, and what was seen before is not forgotten."""

import dataclasses

import numpy as np
import pytest

from ssrflow_ros.errors import WeightsError
from ssrflow_ros.objects.moving_points import MovingPoints
from ssrflow_ros.objects.tracks import Tracks
from ssrflow_ros.objects.whole_box import SHIPPED, BoxModels, SeenBoxes, SeenEnds
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import CLASSES, simulate
from ssrflow_ros.steps.conditioning import turned_object
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair

BOXES = BoxModels.load()
LENGTH, WIDTH = 4.5, 1.8


def seen(centre, size, speed=8.0, yaw=0.0, n=80):
    """With the box of its points."""
    ahead = speed * np.array([np.cos(yaw), np.sin(yaw), 0.0])
    return MovingObject(0, np.array(centre, float), np.array(size, float), yaw, ahead, n)


_BEAMS = np.radians(np.arange(-180, 180, 0.1))
_HEIGHTS = np.linspace(-0.98, 0.98, 9)


def shown(item):
    """Points (n, 3) where beams from the sensor meet its box; of a thing as long as wide an upright cylinder."""
    (length, width, height), axes = item.size, item.axes
    origin, beams = -axes.T @ item.centre, (axes[:2, :2].T @ [np.cos(_BEAMS), np.sin(_BEAMS)]).T
    with np.errstate(divide='ignore', invalid='ignore'):
        if length == width:
            along = -(beams @ origin[:2])
            reach = along - np.sqrt(along**2 - origin[:2] @ origin[:2] + (length / 2) ** 2)
            reach = np.where(along > 0, reach, np.nan)
        else:
            ends = (np.array([[-1.0], [1.0]]) * [length / 2, width / 2] - origin[:2])[:, None] / beams
            into, out = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
            reach = np.where((into > 0) & (into <= out), into, np.nan)
    hit = beams[np.isfinite(reach)] * reach[np.isfinite(reach), None] + origin[:2]
    inside = np.column_stack([np.repeat(hit, len(_HEIGHTS), axis=0), np.tile(_HEIGHTS * height / 2, len(hit))])
    return (inside @ axes.T + item.centre).astype(np.float32)


def wall(at):
    """Points (n, 3) that stand all around, at a range of `at` m."""
    angle, z = (
        part.ravel() for part in np.meshgrid(np.linspace(-np.pi, np.pi, 1200), np.linspace(-at / 4, at / 4, 90))
    )
    return np.stack([at * np.cos(angle), at * np.sin(angle), z], axis=1).astype(np.float32)


def of_points(item):
    """With the box of the points that are seen of it, along x and y, and these."""
    points = shown(item)
    low, high = points.min(axis=0), points.max(axis=0)
    return dataclasses.replace(item, centre=(low + high) / 2, size=high - low, n_points=len(points)), points


def completed(item, points=None, length=0.0, around=60.0):
    """Of its points, or those of its box, with a wall all around it, as far away."""
    points = shown(item) if points is None else points
    seen_ends = SeenEnds.of(
        SeenBoxes.of([item]), points, np.array([len(points)]), RangeImage(np.concatenate([points, wall(around)]))
    )
    return BOXES.completed([item], seen_ends, [length])[0]


def rear(x=20.0):
    """Of a car ahead, from behind: its rear is at x."""
    return seen([x + 0.2, 0, -1.0], [0.4, WIDTH, 1.4])


@pytest.mark.parametrize('yaw', [0.0, 0.7, np.pi / 2, np.pi, -2.0])
@pytest.mark.parametrize('bearing', [0.0, 2.0, -1.2])
def test_a_box_grows_away_from_the_sensor_wherever_that_is(yaw, bearing):
    axes = np.array([[np.cos(bearing), -np.sin(bearing), 0], [np.sin(bearing), np.cos(bearing), 0], [0, 0, 1]])
    item = seen(axes @ (20.0, 3.0, -1.0), [1.0, WIDTH, 1.4], yaw=yaw + bearing)
    whole = completed(item)
    assert np.linalg.norm(whole.centre[:2]) > np.linalg.norm(item.centre[:2])
    assert (whole.size[:2] > item.size[:2]).all() and whole.size[2] == item.size[2]
    again = whole.seen
    np.testing.assert_allclose(again.centre, item.centre, atol=1e-9)
    np.testing.assert_allclose(again.size, item.size, atol=1e-9)
    turned = turned_object(whole, axes).seen
    np.testing.assert_allclose(turned.centre, axes @ item.centre, atol=1e-9)
    assert np.linalg.eigvalsh(whole.position_covariance).min() > 0 and np.isnan(item.position_covariance).all()


def test_a_car_of_which_the_rear_is_seen_is_a_car():
    whole = completed(rear())
    assert 3.0 < whole.size[0] < 6.0 and WIDTH <= whole.size[1] < WIDTH + 0.5
    assert 21.2 < whole.centre[0] < 23.0, 'its middle is 22.2'


def test_walkers_stay_where_they_are_seen():
    off = []
    for seed in range(4_000_000_010, 4_000_000_014):
        (sweep,) = simulate(seed, 1, 'hdl64e', 'street')
        image = RangeImage(sweep.sweep.points)
        for mover in sweep.movers():
            points = sweep.sweep.points[sweep.object_id == mover.id]
            if mover.n_points >= 8 and CLASSES[sweep.class_id[sweep.object_id == mover.id][0]] == 'pedestrian':
                inside = points @ mover.axes
                low, high = inside.min(axis=0), inside.max(axis=0)
                item = mover.but(centre=mover.axes @ (low + high) / 2, size=high - low)
                ends = SeenEnds.of(SeenBoxes.of([item]), points, np.array([len(points)]), image)
                off.append(np.linalg.norm((BOXES.completed([item], ends, [0.0])[0].centre - mover.centre)[:2]))
    assert len(off) >= 5 and np.mean(off) < 0.15


def test_the_centre_does_not_jump_when_a_side_comes_into_view():
    """From the rear alone to rear and side: it errs less than the middle of the points, and never jumps."""
    off, before = [], []
    for y in np.arange(0.0, 6.0, 0.1):
        car = seen([14.0, y, -1.0], [LENGTH, WIDTH, 1.4])
        item, points = of_points(car)
        off.append(completed(item, points).centre - car.centre)
        before.append(item.centre - car.centre)
    steps, before_steps = (np.linalg.norm(np.diff(places, axis=0), axis=1) for places in (off, before))
    assert steps.max() < 0.5 * before_steps.max()
    assert np.abs(off).max(axis=0)[0] < 0.5 * np.abs(before).max(axis=0)[0]


def test_what_was_seen_whole_before_stays_whole():
    assert completed(rear(), length=6.3).size[0] == pytest.approx(6.3)
    assert 19.6 < completed(rear(), length=6.3).centre[0] - 6.3 / 2 <= 20.0, 'what is missing lies beyond its front'
    short = completed(rear(), length=2.0)
    assert short.size[0] == completed(rear()).size[0], 'what is short swings its limbs'
    longer = seen([20.0, 0, -1.0], [7.0, WIDTH, 1.4])
    assert 7.0 <= completed(longer, length=6.3).size[0] < 7.5, 'no box is less than its points'


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5])
def test_so_many_at_once_get_the_boxes_that_each_gets(count):
    items = [rear(12.0 + 3 * k) for k in range(count)]
    points = [shown(item) for item in items]
    image = RangeImage(np.concatenate([*points, wall(60.0)]))
    seen_ends = SeenEnds.of(SeenBoxes.of(items), np.concatenate(points), np.array([len(own) for own in points]), image)
    together = BOXES.completed(items, seen_ends, [0.0] * count)
    for k, item in enumerate(items):
        ends = SeenEnds.of(SeenBoxes.of([item]), points[k], np.array([len(points[k])]), image)
        np.testing.assert_allclose(BOXES.completed([item], ends, [0.0])[0].centre, together[k].centre, atol=1e-6)


def test_where_beams_went_through_nothing_is_hidden():
    """Behind a rear nobody looks; of a post that stands apart all is known."""
    post = seen([12.0, 0.0, -1.0], [0.4, 0.4, 1.4])
    assert completed(post).size[0] < 0.5 * completed(rear(12.0)).size[0]
    long_side = seen([8.0, 8.0, -1.0], [3.0, 0.3, 1.4])
    beside_wall = completed(long_side, around=13.2)
    assert completed(long_side).size[0] < beside_wall.size[0]


def test_a_track_knows_a_length_that_it_saw_three_times():
    tracks, known = Tracks(), []
    points = np.ones((1, 3), np.float32)
    for k, length in enumerate([4.4, 9.0, 4.5, 4.6, 0.4]):
        sweeps = [Sweep.from_points(points, 100_000_000 * (100 + k - back), 'lidar') for back in (0, 1)]
        tracks.advance(SweepPair(*sweeps), EgoMotion(np.eye(4), 'given'))
        (item,) = tracks.follow([seen([20 + 0.8 * k, 0, 0], [length, WIDTH, 1.4])])
        known.append(tracks.length(item.track_id))
    assert known == [0, 0, 4.4, 4.5, 4.5], '9 m were the car and its neighbour'


def test_what_is_hidden_holds_no_moving_point():
    """Of a still thing behind a walker's box nothing goes into ~/moving."""
    whole = dataclasses.replace(completed(rear()), track_id=1, age=3)
    points = np.array([[20.2, 0, -1.0], [23.5, 0, -1.0]], np.float32)
    source, target = (Sweep.from_points(points, 100_000_000 * (11 - back), 'lidar') for back in (0, 1))
    nothing, none = np.zeros((2, 3), np.float32), np.zeros(2, bool)
    flow = FlowField(
        SweepPair(source, target),
        EgoMotion(np.eye(4), 'given'),
        nothing,
        nothing,
        none,
        none,
        np.full(2, -1, np.int32),
        (whole,),
    )
    movers = MovingPoints()
    movers.note(flow)
    assert movers.answered(flow, 0.1).tolist() == [True, False]


@pytest.mark.parametrize('change', ['', '{}', '"log_side"'])
def test_another_file_is_refused(tmp_path, change):
    path = tmp_path / 'boxes.json'
    path.write_text(SHIPPED.read_text().replace('"log_side"', '"log_depth"') if 'log' in change else change)
    with pytest.raises(WeightsError, match='no models of boxes'):
        BoxModels.load(path)


def test_models_are_read_as_they_were_written(tmp_path):
    BOXES.save(tmp_path / 'boxes.json')
    again = BoxModels.load(tmp_path / 'boxes.json')
    for name, values in vars(BOXES.beyond).items():
        np.testing.assert_array_equal(getattr(again.beyond, name), values)
    np.testing.assert_array_equal(again.centre_variance.weights, BOXES.centre_variance.weights)


def test_the_box_lies_where_its_thing_is_at_the_stamp():
    """Of points that were measured 50 ms after it, as half a turn of a spinning sensor."""
    item = rear()
    late = completed(dataclasses.replace(item, taken=0.05))
    np.testing.assert_allclose(late.centre, completed(item).centre - 0.05 * item.velocity, atol=1e-9)
    np.testing.assert_allclose(late.seen.centre, item.centre, atol=1e-9)
    np.testing.assert_allclose(late.seen.size, item.size, atol=1e-9)


def test_the_detector_knows_when_points_were_taken():
    older, newer = simulate(4_000_000_004, 2, 'vlp16')
    method = SceneFlow(Settings(network_points=1024))
    prepared = method.prepare(SweepPair(newer.sweep, older.sweep))
    source = prepared.pair.source
    late = dataclasses.replace(source, taken=np.full(len(source), 0.05, np.float32))
    pair = SweepPair(late, prepared.pair.target)
    (plain, moved) = (method.estimate(dataclasses.replace(prepared, pair=one)).objects for one in (prepared.pair, pair))
    assert len(plain) == len(moved) > 0
    for item, other in zip(plain, moved):
        np.testing.assert_allclose(other.centre[:2], (item.centre - 0.05 * item.velocity)[:2], atol=1e-6)
        np.testing.assert_allclose(other.seen.centre, item.seen.centre, atol=1e-6)
