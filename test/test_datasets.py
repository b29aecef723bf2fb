"""Readers: small files in the true layout of each data set, and what must come out of them."""

import json

import numpy as np
import pytest

from ssrflow_ros.datasets import KINDS, open_dataset
from ssrflow_ros.datasets.boxes import Box, flow_of_boxes
from ssrflow_ros.datasets.labelled_pair import ARGOVERSE2, CATEGORIES, FLOWNET3D
from ssrflow_ros.errors import InputError
from ssrflow_ros.transforms import pose_matrix, rigid_fit

CAR, PEDESTRIAN, UNKNOWN = (CATEGORIES.index(name) for name in ('car', 'pedestrian', 'unknown'))
AHEAD = np.array([1.0, 0.2, 0.1], np.float32)  # x forward, y left, z up


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def open_one(place, n=1):
    data = open_dataset(str(place))
    assert len(data) == n
    return data[0]


def rigid(yaw=0.02, shift=(0.8, 0.1, 0.0)):
    return pose_matrix(shift, (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)))


def moved(points, transform):
    return points @ transform[:3, :3].T + transform[:3, 3]


# --- FlowNet3D protocol ----------------------------------------------------------------------------------


def hplflownet(folder, points, flow):
    """x left, y up, z forward, row by row."""
    folder.mkdir(parents=True)
    np.save(folder / 'pc1.npy', points)
    np.save(folder / 'pc2.npy', points + flow)


def test_ft3ds_negates_x_and_z_and_cuts_what_is_far(tmp_path, rng):
    points = rng.uniform((-5, -2, 5), (5, 3, 30), (50, 3)).astype(np.float32)
    points[:10, 2] = 34.8  # moves beyond 35 m, so it is cut from both
    flow = np.tile(np.array([0.2, 0.1, 1.0], np.float32), (50, 1))
    signs = np.array([-1, 1, -1], np.float32)
    hplflownet(tmp_path / 'val' / '0000007', points * signs, flow * signs)
    hplflownet(tmp_path / 'train' / '0000001', points, flow)
    pair = open_one(f'ft3ds:{tmp_path}')
    assert pair.name == '0000007' and len(pair.pair.source) == len(pair.pair.target) == 40
    assert pair.flow == pytest.approx(np.tile(AHEAD, (40, 1)), abs=1e-5) and pair.scored.all()
    assert pair.pair.source.points == pytest.approx(points[10:][:, (2, 0, 1)])
    assert pair.preparation.protocol == FLOWNET3D and pair.ego is None


def test_sampling_draws_each_sweep_by_itself(tmp_path, rng):
    points = rng.uniform((-5, -1, 5), (5, 3, 30), (9000, 3)).astype(np.float32)
    hplflownet(tmp_path / '000002', points, np.full_like(points, 0.1))
    pair = open_one(f'kittis:{tmp_path}')
    drawn = pair.sampled(0)
    assert len(drawn.pair.source) == len(drawn.pair.target) == len(drawn.flow) == len(drawn.scored) == 8192
    assert not np.array_equal(drawn.pair.source.points + drawn.flow, drawn.pair.target.points)
    assert np.array_equal(drawn.pair.source.points, pair.sampled(0).pair.source.points)
    assert not np.array_equal(drawn.pair.source.points, pair.sampled(1).pair.source.points)


def test_kittis_reads_the_listed_frames_and_cuts_the_ground(tmp_path, rng):
    points = rng.uniform((-5, -1, 5), (5, 3, 30), (50, 3)).astype(np.float32)
    points[:20, 1] = -1.6
    flow = np.zeros_like(points)
    flow[0, 1] = 0.5  # leaves the ground, so it is none
    for frame in range(200):
        hplflownet(tmp_path / f'{frame:06d}', points, flow)
    pair = open_one(f'kittis:{tmp_path}', 142)
    assert pair.name == '000002' and len(pair.pair.source) == 31


def test_ft3do_scores_where_the_mask_says_so(tmp_path, rng):
    points = rng.uniform(-5, 5, (30, 3)).astype(np.float32)
    mask = np.arange(30) < 20
    for name in ('TEST_A_0000_left_0006-0', 'TEST_A_0149_right_0013-0', 'TRAIN_A_0000_left_0006-0'):
        np.savez(
            tmp_path / f'{name}.npz',
            points1=points,
            points2=points[:25],
            color1=points,
            color2=points,
            flow=np.tile(np.array([-0.2, -0.1, 1.0], np.float32), (30, 1)),
            valid_mask1=mask,
        )
    pair = open_one(f'ft3do:{tmp_path}')
    assert np.array_equal(pair.scored, mask) and len(pair.pair.target) == 25
    assert pair.flow == pytest.approx(np.tile(AHEAD, (30, 1)))  # x right, y down, z forward on file


def test_kittio_keeps_what_is_near_in_each_frame(tmp_path, rng):
    pos1, pos2 = (rng.uniform((2, -5, -1), (34, 5, 2), (n, 3)).astype(np.float32) for n in (30, 40))
    pos1[:5, 0], pos2[:8, 0] = 36, 40
    np.savez(tmp_path / '000000.npz', pos1=pos1, pos2=pos2, gt=np.tile(AHEAD, (30, 1)))
    pair = open_one(f'kittio:{tmp_path}')
    assert (len(pair.pair.source), len(pair.pair.target)) == (25, 32)
    assert np.array_equal(pair.flow, np.tile(AHEAD, (25, 1)))


def test_lidar_kitti_cuts_the_ground_of_each_frame_by_itself(tmp_path, rng):
    pc1, pc2 = (rng.uniform((-5, -1, 5), (5, 3, 30), (n, 3)) for n in (30, 40))
    pc1[:5, 1], pc2[:8, 1], pc2[8:10, 2] = -1.5, -1.7, 50
    flow = np.tile(AHEAD[[1, 2, 0]], (30, 1))
    np.savez(tmp_path / '000002.npz', pc1=pc1, pc2=pc2, flow=flow)
    pair = open_one(f'lidar_kitti:{tmp_path}')
    assert (len(pair.pair.source), len(pair.pair.target)) == (25, 30)
    assert np.array_equal(pair.flow, np.tile(AHEAD, (25, 1))) and pair.ego is None
    step = np.eye(4)
    step[:3, 3] = -flow[0]  # in the file's axes: the sensor walks on, the world comes back
    np.savez(tmp_path / '000002.npz', pc1=pc1, pc2=pc2, flow=-flow, pose_s=np.eye(4), pose_t=np.linalg.inv(step))
    pair = open_one(f'lidar_kitti:{tmp_path}')
    assert pair.ego.target_from_source[:3, 3] == pytest.approx(-AHEAD) and not pair.moving.any()


# --- Argoverse 2 protocol --------------------------------------------------------------------------------


def test_sf_kitti_finds_the_ego_motion_in_the_background(tmp_path, rng):
    points = rng.uniform((-20, -2, 2), (20, 1, 60), (200, 3))
    foreground = np.arange(200) < 50
    ego = rigid()
    flow = moved(points, ego) - points
    flow[:20] += (0, 0, 0.7)
    (tmp_path / '0003').mkdir()
    np.savez(tmp_path / '0003' / '000012.npz', pc1=points, pc2=points, gt=flow, fg_index=foreground)
    pair = open_one(f'sf_kitti:{tmp_path}')
    assert pair.name == '0003/000012'
    assert np.array_equal(np.flatnonzero(pair.moving), np.arange(20))
    assert np.array_equal(pair.category == UNKNOWN, foreground)
    residual = pair.residual(pair.flow, pair.ego)
    assert np.abs(residual[20:]).max() < 1e-4
    assert np.linalg.norm(residual[:20], axis=1) == pytest.approx(np.full(20, 0.7), abs=1e-4)


def test_a_rigid_motion_is_fitted_exactly(rng):
    points = rng.normal(0, 10, (30, 3))
    assert rigid_fit(points, moved(points, rigid(0.3))) == pytest.approx(rigid(0.3), abs=1e-9)


def test_boxes_carry_their_points():
    points = np.array([[10.0, 0, 0], [11.5, 0, 0], [20, 0, 0], [0, 9, 0]])
    size, ego = np.array([4.0, 2, 1.5]), rigid(0.0, (-1.0, 0, 0))
    boxes = {'a': Box(rigid(0.1, (10.5, 0, 0)), size, CAR), 'gone': Box(rigid(0, (20, 0, 0)), size, PEDESTRIAN)}
    flow, category = flow_of_boxes(points, boxes, {'a': Box(rigid(0.1, (11.5, 0, 0)), size, CAR)}, ego)
    assert flow[[0, 1, 3]] == pytest.approx(np.array([[1, 0, 0], [1, 0, 0], [-1, 0, 0]]))
    assert np.isnan(flow[2]).all() and category.tolist() == [CAR, CAR, PEDESTRIAN, 0]


def write_feather(path, **columns):
    pyarrow = pytest.importorskip('pyarrow')
    from pyarrow import feather

    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pyarrow.table(columns), str(path), compression='zstd')


def pose_columns(poses):
    from scipy.spatial.transform import Rotation

    turns = Rotation.from_matrix(np.stack([pose[:3, :3] for pose in poses])).as_quat()
    shifts = np.stack([pose[:3, 3] for pose in poses])
    return {**dict(zip(('tx_m', 'ty_m', 'tz_m'), shifts.T)), **dict(zip(('qx', 'qy', 'qz', 'qw'), turns.T))}


STAMPS = (315_966_070_559_696_000, 315_966_070_659_696_000)
LIDAR = rigid(0.01, (1.35, 0.0, 1.64))


@pytest.fixture
def log(tmp_path, rng):
    """An Argoverse 2 log of two sweeps: a wall, ground at z = 0.3 in the city, a car that drives 1 m, a sign."""
    folder = tmp_path / 'val' / 'some-log'
    wall = rng.uniform((10, 5, 1), (30, 6, 4), (60, 3))
    ground = rng.uniform((5, -8, -0.3), (30, 8, 0.3), (40, 3))
    car = rng.uniform((11, -3, 1), (14, -2, 2), (30, 3))
    sign = rng.uniform((20, -3, 1), (20.2, -2.8, 2), (10, 3))
    source = np.concatenate([wall, ground, car, sign])
    poses = [rigid(0.5, (100.0, 200.0, 0.3)), rigid(0.52, (100.9, 200.4, 0.3))]
    for stamp in STAMPS:
        write_feather(
            folder / 'sensors' / 'lidar' / f'{stamp}.feather',
            **{name: column.astype(np.float16) for name, column in zip('xyz', source.T)},
            intensity=np.zeros(140, np.uint8),
        )
    write_feather(folder / 'city_SE3_egovehicle.feather', timestamp_ns=np.array(STAMPS), **pose_columns(poses))
    write_feather(
        folder / 'calibration' / 'egovehicle_SE3_sensor.feather',
        sensor_name=['down_lidar', 'up_lidar'],
        **pose_columns([np.eye(4), LIDAR]),
    )
    ego = np.linalg.inv(poses[1]) @ poses[0]
    at = rigid(0, (12.5, -2.5, 1.5))
    then = ego @ rigid(0, (1.0, 0, 0)) @ at
    still = rigid(0, (20.1, -2.9, 1.5))
    write_feather(
        folder / 'annotations.feather',
        timestamp_ns=np.repeat(STAMPS, 2),
        track_uuid=['c', 's', 'c', 's'],
        category=['REGULAR_VEHICLE', 'SIGN'] * 2,
        length_m=[3.2, 0.4] * 2,
        width_m=[1.2, 0.4] * 2,
        height_m=[1.2, 1.2] * 2,
        num_interior_pts=[30, 10] * 2,
        **pose_columns([at, still, then, ego @ still]),
    )
    (folder / 'map').mkdir()
    np.save(folder / 'map' / 'x_ground_height_surface____PIT.npy', np.full((400, 400), 0.3, np.float32))
    (folder / 'map' / 'x___img_Sim2_city.json').write_text(json.dumps({'R': [1, 0, 0, 1], 't': [0, -100], 's': 1.0}))
    return folder, source, ego


def check_log(pair, source, ego):
    residual = pair.residual(pair.flow, pair.ego)
    car = np.arange(100, 130)
    assert pair.name == f'some-log/{STAMPS[0]}' and pair.pair.dt == pytest.approx(0.1)
    assert pair.category.tolist() == [0] * 100 + [CAR] * 30 + [-1] * 10
    assert np.linalg.norm(residual[car], axis=1) == pytest.approx(np.ones(30), abs=1e-3)
    assert np.abs(residual[:100]).max() < 1e-3 and np.array_equal(np.flatnonzero(pair.moving), car)
    assert pair.scored.tolist() == [True] * 60 + [False] * 40 + [True] * 40
    in_lidar = moved(source, np.linalg.inv(LIDAR))
    assert np.abs(pair.pair.source.points - in_lidar).max() < 0.02  # half floats
    assert pair.ego.target_from_source == pytest.approx(np.linalg.inv(LIDAR) @ ego @ LIDAR, abs=1e-6)


def test_argoverse2_flow_of_boxes(log):
    folder, source, ego = log
    check_log(open_one(f'argoverse2:{folder.parent}'), source, ego)
    check_log(open_one(f'argoverse2:{folder}'), source, ego)


@pytest.mark.parametrize('left_in', [False, True])
def test_argoverse2_stored_flow_with_and_without_ego_motion(log, left_in):
    folder, source, ego = log
    flow = np.zeros((140, 3))
    flow[100:130, 0] = 1.0
    if left_in:
        flow = moved(source + flow, ego) - source
    classes = np.array([-1] * 100 + [18] * 30 + [20] * 10, np.int8)
    write_feather(
        folder.parents[1] / 'val_sceneflow_feather' / folder.name / f'{STAMPS[0]}.feather',
        is_valid=np.ones(140, bool),
        classes_0=classes,
        **{f'flow_t{axis}_m': column for axis, column in zip('xyz', flow.T)},
    )
    (folder / 'annotations.feather').unlink()
    check_log(open_one(f'argoverse2:{folder.parent}'), source, ego)


def test_argoverse2_says_what_is_missing(log, monkeypatch):
    folder, _, _ = log
    (folder / 'annotations.feather').unlink()
    with pytest.raises(InputError, match='train and val'):
        open_one(f'argoverse2:{folder}')
    (folder / 'city_SE3_egovehicle.feather').write_bytes(b'nothing')
    with pytest.raises(InputError, match='city_SE3_egovehicle.feather cannot be read'):
        open_one(f'argoverse2:{folder}')
    monkeypatch.setitem(__import__('sys').modules, 'pyarrow', None)
    with pytest.raises(InputError, match='pip install pyarrow'):
        open_one(f'argoverse2:{folder}')


def make_nuscenes(tmp_path, rng):
    """Eleven sweeps; returns the points of each."""
    turn = (np.sqrt(0.5), 0, 0, -np.sqrt(0.5))  # x of the sensor is the right of the vehicle
    wall, car = rng.uniform((-20, 8, 0), (20, 9, 3), (200, 3)), rng.uniform((-1, 19, 0), (1, 20, 1), (50, 3))
    cloud = np.zeros((250, 5), np.float32)
    cloud[:, :3] = np.concatenate([wall, car])
    times = [1_000_000 + 50_000 * step for step in range(11)]
    (tmp_path / 'samples' / 'LIDAR_TOP').mkdir(parents=True)
    for step in range(11):
        cloud.tofile(tmp_path / 'samples' / 'LIDAR_TOP' / f'{step}.pcd.bin')
    mount = {'token': 'mount', 'sensor_token': 'lidar', 'translation': [1, 0, 1.8], 'rotation': turn}
    tables = {
        'sensor': [{'token': 'lidar', 'channel': 'LIDAR_TOP'}, {'token': 'cam', 'channel': 'CAM_FRONT'}],
        'calibrated_sensor': [mount, {**mount, 'token': 'other', 'sensor_token': 'cam'}],
        'sample': [{'token': 'first', 'timestamp': times[0]}, {'token': 'last', 'timestamp': times[10]}],
        'ego_pose': [
            {'token': f'pose{step}', 'translation': [0.4 * step, 0, 0], 'rotation': [1, 0, 0, 0]} for step in range(11)
        ],
        'sample_data': [
            {
                'token': f'data{step}',
                'sample_token': 'last' if step == 10 else 'first',
                'ego_pose_token': f'pose{step}',
                'calibrated_sensor_token': 'mount',
                'timestamp': times[step],
                'is_key_frame': step in (0, 10),
                'filename': f'samples/LIDAR_TOP/{step}.pcd.bin',
                'next': f'data{step + 1}' if step < 10 else '',
            }
            for step in range(11)
        ],
        'sample_annotation': [
            {
                'token': 'a0',
                'sample_token': 'first',
                'instance_token': 'car',
                'translation': [20.5, 0, 2.3],
                'rotation': [1, 0, 0, 0],
                'size': [2.2, 1.2, 1.4],
                'next': 'a1',
            },
            {
                'token': 'a1',
                'sample_token': 'last',
                'instance_token': 'car',
                'translation': [25.5, 0, 2.3],
                'rotation': [1, 0, 0, 0],
                'size': [2.2, 1.2, 1.4],
                'next': '',
            },
        ],
        'instance': [{'token': 'car', 'category_token': 'kind'}],
        'category': [{'token': 'kind', 'name': 'vehicle.car'}],
    }
    (tmp_path / 'v1.0-mini').mkdir()
    for name, rows in tables.items():
        (tmp_path / 'v1.0-mini' / f'{name}.json').write_text(json.dumps(rows))
    return cloud


def test_nuscenes_interpolates_the_boxes(tmp_path, rng):
    cloud = make_nuscenes(tmp_path, rng)
    pair = open_one(f'nuscenes:{tmp_path}')
    assert pair.pair.dt == pytest.approx(0.1) and pair.name == 'data0'
    assert pair.pair.source.points[:, :2] == pytest.approx(cloud[:, [1, 0]] * [1, -1], abs=1e-5)
    assert pair.ego.target_from_source[:3, 3] == pytest.approx([-0.8, 0, 0])
    assert pair.category.tolist() == [0] * 200 + [CAR] * 50
    residual = pair.residual(pair.flow, pair.ego)
    assert residual[200:] == pytest.approx(np.tile([1.0, 0, 0], (50, 1)), abs=1e-4)  # 5 m in half a second
    (tmp_path / 'samples' / 'LIDAR_TOP' / '2.pcd.bin').unlink()
    with pytest.raises(InputError, match='2.pcd.bin'):
        open_one(f'nuscenes:{tmp_path}')


def test_neutral_pairs(tmp_path, rng):
    points = rng.uniform((2, -5, -1), (60, 5, 2), (100, 3)).astype(np.float32)
    points[3] = np.nan
    ego = rigid()
    flow = moved(points, ego) - points
    flow[:10, 0] += 1
    flow[10:20] = np.nan
    whole = {'pc1': points, 'pc2': points[:80], 'flow': flow, 'dt': 0.1, 'ego_T': ego}
    np.savez(
        tmp_path / 'lidar.npz',
        **whole,
        valid=np.arange(100) < 90,
        ground1=np.arange(100) >= 80,
        dynamic=np.arange(100) < 10,
        in_box=np.arange(100) < 30,
        has_ground=True,
        note='a sensor',
    )
    pair = open_one(f'pairs:{tmp_path}')
    assert len(pair.pair.source) == 99  # a row without a return is dropped with its labels
    assert pair.scored.sum() == 69 and pair.moving.sum() == 9 and (pair.category == UNKNOWN).sum() == 29
    np.savez(tmp_path / 'lidar.npz', **whole)  # nothing labelled but the flow
    pair = open_one(f'pairs:{tmp_path}')
    assert pair.moving.sum() == 9 and pair.scored.sum() == 89 and pair.preparation.protocol == ARGOVERSE2
    np.savez(tmp_path / 'lidar.npz', **{**whole, 'pc2': points}, note='stereo points', ground1=np.arange(100) < 50)
    stereo = open_one(f'pairs:{tmp_path}')
    assert stereo.preparation.protocol == FLOWNET3D and (stereo.pair.source.points[:, 0] < 35).all()
    assert len(stereo.pair.target) == len(stereo.pair.source) < 50 and stereo.ego is None


def test_real_neutral_pairs(data_folder):
    data = open_dataset(f'pairs:{data_folder / "pairs"}')
    pairs = {pair.name: pair for pair in (data[number] for number in range(len(data)))}
    kitti = pairs['kitti_lidar_000002']
    assert (kitti.scored.sum(), (kitti.scored & kitti.moving).sum()) == (4271, 666)
    still = kitti.scored & ~kitti.moving
    assert np.median(np.linalg.norm(kitti.residual(kitti.flow, kitti.ego)[still], axis=1)) < 0.05
    assert pairs['dgp_scene_01_pair0'].moving.sum() == 1962
    assert {name for name, pair in pairs.items() if pair.preparation.protocol == FLOWNET3D} == {
        'ft3d_ddf',
        'kitti_stereo_000002',
        'kitti_stereo_000003',
    }


def test_simulated_pairs_take_the_sensors_in_turn():
    from ssrflow_ros.simulator import SENSORS

    data = open_dataset(f'simulated:{len(SENSORS) + 1}')
    pair = data[0]
    assert pair.name == f'{next(iter(SENSORS))}/3000000' and len(data) == len(SENSORS) + 1
    residual = pair.residual(pair.flow, pair.ego)
    assert np.abs(residual[~pair.moving]).max() < 0.051 and pair.scored.any() and not pair.scored.all()


@pytest.fixture
def recording(tmp_path):
    pytest.importorskip('rosbags')
    from ssrflow_ros.cli.main import main

    assert main(['simulate', '-o', str(tmp_path / 'bag'), '--sweeps', '4', '--sensor', 'vlp16', '--seed', '5']) == 0
    return tmp_path / 'bag'


def test_a_simulated_recording_is_scored(recording, capsys):
    from ssrflow_ros.simulator import simulate

    data = open_dataset(f'bag:{recording}')
    assert len(data) == 3
    pairs = [data[number] for number in (0, 1, 2, 0)]
    assert np.array_equal(pairs[0].flow, pairs[3].flow)  # going back reads anew
    first, second, *_ = simulate(5, 4, 'vlp16')
    assert np.array_equal(pairs[0].pair.source.points, first.sweep.points)
    assert np.array_equal(pairs[0].pair.target.points, second.sweep.points)
    assert pairs[0].flow == pytest.approx(first.flow_next) and np.array_equal(pairs[0].scored, ~first.ground)
    assert pairs[0].ego.target_from_source == pytest.approx(np.linalg.inv(second.pose) @ first.pose, abs=1e-6)


def test_any_recording_is_read(data_folder, tmp_path, capsys):
    pytest.importorskip('rosbags')
    from ssrflow_ros.cli.main import main

    sweeps = sorted((data_folder / 'sequences' / 'kitti_a').glob('*.bin'))[:3]
    assert main(['pack', *map(str, sweeps), '-o', str(tmp_path / 'drive'), '--rate', '10']) == 0
    pair = open_one(f'bag:{tmp_path / "drive"}#/points', 2)
    assert not pair.scored.any() and pair.pair.dt == pytest.approx(0.1) and len(pair.pair.source) > 100_000


def test_every_kind_is_documented():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[1] / 'docs' / 'accuracy.md').read_text()
    assert all(f'`{kind}:' in text for kind in KINDS)


# --- what is wrong is said -------------------------------------------------------------------------------

ON_DISK = [kind for kind in KINDS if kind not in ('simulated', 'bag')]


@pytest.mark.parametrize(
    'place, words',
    [
        ('kitti:/x', "did you mean 'kitti"),
        ('/x', 'KIND:PATH'),
        ('pairs:', 'pairs:PATH'),
        ('simulated:0', 'simulated:200'),
        ('simulated:many', 'number of pairs'),
        *((f'{kind}:/nowhere', 'not a folder') for kind in ON_DISK),
    ],
)
def test_places_that_are_none(place, words):
    with pytest.raises(InputError, match=words):
        open_dataset(place)


@pytest.mark.parametrize('kind', ON_DISK)
def test_empty_folders_and_other_layouts(kind, tmp_path):
    with pytest.raises(InputError, match='holds no'):
        open_dataset(f'{kind}:{tmp_path}')


@pytest.mark.parametrize('kind', ['pairs', 'kittio', 'lidar_kitti', 'sf_kitti', 'ft3do'])
def test_damaged_and_foreign_files(kind, tmp_path):
    (tmp_path / 'TEST_0').mkdir()
    path = (tmp_path / 'TEST_0' if kind == 'sf_kitti' else tmp_path) / 'TEST_0.npz'
    np.savez(path, something=np.zeros(3))
    with pytest.raises(InputError, match='other layout'):
        open_one(f'{kind}:{tmp_path}')
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match='TEST_0.npz is damaged'):
        open_one(f'{kind}:{tmp_path}')


KEYS = {
    'pairs': ('pc1', 'pc2', 'flow', 'valid', 'ground1', 'dynamic', 'in_box'),
    'kittio': ('pos1', 'pos2', 'gt'),
    'lidar_kitti': ('pc1', 'pc2', 'flow', 'pose_s', 'pose_t'),
    'sf_kitti': ('pc1', 'pc2', 'gt', 'fg_index'),
    'ft3do': ('points1', 'points2', 'flow', 'valid_mask1'),
}
ODD = {
    'flat': np.zeros(900),
    'two columns': np.zeros((30, 2)),
    'deep': np.zeros((1, 30, 3)),
    'text': np.full((30, 3), 'a'),
    'one number': np.float64(3),
    'complex': np.zeros((30, 3), complex),
}


def good_arrays(kind):
    points = np.random.default_rng(0).uniform(-5, 5, (30, 3)).astype(np.float32)
    masks = ('valid', 'ground1', 'dynamic', 'in_box', 'fg_index', 'valid_mask1')
    arrays = {key: np.zeros(30, bool) if key in masks else points for key in KEYS[kind]}
    return {**arrays, **{key: np.eye(4) for key in arrays if key.startswith('pose')}, 'dt': 0.1}


def written(folder, arrays):
    (folder / 'SCENE').mkdir(parents=True)
    for path in (folder / 'TEST_0.npz', folder / 'SCENE' / 'TEST_0.npz'):
        np.savez(path, **arrays)
    return folder


@pytest.mark.parametrize('odd', ODD)
@pytest.mark.parametrize('kind, key', [(kind, key) for kind, keys in KEYS.items() for key in keys])
def test_arrays_of_another_shape_or_kind_are_named(kind, key, odd, tmp_path):
    open_dataset(f'{kind}:{written(tmp_path / "good", good_arrays(kind))}')[0]
    folder = written(tmp_path / 'odd', {**good_arrays(kind), key: ODD[odd]})
    with pytest.raises(InputError, match=r'TEST_0\.npz.*: ') as error:
        open_dataset(f'{kind}:{folder}')[0]
    assert str(error.value).count('.npz') == 1


@pytest.mark.parametrize(
    'change, words',
    [
        *((dict(dt=dt), 'no time between two sweeps') for dt in (np.nan, np.inf, 0.0, 1e12, 'x')),
        (dict(dt=np.array([0.1, 0.2])), 'damaged or of another layout'),
        (dict(ego_T=np.eye(3)), '4x4'),
        (dict(ego_T=np.full((4, 4), np.nan)), 'NaN'),
        (dict(ego_T=np.diag([1.0, -1.0, 1.0, 1.0])), 'not rigid'),
        (dict(valid=np.ones(7, bool)), 'should be equal'),
    ],
)
def test_a_pair_that_cannot_be_scored_is_named(change, words, tmp_path):
    folder = written(tmp_path, {**good_arrays('pairs'), **change})
    with pytest.raises(InputError, match=f'TEST_0.*{words}'):
        open_dataset(f'pairs:{folder}')[0]


def test_numbers_that_are_no_digits(tmp_path):
    with pytest.raises(InputError, match='number of pairs'):
        open_dataset('simulated:\u00b2')
    hplflownet(tmp_path / '0\u00b2', np.zeros((5, 3)), np.zeros((5, 3)))
    with pytest.raises(InputError, match='none of the pairs'):
        open_dataset(f'kittis:{tmp_path}')


NUSCENES = 'sensor calibrated_sensor ego_pose sample_data sample sample_annotation instance category'.split()


@pytest.mark.parametrize(
    'text', ['["a"]', '[{}]', '[{"token": "x"}]', '3', '[{"token": "e", "rotation": [0, 0, 0, 0]}]']
)
@pytest.mark.parametrize('table', NUSCENES)
def test_tables_of_nuscenes_that_hold_something_else(tmp_path, rng, table, text):
    make_nuscenes(tmp_path, rng)
    open_dataset(f'nuscenes:{tmp_path}')[0]
    (tmp_path / 'v1.0-mini' / f'{table}.json').write_text(text)
    with pytest.raises(InputError, match='v1.0-mini'):
        open_dataset(f'nuscenes:{tmp_path}')[0]
