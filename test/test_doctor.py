"""The doctor on recordings: one that is well, and one for each thing that may be wrong."""

import time

import numpy as np
import pytest
from yards import yard

pytest.importorskip('torch')
pytest.importorskip('small_gicp')

from ssrflow_ros.cli.main import main  # noqa: E402
from ssrflow_ros.doctor.bag import examine_bag  # noqa: E402
from ssrflow_ros.doctor.finding import OK, WRONG  # noqa: E402
from ssrflow_ros.doctor.method import _speed, own_body  # noqa: E402
from ssrflow_ros.doctor.topics import choose_topic  # noqa: E402
from ssrflow_ros.formats import bag_messages, pointcloud2  # noqa: E402
from ssrflow_ros.formats.bags import ODOMETRY, POINTCLOUD2, write_bag  # noqa: E402
from ssrflow_ros.network.config import PRESETS  # noqa: E402
from ssrflow_ros.network.ssrflow import SSRFlow  # noqa: E402
from ssrflow_ros.network.weights import save_weights  # noqa: E402
from ssrflow_ros.settings import Settings  # noqa: E402
from ssrflow_ros.steps.conditioning import unknown  # noqa: E402
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair  # noqa: E402

STEP_NS = 100_000_000
BEGIN_NS = 1_700_000_000 * 1_000_000_000


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    save_weights(path, SSRFlow(PRESETS['onboard']), {'trained_on': 'nothing at all'})
    return Settings(weights=str(path), network_points=256)


def cloud_at(index, points=None, frame='lidar', stamp_ns=None):
    """A PointCloud2 of the yard."""
    stamp_ns = BEGIN_NS + index * STEP_NS if stamp_ns is None else stamp_ns
    points = yard(seed=index) if points is None else points
    return bag_messages.to_pointcloud2(pointcloud2.encode_points(points), bag_messages.to_header(stamp_ns, frame))


def write(path, clouds, odometry=(), topics=('/points',), late_ns=0):
    """A recording of `clouds`, all of them on each of `topics`."""
    with write_bag(path) as bag:
        for index, cloud in enumerate(clouds):
            for topic in topics:
                bag.write(topic, POINTCLOUD2, BEGIN_NS + index * STEP_NS + late_ns, cloud)
        for message in odometry:
            bag.write('/odom', ODOMETRY, BEGIN_NS, message)
    return str(path)


def examine(path, settings, topic=None, odometry=None):
    """Findings that are not ok, as (level, about, text), after a look at how they are written."""
    findings = list(examine_bag(path, topic, odometry, 60.0, settings))
    assert all('\n' not in str(finding) for finding in findings)
    return [finding for finding in findings if finding.level != OK]


def only_wrong(findings):
    """The one finding that is WRONG."""
    (found,) = [finding for finding in findings if finding.level == WRONG]
    return found


def test_a_good_recording_has_nothing_wrong(tmp_path, settings, capsys):
    path = write(tmp_path / 'bag', [cloud_at(index) for index in range(5)])
    assert not [finding for finding in examine(path, settings) if finding.level == WRONG]
    arguments = ['doctor', '--bag', path, '--weights', settings.weights, '--network-points', '256']
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for word in (
        '/points',
        'x y z',
        "'lidar'",
        '10.0 Hz',
        'trained on nothing at all',
        'scan_matching',
        'nothing is wrong',
    ):
        assert word in said, word


def _cut(cloud):
    cloud.data = cloud.data[:-20]
    return cloud


def _without_x(cloud):
    cloud.fields = [field for field in cloud.fields if field.name != 'x']
    return cloud


def _with_frame(cloud, frame):
    cloud.header.frame_id = frame
    return cloud


def _elsewhere(points):
    """What a second sensor, which looks to the side, sees."""
    return points[:, [1, 0, 2]] * np.float32([-1, 1, 1]) + np.float32([6, 3, 0])


FAULTS = {
    'two sensors in one frame': (
        lambda: [cloud_at(i, _elsewhere(yard(seed=i)) if i % 2 else yard(seed=i)) for i in range(6)],
        'frame',
        'take turns on the topic',
    ),
    'cut off': (lambda: [cloud_at(0), *(_cut(cloud_at(i)) for i in (1, 2)), cloud_at(3)], 'cloud', 'was cut'),
    'no x': (lambda: [cloud_at(0), cloud_at(1), _without_x(cloud_at(2))], 'cloud', "no field 'x'"),
    'empty': (lambda: [cloud_at(i, np.empty((0, 3))) for i in range(3)], 'cloud', 'every cloud is empty'),
    'covered': (
        lambda: [cloud_at(i, np.where(np.arange(len(yard()))[:, None] % 50, np.nan, yard(seed=i))) for i in range(3)],
        'cloud',
        '2% of the returns',
    ),
    'millimetres': (lambda: [cloud_at(i, 1000 * yard(seed=i)) for i in range(3)], 'cloud', 'millimetres'),
    'no frame': (lambda: [cloud_at(i, frame='') for i in range(3)], 'frame', 'without a frame_id'),
    'two frames': (lambda: [cloud_at(i, frame='ab'[i // 3]) for i in range(6)], 'frame', "('a', 'b')"),
    'no stamps': (lambda: [cloud_at(i, stamp_ns=0) for i in range(3)], 'stamps', 'every stamp is 0'),
    'stamps twice': (lambda: [cloud_at(i // 2, yard(seed=i)) for i in range(6)], 'stamps', '3 of 6 clouds bear'),
    'out of order': (lambda: [cloud_at(i) for i in (0, 1, 2, 3, 1, 4, 5)], 'stamps', '1 of 7 clouds are older'),
    'slow': (lambda: [cloud_at(i) for i in (0, 8, 16)], 'rate', 'more than max_gap'),
    'lost': (lambda: [cloud_at(i) for i in (0, 1, 2, 6, 7, 8, 11)], 'loss', '42% of the clouds are missing'),
    'one cloud': (lambda: [cloud_at(0)], 'rate', 'only one cloud'),
    'sent twice': (lambda: [cloud_at(i, yard(seed=i // 2)) for i in range(6)], 'cloud', '3 of 6 clouds hold the very'),
    'sent three times': (lambda: [cloud_at(i, yard(seed=i // 3)) for i in range(6)], 'cloud', '4 of 6 clouds hold'),
    'frame of a map': (
        lambda: [cloud_at(i, yard(seed=i) + np.float32([-150, 90, 0])) for i in range(3)],
        'frame',
        "no return near the frame's origin",
    ),
    'stamps of 0 between': (
        lambda: [cloud_at(i, stamp_ns=None if i % 3 else 0) for i in range(6)],
        'stamps',
        '2 of 6 stamps are 0',
    ),
    'noise': (
        lambda: [cloud_at(i, np.random.default_rng(i).uniform(-60, 60, (800, 3))) for i in range(3)],
        'ego_motion',
        'scan_matching',
    ),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_each_fault_is_found_and_has_a_cure(fault, tmp_path, settings):
    make, about, words = FAULTS[fault]
    path = write(tmp_path / 'bag', make())
    findings = [finding for finding in examine(path, settings) if finding.level == WRONG and finding.about == about]
    assert any(words in finding.text for finding in findings), findings
    assert all(': ' in finding.text for finding in findings), 'cause: cure'


UNEVEN = {
    'jitter': lambda rng: rng.normal(0, 0.02, 60),
    'by turns': lambda rng: 0.05 * (np.arange(60) % 2),
    'late': lambda rng: rng.exponential(0.025, 60),
}


@pytest.mark.parametrize('kind', UNEVEN)
def test_uneven_stamps_are_noted_and_no_loss(kind, tmp_path, settings):
    offsets = UNEVEN[kind](np.random.default_rng(0))
    clouds = [
        cloud_at(i, yard(seed=i % 7)[::50], stamp_ns=BEGIN_NS + round(1e9 * (0.1 * i + offset)))
        for i, offset in enumerate(offsets)
    ]
    findings = list(examine_bag(write(tmp_path / 'bag', clouds), None, None, 60.0, settings))
    assert any(finding.about == 'stamps' and 'stamps are uneven' in finding.text for finding in findings)
    assert [finding.level for finding in findings if finding.about == 'loss'] == [OK]


def test_a_first_stamp_of_0_is_noted_and_no_loss(tmp_path, settings):
    clouds = [cloud_at(i, stamp_ns=0 if i == 0 else None) for i in range(6)]
    findings = list(examine_bag(write(tmp_path / 'bag', clouds), None, None, 60.0, settings))
    assert any('the first stamp is 0' in finding.text for finding in findings)
    assert not [finding for finding in findings if finding.level == WRONG], findings
    assert any('10.0 Hz' in finding.text for finding in findings)


def test_a_pause_is_no_loss(tmp_path, settings):
    clouds = [cloud_at(i, yard(seed=i % 7), stamp_ns=BEGIN_NS + (i + 600 * (i > 3)) * STEP_NS) for i in range(8)]
    findings = examine(write(tmp_path / 'bag', clouds), settings)
    assert any('goes on by more than 5 s 1 times, by 60.1 s' in finding.text for finding in findings)
    assert not [finding for finding in findings if finding.about == 'loss']


def test_a_flying_sensor_and_a_scene_that_stands_still_are_not_wrong(tmp_path, settings):
    ground = np.random.default_rng(0).uniform([-60, -60, -50.5], [60, 60, -49.5], (3000, 3)).astype(np.float32)
    for name, clouds in {
        'flying': [cloud_at(i, ground + np.float32(0.01 * i)) for i in range(3)],
        'still': [cloud_at(i, yard()) for i in range(5)],
    }.items():
        findings = examine(write(tmp_path / name, clouds), settings)
        assert not [one for one in findings if one.level == WRONG and one.about in ('frame', 'cloud')], findings
    assert any('all 5 clouds hold the very same points' in finding.text for finding in findings)


def test_one_kind_of_fault_is_counted_as_one(tmp_path, settings):
    clouds = [cloud_at(i, yard(seed=i)[i:]) for i in range(6)]
    for cloud in clouds[1:]:
        cloud.data = cloud.data[:-20]
    wrong = [finding for finding in examine(write(tmp_path / 'bag', clouds), settings) if finding.level == WRONG]
    assert ['5 of 6 clouds cannot be read' in finding.text for finding in wrong if finding.about == 'cloud'] == [True]


def test_times_of_the_points_are_looked_at_where_they_are_asked_for(tmp_path, settings):
    clouds = []
    for index in range(3):
        points = yard(seed=index)
        cloud = pointcloud2.encode_points(points, t=np.zeros(len(points), np.uint32))
        clouds.append(bag_messages.to_pointcloud2(cloud, bag_messages.to_header(BEGIN_NS + index * STEP_NS, 'lidar')))
    path = write(tmp_path / 'bag', clouds)
    assert not [finding for finding in examine(path, settings) if finding.level == WRONG]
    found = only_wrong(examine(path, settings.replace(deskew=True)))
    assert '3 of 3 clouds cannot be read' in found.text and 'nothing would be deskewed' in found.text


def test_loop_is_noted_and_not_wrong(tmp_path, settings):
    path = write(tmp_path / 'bag', [cloud_at(index % 20) for index in range(40)])
    assert any('starts anew 1 times' in finding.text for finding in examine(path, settings))


def test_clock_of_the_recorder(tmp_path, settings):
    path = write(tmp_path / 'bag', [cloud_at(index) for index in range(4)], late_ns=100 * 10**9)
    assert '100.0 s behind the clock of the recorder' in only_wrong(examine(path, settings)).text


def test_topics(tmp_path, settings):
    path = write(tmp_path / 'two', [cloud_at(index) for index in range(3)], topics=('/front', '/rear'))
    assert '--topic: /front, /rear' in only_wrong(examine(path, settings)).text
    assert "did you mean '/front'?" in only_wrong(examine(path, settings, topic='/frond')).text
    assert not [finding for finding in examine(path, settings, topic='front') if finding.level == WRONG]


@pytest.mark.parametrize(
    'topics, wanted, words',
    [
        ({}, None, 'start the LiDAR driver'),
        ({'/livox/lidar': 'livox_ros_driver2/msg/CustomMsg'}, None, 'xfer_format'),
        ({'/livox/lidar': 'livox_ros_driver2/msg/CustomMsg'}, '/livox/lidar', 'xfer_format'),
        ({'/scan': 'sensor_msgs/msg/LaserScan'}, '/scan', 'a 3D LiDAR'),
        ({'/packets': 'velodyne_msgs/msg/VelodyneScan'}, None, 'velodyne_pointcloud'),
        ({'/packets': 'pandar_msgs/msg/PandarScan'}, None, "run the driver's decoder and feed"),
        ({'/text': 'std_msgs/msg/String', '/points': POINTCLOUD2}, '/text', 'is std_msgs/msg/String'),
    ],
)
def test_other_types_are_told_apart(topics, wanted, words):
    name, finding = choose_topic(wanted, topics)
    assert name is None and finding.level == WRONG and words in finding.text


@pytest.mark.parametrize('wanted', ['points', '/points'])
@pytest.mark.parametrize('there', ['points', '/points'])
def test_a_topic_is_found_with_and_without_its_slash(wanted, there):
    name, finding = choose_topic(wanted, {there: POINTCLOUD2})
    assert (name, finding.level) == ((there, OK) if wanted == there or there == '/points' else (None, WRONG))


def test_own_outputs_and_labels_are_no_lidar():
    topics = dict.fromkeys(
        ('/points', '/ssrflow/flow', '/front/ssrflow/flow', '/ground_truth', '/ground_truth_objects'), POINTCLOUD2
    )
    assert choose_topic(None, topics)[0] == '/points'


def _pose_at(index):
    return bag_messages.to_odometry(np.eye(4), BEGIN_NS + index * STEP_NS, 'odom', 'lidar')


def test_odometry(tmp_path, settings):
    settings = settings.replace(ego_motion='odometry')
    clouds = [cloud_at(index) for index in range(4)]
    good = write(tmp_path / 'good', clouds, [_pose_at(index) for index in range(5)])
    assert not [finding for finding in examine(good, settings) if finding.level == WRONG]
    short = write(tmp_path / 'short', clouds, [_pose_at(index) for index in range(2)])
    assert only_wrong(examine(short, settings)).about == 'ego_motion'
    findings = examine(write(tmp_path / 'none', clouds), settings)
    assert [finding.about for finding in findings if finding.level == WRONG] == ['odometry', 'ego_motion']


def test_odometry_without_a_rotation_is_named(tmp_path, settings):
    poses = [_pose_at(index) for index in range(5)]
    for pose in poses:
        pose.pose.pose.orientation.w, pose.child_frame_id = 0.0, 'base_link'
    path = write(tmp_path / 'bag', [cloud_at(index) for index in range(4)], poses)
    found = only_wrong(examine(path, settings.replace(ego_motion='odometry')))
    assert 'quaternion is (0, 0, 0, 0)' in found.text and 'mounting' not in found.text


@pytest.mark.parametrize(
    'change, words',
    [({'weights': 'onbord'}, "no shipped weights 'onbord'"), ({'weights': '/no/such.safetensors'}, 'there is no file')],
)
def test_weights(change, words, tmp_path, settings):
    path = write(tmp_path / 'bag', [cloud_at(index) for index in range(3)])
    assert words in only_wrong(examine(path, settings.replace(**change))).text


def test_device(tmp_path, settings, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    path = write(tmp_path / 'bag', [cloud_at(index) for index in range(3)])
    assert 'finds no CUDA GPU' in only_wrong(examine(path, settings.replace(device='cuda'))).text
    monkeypatch.setattr('shutil.which', lambda name: f'/usr/bin/{name}')
    assert 'install a CUDA build of torch' in only_wrong(examine(path, settings)).text


@pytest.mark.parametrize('from_tracks, others', [(True, 'answered from tracks'), (False, 'dropped')])
def test_of_a_slow_machine_it_is_said_who_answers_the_sweeps_that_the_network_does_not_see(from_tracks, others):
    class Slow:
        settings = Settings(fill_from_tracks=from_tracks)

        def stream(self, mounting_of):
            return self

        def flow(self, pair, motion):
            time.sleep(0.004)

    older, newer = (Sweep.from_points(yard(seed=index), stamp_ns=BEGIN_NS + index * 1_000_000) for index in range(2))
    motion = EgoMotion(np.eye(4), 'scan_matching')
    finding, _ = _speed(Slow(), [(SweepPair(newer, older), motion)] * 3, unknown)
    assert finding.about == 'speed' and f'the others are {others}' in finding.text
    assert finding.level != OK and 'network_points' in finding.text


@pytest.mark.parametrize('speed, along, noted', [(8.0, 8.3, True), (8.0, 4.0, False), (0.5, 0.5, False)])
def test_what_goes_along_with_the_sensor_is_noted_with_its_box(speed, along, noted):
    points = np.random.default_rng(0).uniform([-1.2, 0.9, -0.7], [-0.8, 1.3, -0.5], (60, 3)).astype(np.float32)
    motion = np.eye(4)
    motion[0, 3] = 0.1 * speed  # the older sweep, seen from the newer one, lies behind
    ids, still = np.zeros(60, np.int32), np.zeros((60, 3), np.float32)
    item = MovingObject(0, points.mean(axis=0), np.ptp(points, axis=0), 0.0, np.array([along, 0, 0]), 60)
    pair = SweepPair(Sweep.from_points(points, 2 * STEP_NS), Sweep.from_points(points, STEP_NS))
    field = FlowField(pair, EgoMotion(motion, 'given'), still, still, ids >= 0, ids > 0, ids, (item,), {})
    found = list(own_body([field], Settings(own_body='')))
    assert [one.level for one in own_body([field], Settings())] == ['ok'] * noted
    assert len(found) == noted
    if noted:
        box = Settings(own_body=found[0].text.split("'")[1]).own[1]
        assert (points > box[:3]).all() and (points < box[3:]).all()
        assert np.ptp(np.reshape(box, (2, 3)), axis=0).max() < 0.8


def test_exit_codes(tmp_path, settings, capsys):
    bad = write(tmp_path / 'bad', [cloud_at(index, frame='') for index in range(3)])
    arguments = ['--weights', settings.weights, '--network-points', '256']
    assert main(['doctor', '--bag', bad, *arguments]) == 2
    assert '1 of these must be put right' in capsys.readouterr().out
    assert main(['doctor', '--bag', str(tmp_path / 'nothing'), *arguments]) == 2
    assert 'does not exist' in capsys.readouterr().err
