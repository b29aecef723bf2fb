"""The simulator: labels that are exact, worlds that differ, the same seed the same recording."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from ssrflow_ros.errors import InputError
from ssrflow_ros.simulator import CLASSES, SCENES, SENSORS, simulate
from ssrflow_ros.simulator.body import GLASS
from ssrflow_ros.simulator.motion import Joints, Path, rotations
from ssrflow_ros.simulator.raycaster import Raycaster
from ssrflow_ros.simulator.scenery import building
from ssrflow_ros.simulator.scenes import SHARES
from ssrflow_ros.simulator.sensors import Head, Lidar
from ssrflow_ros.simulator.shapes import boxes, join
from ssrflow_ros.simulator.simulate import _record
from ssrflow_ros.sweep import EgoMotion
from ssrflow_ros.transforms import invert


def _recording(seed, **kwargs):
    return list(simulate(seed, **kwargs))


@pytest.fixture(scope='module')
def recordings():
    """Two sweeps of each of some worlds seen by a cheap sensor."""
    return [_recording(seed, sensor='vlp16', scene=scene) for scene in SCENES for seed in range(12)]


def test_sweeps_that_are_left_out_change_nothing_of_the_others():
    whole, some = list(simulate(5, 4, 'vlp16')), list(simulate(5, 4, 'vlp16', kept={3, 1}))
    assert len(some) == 2
    for one, other in zip(some, (whole[1], whole[3])):
        assert one.sweep.stamp_ns == other.sweep.stamp_ns
        assert np.array_equal(one.sweep.points, other.sweep.points) and np.array_equal(one.flow_next, other.flow_next)


def test_same_seed_same_recording():
    first, again, other = _recording(5), _recording(5), _recording(6)
    np.testing.assert_array_equal(first[1].sweep.points, again[1].sweep.points)
    np.testing.assert_array_equal(first[1].flow_next, again[1].flow_next)
    assert len(other[0]) != len(first[0])


def test_shapes_types_and_stamps(recordings):
    for first, second in recordings:
        count = len(first)
        assert first.sweep.points.shape == first.flow_next.shape == first.velocity.shape == (count, 3)
        assert first.object_id.shape == first.class_id.shape == first.ground.shape == first.intensity.shape == (count,)
        for array in (first.sweep.points, first.flow_next, first.motion_next, first.motion_previous, first.velocity):
            assert array.dtype == np.float32 and np.isfinite(array).all()
        assert second.sweep.stamp_ns - first.sweep.stamp_ns == 100_000_000
        np.testing.assert_allclose(first.pose_next, second.pose, atol=1e-12)


def test_still_points_move_with_the_sensor_only(recordings):
    for first, second in recordings:
        still = first.object_id < 0
        ego = EgoMotion(invert(second.pose) @ first.pose, 'given')
        np.testing.assert_allclose(
            first.flow_next[still], ego.displacement(first.sweep.points[still].astype(float)), atol=2e-6
        )
        assert not first.motion_next[still].any() and not first.velocity[still].any()


def test_velocity_is_the_way_from_the_previous_sweep(recordings):
    for _, second in recordings:
        np.testing.assert_allclose(second.velocity, -second.motion_previous / 0.1, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(second.moving, np.linalg.norm(second.velocity, axis=1) >= 0.5)


def test_movers_are_whole_and_hold_their_points(recordings):
    seen = 0
    for sweep in (sweep for pair in recordings for sweep in pair):
        movers = sweep.movers()
        assert [item.id for item in movers] == np.unique(sweep.object_id[sweep.object_id >= 0]).tolist()
        for item in movers:
            rows = sweep.object_id == item.id
            inside = np.abs((sweep.sweep.points[rows] - item.centre) @ item.axes)
            assert (inside <= item.size / 2 + 0.15).all(), 'range noise apart'
            assert item.n_points == rows.sum() and item.track_id == item.id
            np.testing.assert_allclose(item.velocity, sweep.velocity[rows].astype(float).mean(axis=0), atol=1e-5)
            seen += 1
    assert seen > 100


def test_flow_is_motion_then_ego_motion(recordings):
    for first, second in recordings:
        ego = EgoMotion(invert(second.pose) @ first.pose, 'given')
        ahead = first.sweep.points + first.flow_next
        np.testing.assert_allclose(ego.into_source(ahead), first.sweep.points + first.motion_next, atol=2e-5)


def test_warped_points_lie_on_the_next_sweep():
    """What both sweeps see of a mover lies far nearer to the next sweep if moved by the flow than if left."""
    left, moved = [], []
    for seed in range(6):
        first, second = _recording(seed, sensor='os1_64', scene='street')
        tree = cKDTree(second.sweep.points)
        for number in np.unique(first.object_id[first.object_id >= 0]):
            on_it = first.object_id == number
            if min(on_it.sum(), (second.object_id == number).sum()) < 50:
                continue
            left.append(np.median(tree.query(first.sweep.points[on_it])[0]))
            moved.append(np.median(tree.query((first.sweep.points + first.flow_next)[on_it])[0]))
    assert len(moved) > 10
    assert np.median(moved) < 0.1 and np.median(moved) < 0.35 * np.median(left)


def test_rigid_bodies_keep_their_shape(recordings):
    rigid = [CLASSES.index(name) for name in ('car', 'van', 'blob', 'drone', 'motorcycle')]
    checked = 0
    for first, _ in recordings:
        for number in np.unique(first.object_id[first.object_id >= 0]):
            on_it = np.flatnonzero(first.object_id == number)
            if first.class_id[on_it[0]] not in rigid or len(on_it) < 10:
                continue
            points = first.sweep.points[on_it].astype(float)
            for motion in (first.flow_next, first.motion_next, first.motion_previous):
                moved = points + motion[on_it]
                spans = [np.linalg.norm(cloud - cloud[::-1], axis=1) for cloud in (points, moved)]
                np.testing.assert_allclose(*spans, atol=1e-4)
            checked += 1
    assert checked > 10


def test_limbs_of_walkers_move_unlike_their_bodies(recordings):
    person = CLASSES.index('pedestrian')
    spread = [
        np.ptp(np.linalg.norm(first.velocity[chosen], axis=1))
        for first, _ in recordings
        for number in np.unique(first.object_id[first.class_id == person])
        if (chosen := (first.object_id == number) & (first.class_id == person)).sum() > 40 and number >= 0
    ]
    assert len(spread) > 3 and max(spread) > 1.0


def test_a_quiet_street_is_a_street_in_which_hardly_anything_moves():
    def movers(scene):
        return [len(SCENES[scene](np.random.default_rng(seed), 0.2).actors) for seed in range(20)]

    assert max(movers('quiet_street')) <= 3 < np.median(movers('street'))
    assert SHARES.keys() == SCENES.keys() - {'quiet_street'} and sum(SHARES.values()) == pytest.approx(1)


def test_every_class_appears_and_speeds_are_plausible(recordings):
    seen, speeds, counts = set(), [], []
    for first, _ in recordings:
        seen |= set(first.class_id.tolist())
        speeds.append(np.linalg.norm(first.velocity, axis=1).max())
        counts.append(len(np.unique(first.object_id[first.object_id >= 0])))
    for seed in range(100, 140):
        seen |= set(next(simulate(seed, 1, 'vlp16')).class_id.tolist())
    assert seen == set(range(len(CLASSES)))
    assert max(speeds) < 45 and np.median(speeds) > 0.5
    assert min(counts) == 0 and max(counts) > 8


@pytest.mark.parametrize('name', SENSORS)
def test_sensors_have_their_beams_and_field_of_view(name):
    model = SENSORS[name]
    rays = Lidar(model, model.columns[0]).directions(np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1, atol=1e-5)
    elevation = np.degrees(np.arcsin(rays[:, 2]))
    fields = {'spinning': model.elevations, 'rosette': (-model.field[1] / 2, model.field[1] / 2)}
    of_sensor = fields.get(model.pattern, model.field)
    low, high = min(of_sensor), max(of_sensor)
    assert low - 0.01 < elevation.min() < low + 2 and high - 2 < elevation.max() < high + 0.01
    if model.beams:
        assert len(rays) == model.beams * model.columns[0]
        assert len(np.unique(elevation.round(3))) == model.beams


@pytest.mark.parametrize('name', ['mid360', 'avia'])
def test_non_repetitive_patterns_change_from_sweep_to_sweep(name):
    lidar, rng = Lidar(SENSORS[name], SENSORS[name].columns[0]), np.random.default_rng(0)
    gap = cKDTree(lidar.directions(rng)).query(lidar.directions(rng))[0]
    assert np.median(gap) > 1e-3


def test_beam_counts_cover_what_robots_carry():
    assert {0, 16, 32, 64, 128} <= {model.beams for model in SENSORS.values()}


def test_range_noise_has_the_stated_sigma():
    lidar, far = Lidar(SENSORS['vlp16'], 900, range_sigma=0.02), np.full(20_000, 30.0)
    measured, _, kept = lidar.measure(far, np.ones_like(far), np.full_like(far, 0.6), np.random.default_rng(1))
    assert kept.mean() > 0.95
    assert abs((measured - far).std() - 0.02) < 0.001 and abs((measured - far).mean()) < 0.001


def test_weak_and_distant_hits_are_lost():
    lidar, rng = Lidar(SENSORS['vlp16'], 900), np.random.default_rng(2)
    share = [
        lidar.measure(np.full(5000, reach), np.full(5000, cosine), np.full(5000, rho), rng)[2].mean()
        for reach, cosine, rho in ((20, 1, 0.5), (60, 0.01, 0.2), (20, 1, 0.01), (150, 1, 0.9))
    ]
    assert share[0] > 0.95 and share[1] < 0.5 and share[2] < 0.3 and share[3] == 0


def test_light_goes_through_glass_and_nothing_else():
    glass, wall = boxes([5, 0, 0], [0.02, 20, 20], GLASS), boxes([8, 0, 0], [0.2, 20, 20], 0.5)
    world = join([glass, wall])
    rays = np.tile(np.float32([1, 0, 0]), (2000, 1))
    nothing = np.zeros((0, 3))

    def ranges(clear, moving=nothing, faces=nothing):
        caster = Raycaster(world.vertices, world.faces)
        ray, reach, face, _ = caster.cast(np.zeros(3), rays, moving, faces, clear, np.random.default_rng(0))
        assert len(ray) == len(rays)
        return reach, face

    reach, face = ranges(world.reflectivity == np.float32(GLASS))
    behind = np.isclose(reach, 7.9)
    # A pane has two faces, and each lets 0.9 through.
    assert 0.7 < behind.mean() < 0.9 and np.isclose(reach[~behind], 5, atol=0.02).all()
    assert (face[behind] >= len(glass.faces)).all()
    assert np.allclose(ranges(np.zeros(len(world.faces), bool))[0], 4.99)
    mover = boxes([6.5, 0, 0], [0.2, 20, 20], 0.5)
    clear = np.concatenate([world.reflectivity, mover.reflectivity]) == np.float32(GLASS)
    reach, face = ranges(clear, mover.vertices, mover.faces)
    assert np.isclose(reach[behind], 6.4).all() and (face[behind] >= len(world.faces)).all()


def test_rooms_are_seen_through_the_windows_of_some_buildings():
    depths = []
    for seed in range(12):
        house = building(np.random.default_rng(seed), 15.0, 10.0, 9.0)
        sideways = np.radians(np.arange(-30, 30, 0.2, np.float32))
        rays = np.column_stack([np.sin(sideways), np.cos(sideways), 0 * sideways])
        clear, rng = house.reflectivity == np.float32(GLASS), np.random.default_rng(seed)
        for height in (1.7, 2.2, 4.5):
            ray, reach, _, _ = Raycaster(house.vertices, house.faces).cast(
                np.array([0, -8, height]), rays, np.zeros((0, 3)), np.zeros((0, 3)), clear, rng
            )
            depths.append(reach * rays[ray, 1] - 8)
    assert 0.05 < np.mean(np.concatenate(depths) > 1.0) < 0.6


def test_blocked_sectors_and_dead_beams_return_nothing():
    lidar = Lidar(SENSORS['hdl32e'], 1080, dead_beams=(0, 5), blocked=((90.0, 40.0),))
    rays = lidar.directions(np.random.default_rng(3))
    azimuth = np.degrees(np.arctan2(rays[:, 1], rays[:, 0]))
    assert not np.any(np.abs(azimuth - 90) < 19.9)
    assert len(np.unique(np.degrees(np.arcsin(rays[:, 2])).round(3))) == 30


def test_paths_are_smooth_and_of_unit_speed():
    path = Path((1.0, 2.0, 0.5), np.array([3.0, 4.0, 1.0]), np.array([0.0, 0.5, -0.2]))
    along = np.linspace(-2, 12, 2001)
    x, y, yaw = path.at(along)
    steps = np.hypot(np.diff(x), np.diff(y)) / np.diff(along)
    np.testing.assert_allclose(steps, 1.0, atol=1e-4)
    np.testing.assert_allclose(np.arctan2(np.diff(y), np.diff(x)), (yaw[1:] + yaw[:-1]) / 2, atol=1e-2)


def test_joints_hold_at_their_pivots():
    pivots = np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 0.5]])
    joints = Joints(
        np.array([-1, 0, 1]),
        pivots,
        np.tile([0.0, 1.0, 0.0], (3, 1)),
        np.zeros(3),
        np.array([0, 0.7, 0.9]),
        np.array([0, 0.2, 1.0]),
        np.zeros((3, 3)),
        1.0,
    )
    times = np.linspace(0, 1, 7)
    poses = joints.poses(np.tile(np.eye(4), (7, 1, 1)), times, times)
    for part, parent in ((1, 0), (2, 1)):
        pivot = np.append(pivots[part], 1)
        np.testing.assert_allclose(poses[:, part] @ pivot, poses[:, parent] @ pivot, atol=1e-12)


def test_rotations_turn_right_handed():
    quarter = rotations(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2))
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    'wrong, word',
    [({'sensor': 'sonar'}, 'vlp16'), ({'scene': 'moon'}, 'street'), ({'sweeps': 0}, 'sweeps'), ({'rate': 0.0}, 'rate')],
)
def test_wrong_arguments_are_refused_at_once(wrong, word):
    with pytest.raises(InputError, match=word):
        simulate(0, **wrong)


def test_the_box_of_a_mover_holds_its_points_and_goes_with_it():
    first, second = simulate(5, 2, 'hdl64e', 'street')
    assert first.boxes.shape == second.boxes.shape and first.boxes.shape[1] == 7
    shown = np.unique(first.object_id[first.object_id >= 0])
    assert len(shown)
    for number in shown:
        rows = first.object_id == number
        x, y, z, *size, yaw = first.boxes[number]
        arm = first.sweep.points[rows] - (x, y, z)
        inside = np.column_stack(
            [
                arm[:, 0] * np.cos(yaw) + arm[:, 1] * np.sin(yaw),
                arm[:, 1] * np.cos(yaw) - arm[:, 0] * np.sin(yaw),
                arm[:, 2],
            ]
        )
        assert (np.abs(inside) < np.array(size) / 2 + 0.15).mean() > 0.99  # range noise apart


@pytest.mark.parametrize(('seed', 'sensor'), [(5_100_091, 'os1_128'), (5_100_237, 'alpha128')])
def test_no_trailer_drives_through_the_robot(seed, sensor):
    """These had the sensor inside a bus and a truck, whose rear parts are longer than what was kept free for them."""
    for sweep in simulate(seed, 2, sensor):
        held = np.bincount(sweep.object_id[sweep.object_id >= 0], minlength=1)
        assert held.max() < 0.5 * len(sweep)


def test_twins_see_what_stands_alike_and_what_moves_twice():
    """The second is half a sweep late: half the way back, what it sees of a mover lies on what the first one sees."""
    left, back = [], []
    for seed in range(3):
        scene = SCENES['street'](np.random.default_rng(seed), 0.1)

        def seen(*heads, scene=scene, seed=seed):
            return next(
                _record(scene, Lidar(SENSORS['os1_64'], 1024, range_sigma=0.0, heads=heads), seed, 1, 10.0, range(1))
            )

        one, both = seen(Head()), seen(Head(), Head((0.2, 0.0, -0.3), 0.5))
        np.testing.assert_array_equal(both.sweep.points[: len(one)], one.sweep.points)
        points, number, tree = both.sweep.points[len(one) :], both.object_id[len(one) :], cKDTree(one.sweep.points)
        assert np.median(tree.query(points[number < 0])[0]) < 0.2
        for mover in np.unique(number[number >= 0]):
            on_it, sooner = number == mover, one.sweep.points[one.object_id == mover]
            if min(on_it.sum(), len(sooner)) < 50:
                continue
            tree = cKDTree(sooner)
            left.append(np.median(tree.query(points[on_it])[0]))
            back.append(np.median(tree.query(points[on_it] + both.motion_previous[len(one) :][on_it] / 2)[0]))
    assert len(back) > 5
    assert np.median(back) < 0.1 and np.median(back) < 0.6 * np.median(left)
