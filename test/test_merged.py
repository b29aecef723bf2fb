"""Several LiDARs in one cloud: each sees from its own place."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ssrflow_ros import Settings
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats import pointcloud2
from ssrflow_ros.formats.bag_messages import to_header, to_pointcloud2
from ssrflow_ros.inputs import as_sweep
from ssrflow_ros.kernels.returns import rows_of
from ssrflow_ros.pair_stream import PairStream
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.steps.beams import Beams
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.steps.merged import MergedImage, beams_of, range_image
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.sweep import Sensors, Sweep, SweepPair
from ssrflow_ros.transforms import rigid, transformed32

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


def test_second_returns_are_judged_from_their_own_sensor():
    points, of_point = clouds(FAR)
    first = of_point == 0
    # Of every ninth beam of the first sensor a return before the wall, and one half way of the second sensor's wall.
    struck = np.flatnonzero(first)[::9]
    nearer = ORIGINS[0] + (points[struck] - ORIGINS[0]) * 0.5
    made = Sweep(
        np.concatenate([points, nearer]).astype(np.float32),
        10**9,
        'base',
        np.arange(len(points) + len(nearer)),
        len(points) + len(nearer),
        None,
        Sensors(ORIGINS, np.concatenate([of_point, np.zeros(len(nearer), of_point.dtype)])),
    )
    wanted = np.isin(np.arange(len(made)), struck)
    assert np.array_equal(beams_of(made).are_past_another(), wanted)
    assert (Beams(made.points).are_past_another() & wanted).sum() < 0.5 * wanted.sum(), 'from one origin'


def test_beams_of_several_sensors_are_those_of_each():
    made, rng = sweep(10**9, POST, FAR), np.random.default_rng(0)
    turn = Rotation.from_euler('xyz', (0.3, -0.2, 1.0)).as_matrix()
    rows = rng.permutation(len(made))[:4000]
    level = dataclasses.replace(
        made,
        points=transformed32(rows_of(made.points, rows), turn, np.zeros(3)),
        sensors=made.sensors.turned(turn, rows),
    )
    merged, turned = beams_of(made), beams_of(made).only(rows, turn)
    own = [Beams(made.points[made.sensors.of_point == k] - ORIGINS[k].astype(np.float32)) for k in range(2)]
    for k, one in enumerate(own):
        its = made.sensors.of_point == k
        for asked in (lambda beams: beams.are_alone(), lambda beams: beams.have_company(2, 0.01)):
            assert np.array_equal(asked(merged)[its], asked(one))
    assert np.array_equal(turned.are_alone(), beams_of(level, turn).are_alone())
    groups = np.array([400, 300, 1])
    chosen = np.arange(groups.sum())
    assert np.array_equal(turned.are_filled(chosen, groups, 0.3), beams_of(level, turn).are_filled(chosen, groups, 0.3))
    mixed = np.concatenate([np.flatnonzero(made.sensors.of_point == 0)[:60], np.flatnonzero(made.sensors.of_point)[:9]])
    assert merged.are_filled(mixed, np.array([69]), 0.5) == own[0].are_filled(np.arange(60), np.array([60]), 0.5)
    asked = (POST[::5] - (1.0, 0, 0)).astype(np.float32)
    for beams, points in (merged, asked), (turned, transformed32(asked, turn, np.zeros(3))):
        for k, (away, _) in enumerate(beams.passing(points)):
            np.testing.assert_allclose(away, np.linalg.norm(asked - ORIGINS[k], axis=1), rtol=1e-5)
    for (_, reach), one, origin in zip(merged.passing(asked), own, ORIGINS.astype(np.float32)):
        np.testing.assert_array_equal(reach, one.passing(asked - origin)[0][1])
