"""Recordings: written whole or not at all, read back alike, damaged ones answered in one line."""

import re
import shutil

import numpy as np
import pytest
from flow_fields import make_flow

pytest.importorskip('rosbags')

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402

from ssrflow_ros.errors import InputError
from ssrflow_ros.formats import bag_messages, bags, pointcloud2
from ssrflow_ros.formats.bags import MARKER_ARRAY, ODOMETRY, POINTCLOUD2, BagReader, write_bag
from ssrflow_ros.formats.markers import ADD, DELETE, Drawing


def write_clouds(path, storage='mcap', topics=('/points',), n=4, size=50):
    """`n` random clouds a topic, 0.1 s apart."""
    rng = np.random.default_rng(0)
    with write_bag(path, storage) as bag:
        for index in range(n):
            for topic in topics:
                stamp = 10_000_000_000 + 100_000_000 * index
                cloud = pointcloud2.encode_points(rng.uniform(1, 30, (size, 3)))
                bag.write(
                    topic,
                    POINTCLOUD2,
                    stamp,
                    bag_messages.to_pointcloud2(cloud, bag_messages.to_header(stamp, 'lidar')),
                )


@pytest.mark.parametrize('storage, suffix', [('mcap', '.mcap'), ('sqlite3', '.db3')])
def test_clouds_come_back_in_order_from_folder_and_file(tmp_path, storage, suffix):
    write_clouds(tmp_path / 'bag', storage)
    (file,) = (tmp_path / 'bag').glob(f'*{suffix}')
    for path in (tmp_path / 'bag', file):
        with BagReader(path) as bag:
            assert bag.topics == {'/points': (POINTCLOUD2, 4)}
            assert bag.choose(None, POINTCLOUD2) == bag.choose('points', POINTCLOUD2) == '/points'
            sweeps = [pointcloud2.decode(message.read()) for message in bag.read(['/points'])]
        assert [sweep.stamp_ns for sweep in sweeps] == [10_000_000_000 + 100_000_000 * i for i in range(4)]
        assert {len(sweep) for sweep in sweeps} == {50} and sweeps[0].frame_id == 'lidar'


def test_flow_markers_and_odometry_survive(tmp_path):
    flow = make_flow(objects=2)
    header = bag_messages.to_header(flow.pair.source.stamp_ns, 'lidar')
    incoming = bag_messages.to_pointcloud2(pointcloud2.encode_points(flow.pair.source.points), header)
    pose = np.eye(4)
    pose[:3, 3], pose[:2, :2] = [1, 2, 3], [[0, -1], [1, 0]]
    drawing = Drawing()
    drawing.update(make_flow(objects=3), 100)
    markers = drawing.update(flow, 100)
    with write_bag(tmp_path / 'bag') as bag:
        annotated = pointcloud2.encode(flow, incoming)
        bag.write('/flow', POINTCLOUD2, 1, bag_messages.to_pointcloud2(annotated, header))
        bag.write('/markers', MARKER_ARRAY, 2, bag_messages.to_marker_array(markers, header))
        bag.write('/odom', ODOMETRY, 3, bag_messages.to_odometry(pose, 7_000_000_001, 'odom', 'lidar'))
    with BagReader(tmp_path / 'bag') as bag:
        cloud, array, odometry = [message.read() for message in bag.read(['/flow', '/markers', '/odom'])]
    np.testing.assert_array_equal(pointcloud2.read_field(cloud, 'vx'), flow.velocity[:, 0])
    assert [(item.ns, item.id, item.action) for item in array.markers] == [
        (item.ns, item.id, item.action) for item in markers
    ]
    assert {item.action for item in array.markers} == {ADD, DELETE}
    assert array.markers[0].points[1].x == pytest.approx(float(markers[0].points[1, 0]))
    assert array.markers[4].text == markers[4].text != ''
    lifetime = array.markers[0].lifetime
    assert (lifetime.sec, lifetime.nanosec) == (0, pytest.approx(3e8, rel=1e-6))
    assert odometry.pose.pose.orientation.z == pytest.approx(np.sqrt(0.5))
    assert (odometry.header.frame_id, odometry.child_frame_id) == ('odom', 'lidar')
    assert odometry.header.stamp.nanosec == 1


def test_topics_are_listed_where_the_name_is_missing_or_wrong(tmp_path):
    write_clouds(tmp_path / 'bag', topics=('/front', '/rear'))
    with BagReader(tmp_path / 'bag') as bag:
        for topic in (None, '/left'):
            with pytest.raises(InputError, match=r'/front \(4 messages\), /rear \(4 messages\)'):
                bag.choose(topic, POINTCLOUD2)
        with pytest.raises(InputError, match='no Odometry topic'):
            bag.choose(None, ODOMETRY, '--odometry')


@pytest.mark.parametrize('stop', [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize('storage', ('mcap', 'sqlite3'))
def test_nothing_is_left_of_an_unfinished_recording(tmp_path, storage, stop):
    with pytest.raises(stop), write_bag(tmp_path / 'bag', storage) as bag:
        bag.write('/odom', ODOMETRY, 1, bag_messages.to_odometry(np.eye(4), 1, 'odom', 'lidar'))
        raise stop
    assert list(tmp_path.iterdir()) == []


def test_an_existing_recording_is_not_replaced_unasked(tmp_path):
    write_clouds(tmp_path / 'bag')
    with pytest.raises(InputError, match='exists already'):
        write_clouds(tmp_path / 'bag')


def cut(path, share=0.6):
    """Cut the storage file of a recording."""
    (file,) = [file for file in path.iterdir() if file.suffix in ('.mcap', '.db3')]
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])


@pytest.mark.parametrize('storage', ('mcap', 'sqlite3'))
@pytest.mark.parametrize('share', [0.0, 0.003, 0.6, 0.97])
def test_cut_off_recording_is_one_clear_line(tmp_path, storage, share):
    write_clouds(tmp_path / 'bag', storage, size=3000)
    cut(tmp_path / 'bag', share)
    with pytest.raises(InputError, match='damaged or was cut off|no PointCloud2 topic') as caught:
        with BagReader(tmp_path / 'bag') as bag:
            for message in bag.read([bag.choose(None, POINTCLOUD2)]):
                message.read()
    assert '\n' not in str(caught.value)


def test_damaged_message_is_one_clear_line(tmp_path):
    with write_bag(tmp_path / 'bag') as bag:
        bag.write_raw('/points', POINTCLOUD2, 1, b'\x00\x01\x00\x00\xff\xff')
    with BagReader(tmp_path / 'bag') as bag, pytest.raises(InputError, match='/points is damaged'):
        next(bag.read(['/points'])).read()


@pytest.mark.parametrize('place', ['a#b', 'a?b', '100%', 'in 50%/drive'])
def test_nothing_is_written_beside_a_name_that_sqlite_takes_for_an_address(tmp_path, place):
    with pytest.raises(InputError, match='or mcap'), write_bag(tmp_path / place, 'sqlite3'):
        pass
    assert not list(tmp_path.iterdir())
    write_clouds(tmp_path / place)
    with BagReader(tmp_path / place) as bag:
        assert bag.topics == {'/points': (POINTCLOUD2, 4)}


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_recording_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch, storage):
    write_clouds(tmp_path / 'bag', storage)
    monkeypatch.setattr(bags.os, 'access', lambda path, mode: False)  # root may read everything
    with pytest.raises(InputError, match='may not be read by you'), BagReader(tmp_path / 'bag'):
        pass


def test_what_is_no_recording_is_named(tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'old.bag').write_text('#ROSBAG V2.0')
    (tmp_path / 'notes.txt').write_text('hello')
    (tmp_path / 'fake.mcap').write_text('hello')
    for name, words in {
        'missing': 'does not exist',
        'empty': 'no metadata.yaml',
        'old.bag': 'of ROS 1',
        'notes.txt': 'no recording',
        'fake.mcap': 'damaged',
    }.items():
        with pytest.raises(InputError, match=words), BagReader(tmp_path / name):
            pass


def write_mcap(path, n=6, profile='ros2', encoding='cdr', schema=(POINTCLOUD2, 'ros2msg'), finish=True, **options):
    """`n` clouds of 20 kB each, written with the library of the format itself; what is not finished has no end."""
    writing = pytest.importorskip('mcap.writer')
    if 'compression' in options:
        options['compression'] = getattr(writing.CompressionType, options['compression'])
    with open(path, 'wb') as file:
        writer = writing.Writer(file, **options)
        writer.start(profile=profile)
        kind = writer.register_schema(*schema, b'#')
        channel = writer.register_channel('/points', encoding, kind)
        for index in range(n):
            stamp = 10_000_000_000 + 100_000_000 * index
            cloud = pointcloud2.encode_points(np.random.default_rng(index).uniform(1, 30, (1700, 3)))
            message = bag_messages.to_pointcloud2(cloud, bag_messages.to_header(stamp, 'lidar'))
            raw = bags.typestore().serialize_cdr(message, POINTCLOUD2)
            writer.add_message(channel, stamp, bytes(raw), stamp)
        if finish:
            writer.finish()


def stamps_in(path):
    """Of all clouds, and what is said of the end."""
    with BagReader(path) as bag:
        stamps = [pointcloud2.decode(message.read()).stamp_ns for message in bag.read([bag.choose(None, POINTCLOUD2)])]
        assert bag.topics == {'/points': (POINTCLOUD2, len(stamps))}
        return stamps, bag.cut_off


KILLED = {
    'in chunks': {'chunk_size': 50_000},
    'compressed': {'chunk_size': 50_000, 'compression': 'LZ4'},
    'not in chunks': {'use_chunking': False},
    'one message a chunk': {'chunk_size': 1000, 'compression': 'NONE'},
}


@pytest.mark.parametrize('share', [1.0, 0.9, 0.7])
@pytest.mark.parametrize('way', KILLED)
def test_what_a_killed_recorder_has_left_is_read_to_its_end(tmp_path, way, share):
    file = tmp_path / 'killed.mcap'
    write_mcap(file, finish=False, **KILLED[way])
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    stamps, cut_off = stamps_in(file)
    assert 3 <= len(stamps) <= 6
    assert stamps == [10_000_000_000 + 100_000_000 * index for index in range(len(stamps))]
    assert 'has no end' in cut_off and f'the {len(stamps)} messages' in cut_off


def test_zeros_or_rubbish_behind_the_last_record_end_it(tmp_path):
    for tail in (bytes(5000), b'rubbish' * 700):
        write_mcap(tmp_path / 'killed.mcap', finish=False, chunk_size=1000)
        with open(tmp_path / 'killed.mcap', 'ab') as file:
            file.write(tail)
        stamps, cut_off = stamps_in(tmp_path / 'killed.mcap')
        assert len(stamps) >= 5 and cut_off


def test_files_of_a_killed_recorder_are_one_recording(tmp_path):
    folder = tmp_path / 'drive'
    folder.mkdir()
    write_mcap(folder / 'drive_9.mcap', n=3)
    write_mcap(folder / 'drive_10.mcap', n=4, finish=False, chunk_size=1000)
    (folder / 'drive_11.mcap').touch()
    stamps, cut_off = stamps_in(folder)
    assert len(stamps) >= 6 and stamps[:3] == stamps[3:6] and 'drive has no end' in cut_off
    write_mcap(folder / 'other.mcap')
    with pytest.raises(InputError, match='give one of its files'), BagReader(folder):
        pass


def test_a_whole_recording_is_not_said_to_be_cut(tmp_path):
    write_mcap(tmp_path / 'whole.mcap')
    assert stamps_in(tmp_path / 'whole.mcap') == ([10_000_000_000 + 100_000_000 * index for index in range(6)], '')


def test_without_a_profile_what_is_of_ros_2_is_read(tmp_path):
    for finish in (True, False):
        write_mcap(tmp_path / 'plain.mcap', profile='', finish=finish, chunk_size=1000)
        stamps, cut_off = stamps_in(tmp_path / 'plain.mcap')
        assert len(stamps) >= 5 and bool(cut_off) != finish


@pytest.mark.parametrize(
    'profile, encoding, schema, words',
    [
        ('ros1', 'ros1', ('sensor_msgs/PointCloud2', 'ros1msg'), 'of ROS 1: convert the .bag'),
        ('', 'ros1', ('sensor_msgs/PointCloud2', 'ros1msg'), 'rosbags-convert'),
        (
            '',
            'protobuf',
            ('foxglove.PointCloud', 'protobuf'),
            r'/points \(foxglove.PointCloud\) is in protobuf: record',
        ),
        ('', 'json', ('foxglove.PointCloud', 'jsonschema'), 'in json: record'),
    ],
)
@pytest.mark.parametrize('finish', [True, False])
def test_what_is_not_of_ros_2_is_named_and_not_called_damaged(tmp_path, profile, encoding, schema, words, finish):
    write_mcap(
        tmp_path / 'foreign.mcap', profile=profile, encoding=encoding, schema=schema, finish=finish, chunk_size=1000
    )
    with pytest.raises(InputError, match=words) as caught, BagReader(tmp_path / 'foreign.mcap'):
        pass
    assert 'damaged' not in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'type, words',
    [
        ('pandar_msgs/msg/PandarScan', "play the recording to the driver's decoder and record the points"),
        ('ouster_sensor_msgs/msg/PacketMsg', 'raw packets'),
        ('nebula_msgs/msg/NebulaPackets', 'raw packets'),
        ('rslidar_msg/msg/RslidarPacket', 'raw packets'),
        ('velodyne_msgs/msg/VelodyneScan', 'velodyne_pointcloud'),
        ('livox_ros_driver2/msg/CustomMsg', 'xfer_format'),
        ('sensor_msgs/msg/LaserScan', 'a 3D LiDAR'),
        ('sensor_msgs/msg/Imu', "record the LiDAR driver's PointCloud2 topic"),
    ],
)
def test_a_recording_without_clouds_is_answered_with_the_way_to_them(tmp_path, type, words):
    write_mcap(tmp_path / 'raw.mcap', schema=(type, 'ros2msg'))
    with BagReader(tmp_path / 'raw.mcap') as bag, pytest.raises(InputError) as caught:
        bag.choose(None, POINTCLOUD2)
    assert words in str(caught.value) and 'ROS_DOMAIN_ID' not in str(caught.value)


def test_our_own_answers_and_labels_are_no_lidar(tmp_path):
    write_clouds(
        tmp_path / 'bag',
        topics=('/points', bags.FLOW, bags.OBJECTS, '/front/ssrflow/flow', '/ground_truth', '/ground_truth_objects'),
    )
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.choose(None, POINTCLOUD2) == '/points'
        assert bag.choose(bags.FLOW, POINTCLOUD2) == bags.FLOW


QOS = (
    '{history: keep_last, depth: 5, reliability: reliable, durability: volatile, deadline: {sec: 0, nsec: 0}, '
    'lifespan: {sec: 0, nsec: 0}, liveliness: automatic, liveliness_lease_duration: {sec: 0, nsec: 0}, '
    'avoid_ros_namespace_conventions: false}'
)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(
    'pattern, told',
    [
        ('offered_qos_profiles: .*', f'offered_qos_profiles: [{QOS}]'),
        ('name: /points', 'name: /renamed'),
        ('type: sensor_msgs.*', 'type: sensor_msgs/msg/Image'),
        ('message_count: 4', 'message_count: 0'),
        ('nanoseconds(_since_epoch)?: .*', r'nanoseconds\1: 0'),
    ],
    ids=['qos', 'topic', 'type', 'count', 'times'],
)
def test_what_metadata_say_of_a_file_does_not_matter(tmp_path, storage, pattern, told):
    write_clouds(tmp_path / 'bag', storage)
    metadata = tmp_path / 'bag' / 'metadata.yaml'
    edited = re.sub(pattern, told, metadata.read_text())
    assert edited != metadata.read_text()
    metadata.write_text(edited)
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics == {'/points': (POINTCLOUD2, 4)}
        assert len([message.read() for message in bag.read(['/points'])]) == 4
    with BagReader(tmp_path / 'bag', start=0.15) as bag:
        assert len(list(bag.read(['/points']))) == 2


@pytest.mark.parametrize('storage, suffix', [('mcap', '.mcap'), ('sqlite3', '.db3')])
def test_a_file_that_the_metadata_do_not_name_is_of_the_recording(tmp_path, storage, suffix):
    write_clouds(tmp_path / 'bag', storage)
    (file,) = (tmp_path / 'bag').glob(f'*{suffix}')
    for name in ('bag_1', 'other'):
        shutil.copy(file, tmp_path / 'bag' / f'{name}{suffix}')
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics == {'/points': (POINTCLOUD2, 8)}
        assert len(list(bag.read(['/points']))) == 8


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(
    'clouds, first, read', [(3, 'clouds', POINTCLOUD2), (3, 'odometry', POINTCLOUD2), (1, 'clouds', ODOMETRY)]
)
def test_of_a_topic_of_two_types_that_of_most_messages_is_read(tmp_path, storage, clouds, first, read):
    types = bags.typestore()
    cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(np.ones((5, 3))), bag_messages.to_header(1, 'lidar'))
    messages = (
        [(POINTCLOUD2, cloud)] * clouds,
        [(ODOMETRY, bag_messages.to_odometry(np.eye(4), 4, 'odom', 'lidar'))] * 2,
    )
    with Writer(tmp_path / 'bag', version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        for time_ns, (type, message) in enumerate(sum(messages[:: 1 if first == 'clouds' else -1], [])):
            known = [one for one in writer.connections if one.msgtype == type]
            connection = known[0] if known else writer.add_connection('/points', type, typestore=types)
            writer.write(connection, 1 + time_ns, types.serialize_cdr(message, type))
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics == {'/points': (read, max(clouds, 2))} and bag.described['/points'].type == read
        assert [message.type for message in bag.read(['/points'])] == [read] * max(clouds, 2)


def test_recording_without_metadata_is_read_from_its_only_file(tmp_path):
    write_clouds(tmp_path / 'bag')
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics_of(POINTCLOUD2) == {'/points': 4}


def test_ros_itself_reads_our_messages(tmp_path):
    serialization = pytest.importorskip('rclpy.serialization', exc_type=ImportError)
    from nav_msgs.msg import Odometry
    from sensor_msgs.msg import PointCloud2
    from visualization_msgs.msg import MarkerArray

    flow = make_flow(objects=1)
    header = bag_messages.to_header(5_000_000_007, 'lidar')
    cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(flow.pair.source.points), header)
    with write_bag(tmp_path / 'bag') as bag:
        bag.write('/points', POINTCLOUD2, 1, cloud)
        bag.write('/markers', MARKER_ARRAY, 2, bag_messages.to_marker_array(Drawing().update(flow, 9), header))
        bag.write('/odom', ODOMETRY, 3, bag_messages.to_odometry(np.eye(4), 4, 'odom', 'lidar'))
    with BagReader(tmp_path / 'bag') as bag:
        points, markers, odometry = [
            serialization.deserialize_message(recorded.raw, kind)
            for recorded, kind in zip(bag.read(['/points', '/markers', '/odom']), (PointCloud2, MarkerArray, Odometry))
        ]
    sweep = pointcloud2.decode(points)
    np.testing.assert_array_equal(sweep.points, flow.pair.source.points)
    assert (sweep.stamp_ns, sweep.frame_id) == (5_000_000_007, 'lidar')
    assert [marker.type for marker in markers.markers] == [5, 5, 1, 0, 9]
    assert markers.markers[4].text == '8.0 m/s' and odometry.pose.pose.orientation.w == 1.0


def test_mcap_files_keep_to_the_standard(tmp_path):
    reader = pytest.importorskip('mcap.reader')
    write_clouds(tmp_path / 'bag')
    (file,) = (tmp_path / 'bag').glob('*.mcap')
    with open(file, 'rb') as stream:
        summary = reader.make_reader(stream, validate_crcs=True).get_summary()
    assert [channel.topic for channel in summary.channels.values()] == ['/points']
    assert [schema.name for schema in summary.schemas.values()] == [POINTCLOUD2]
    assert summary.statistics.message_count == 4
