"""Several LiDARs in one cloud: each sees from its own place."""

import numpy as np
import pytest

from ssrflow_ros import Settings
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats import pointcloud2
from ssrflow_ros.formats.bag_messages import to_header, to_pointcloud2
from ssrflow_ros.inputs import as_sweep
from ssrflow_ros.pair_stream import PairStream
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.steps.merged import MergedImage, range_image
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.sweep import Sensors, Sweep, SweepPair
from ssrflow_ros.transforms import rigid

ORIGINS = np.array([[0.0, 3.0, 0.0], [0.0, -3.0, 0.0]])
SETTINGS = Settings(sensor_origins='0 3 0  0 -3 0', sensor_field='lidar', ego_motion='odometry', ground='none')


def wall(x, low, high, step=0.1):
    """(n, 3) of an upright wall at `x` ahead, from `low` to `high` across."""
    across, up = np.meshgrid(np.arange(low, high, step), np.arange(-1.5, 1.5, step))
    return np.stack([np.full(across.size, float(x)), across.ravel(), up.ravel()], axis=1)


def seen_from(origin, *walls):
    """Of the walls, nearest first, what is not behind a nearer one, in the frame of both."""
    kept = []
    for number, points in enumerate(walls):
        free = np.ones(len(points), bool)
        for nearer in walls[:number]:
            at = origin + (points - origin) * ((nearer[0, 0] - origin[0]) / (points[:, :1] - origin[0]))
            free &= (at[:, 1] < nearer[:, 1].min() - 0.1) | (at[:, 1] > nearer[:, 1].max() + 0.1)
        kept.append(points[free])
    return np.concatenate(kept)


def clouds(*walls):
    own = [seen_from(origin, *walls) for origin in ORIGINS]
    return np.concatenate(own).astype(np.float32), np.repeat([0, 1], [len(points) for points in own]).astype(np.uint8)


def sweep(stamp_ns, *walls):
    points, of_point = clouds(*walls)
    return Sweep(points, stamp_ns, 'base', np.arange(len(points)), len(points), None, Sensors(ORIGINS, of_point))


POST, FAR = wall(8, -0.5, 0.5), wall(16, -12, 12)


def test_nothing_that_stands_was_seen_through():
    made = sweep(10**9, POST, FAR)
    merged, single = range_image(made), RangeImage(made.points)
    assert isinstance(merged, MergedImage)
    assert merged.at(made.points).is_free().mean() < 0.002
    assert merged.at(made.points).is_at_return().all()
    behind = (np.abs(made.points[:, 1]) < 1.0) & (made.points[:, 0] > 15)  # seen past the post, from both sides
    assert (
        merged.at(made.points[behind]).is_hidden().mean()
        < 0.01
        < 0.5
        < single.at(made.points[behind]).is_hidden().mean()
    )


def test_what_one_of_them_saw_through_was_free():
    image = range_image(sweep(10**9, POST, FAR))
    beside, right_behind = np.array([[8.0, 3.0, 0.0]]), np.array([[8.6, 0.0, 0.0]])
    assert image.at(beside).is_free() and image.at(beside).free_space_margin().min() > 1
    assert image.at(right_behind).is_hidden() and not image.at(right_behind).is_free()
    assert image.at(right_behind).free_space_margin().max() < 0
    nowhere = image.at(np.array([[-5.0, 0.0, 0.0]]))
    assert not nowhere.is_known() and not nowhere.is_hidden() and not nowhere.free_space_margin().any()


def test_images_go_into_other_frames():
    image = range_image(sweep(10**9, POST, FAR))
    moved = image.in_frame(rigid(np.eye(3), np.array([1.0, 0, 0])))
    assert moved.at(np.array([[7.0, 3.0, 0.0]], np.float32)).is_free()
    assert np.array_equal(moved.at(POST - (1, 0, 0)).is_at_return(), image.at(POST).is_at_return())


def test_a_pair_of_them_is_prepared():
    preparation = Preparation(SETTINGS)
    before, now = sweep(10**9, POST, FAR), sweep(11 * 10**8, POST, FAR)
    prepared = preparation(SweepPair(now, before), given(np.eye(4)))
    assert not prepared.in_free_space.any() and not len(prepared.vacated_space)


def message(stamp_ns=10**9, **columns):
    points, of_point = clouds(POST, FAR)
    cloud = pointcloud2.encode_points(points, **{'lidar': of_point, **columns})
    return to_pointcloud2(cloud, to_header(stamp_ns, 'base')), of_point


def test_the_field_tells_them_apart():
    cloud, of_point = message()
    read = PairStream(SETTINGS).sweep(cloud)
    assert np.array_equal(read.sensors.of_point, of_point[read.rows]) and np.array_equal(read.sensors.origins, ORIGINS)
    left = read.without(np.arange(10))
    assert np.array_equal(left.sensors.of_point, read.sensors.of_point[10:])
    nearest = PairStream(SETTINGS.replace(sensor_field='')).sweep(cloud)
    clear = np.abs(nearest.points[:, 1]) > 0.01
    assert np.array_equal(nearest.sensors.of_point[clear], (nearest.points[clear, 1] < 0).astype(int))
    assert PairStream(SETTINGS.replace(sensor_origins='', sensor_field='')).sweep(cloud).sensors is None


@pytest.mark.parametrize(
    'change, columns, words',
    [
        ({'sensor_field': 'ldiar'}, {}, "no field 'ldiar'"),
        ({'sensor_origins': '0 0 0'}, {}, 'has 1 places'),
        ({}, {'lidar': np.full(100_000, 7, np.uint8)}, 'holds 7 to 7'),
    ],
)
def test_a_field_that_does_not_do(change, columns, words):
    size = len(clouds(POST, FAR)[0])
    cloud, _ = message(**{name: column[:size] for name, column in columns.items()})
    with pytest.raises(InputError, match=words):
        PairStream(SETTINGS.replace(**change)).sweep(cloud)


def test_a_field_without_places_is_refused():
    with pytest.raises(InputError, match=r"sensor_field: 'lidar' .* give sensor_origins, too"):
        Settings(sensor_field='lidar')


def test_of_points_alone_each_is_of_the_nearest_sensor():
    points, _ = clouds(POST, FAR)
    nearest = as_sweep(SETTINGS.replace(sensor_field=''), points, 10**9)
    clear = np.abs(nearest.points[:, 1]) > 0.01
    assert np.array_equal(nearest.sensors.of_point[clear], (nearest.points[clear, 1] < 0).astype(int))
    known = sweep(10**9, POST, FAR)
    assert as_sweep(SETTINGS, known, None) is known
    with pytest.raises(InputError, match="points alone have no field 'lidar'"):
        as_sweep(SETTINGS, points, 10**9)


@pytest.mark.parametrize('text', ['1 2', 'a b c', '0 0 nan', '1e30 0 0'])
def test_no_places(text):
    with pytest.raises(InputError, match='sensor_origins'):
        Settings(sensor_origins=text)
