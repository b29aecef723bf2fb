"""Recordings of ROS 1, and .las and .laz, as others write them."""

import struct

import numpy as np
import pytest

pytest.importorskip('rosbags')

from fuzz.foreign import write_ros1
from test_cli import one_transform, some_points, ssrflow, stand_in  # noqa: F401

from ssrflow_ros.errors import InputError
from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bags import ODOMETRY, POINTCLOUD2, TF_MESSAGE, TF_STATIC, BagReader
from ssrflow_ros.formats.clouds import read_fields, read_points
from ssrflow_ros.formats.stamped import pose_of, stamp_of

# --- ROS 1 ---------------------------------------------------------------------------------------------


def recorded(count=4):
    """Clouds, odometry and a static tf, 10 Hz."""
    messages = [(TF_STATIC, TF_MESSAGE, 10**9, one_transform('base', 'lidar', 1.0))]
    for number in range(count):
        stamp_ns = 10**9 + number * 10**8
        cloud = pointcloud2.encode_points(some_points(), ring=np.arange(80, dtype=np.uint16))
        pose = np.eye(4)
        pose[0, 3] = number
        messages += [
            ('/odom', ODOMETRY, stamp_ns, bag_messages.to_odometry(pose, stamp_ns, 'odom', 'base')),
            (
                '/points',
                POINTCLOUD2,
                stamp_ns,
                bag_messages.to_pointcloud2(cloud, bag_messages.to_header(stamp_ns, 'lidar')),
            ),
        ]
    return messages


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_messages_are_those_of_ros_2(tmp_path, compression):
    write_ros1(tmp_path / 'drive.bag', recorded(), compression, latched=[TF_STATIC])
    with BagReader(tmp_path / 'drive.bag') as bag:
        assert bag.topics == {TF_STATIC: (TF_MESSAGE, 1), '/odom': (ODOMETRY, 4), '/points': (POINTCLOUD2, 4)}
        assert bag.described[TF_STATIC].is_latched and not bag.described['/odom'].is_latched
        read = list(bag.read(['/points', '/odom', TF_STATIC]))
    assert [message.time_ns for message in read] == sorted(message.time_ns for message in read)
    clouds = [message for message in read if message.topic == '/points']
    sweep = pointcloud2.decode(clouds[2].read())
    assert np.array_equal(sweep.points, some_points()) and sweep.frame_id == 'lidar'
    assert sweep.stamp_ns == stamp_of(clouds[2].raw) == 1_200_000_000
    assert pointcloud2.read_field(clouds[2].read(), 'ring').tolist() == list(range(80))
    poses = [pose_of(message.read()) for message in read if message.topic == '/odom']
    assert [pose[1][0] for pose in poses] == [0, 1, 2, 3]
    (tf,) = [message.read() for message in read if message.topic == TF_STATIC]
    assert tf.transforms[0].child_frame_id == 'lidar'


def test_it_is_annotated_with_its_topics(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_ros1(tmp_path / 'drive.bag', recorded())
    code, out, err = ssrflow(
        'bag', tmp_path / 'drive.bag', '-o', tmp_path / 'out', '--odometry', '/odom', '--keep-topics'
    )
    assert code == 0 and '4 in' in out, err
    with BagReader(tmp_path / 'out') as bag:
        assert bag.topics['/odom'] == (ODOMETRY, 4) and bag.topics['/ssrflow/flow'][1] == 3
        assert all(message.read() for message in bag.read(list(bag.topics)))


def test_a_cut_recording_is_told_of(tmp_path):
    write_ros1(tmp_path / 'drive.bag', recorded())
    data = (tmp_path / 'drive.bag').read_bytes()
    (tmp_path / 'cut.bag').write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match='rosbag reindex'), BagReader(tmp_path / 'cut.bag') as bag:
        list(bag.read(list(bag.topics)))


# --- .las, .laz ----------------------------------------------------------------------------------------

POINTS = np.random.default_rng(0).uniform(-50, 50, (300, 3))


@pytest.fixture(params=[('las', '1.2', 3), ('las', '1.4', 6), ('laz', '1.2', 3), ('laz', '1.4', 7)], ids=str)
def las(request, tmp_path):
    laspy, (suffix, version, form) = pytest.importorskip('laspy'), request.param
    if suffix == 'laz':
        pytest.importorskip('lazrs')
    header = laspy.LasHeader(version=version, point_format=form)
    header.scales, header.offsets = [0.001] * 3, [10.0, -5.0, 2.0]
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = POINTS.T
    cloud.intensity, cloud.gps_time = np.arange(len(POINTS)), np.linspace(0, 0.1, len(POINTS))
    cloud.write(str(tmp_path / f'a.{suffix}'))
    return tmp_path / f'a.{suffix}'


def test_las_has_its_scale_and_offset_and_all_fields(las):
    points, fields = read_fields(las)
    np.testing.assert_allclose(points, POINTS, atol=6e-4)
    assert fields['intensity'].tolist() == list(range(len(POINTS))) and 'X' not in fields
    np.testing.assert_allclose(fields['gps_time'], np.linspace(0, 0.1, len(POINTS)))


@pytest.mark.parametrize(
    'place, form, value',
    [(100, '<I', 2**31), (105, '<H', 65535), (107, '<I', 2**32 - 1), (247, '<Q', 2**62), (96, '<I', 2**31)],
    ids=['records', 'length', 'points', 'points, 1.4', 'begin'],
)
def test_las_is_believed_no_more_than_it_can_hold(las, place, form, value):
    data = bytearray(las.read_bytes())
    struct.pack_into(form, data, place, value)
    las.write_bytes(data)
    if place == (247 if data[25] < 4 else 107):
        return  # of the other version
    with pytest.raises(InputError):
        read_points(las)


def test_a_table_of_more_chunks_than_the_file_holds_is_refused(las):
    data = bytearray(las.read_bytes())
    if las.suffix == '.las':
        return
    (begin,) = struct.unpack_from('<I', data, 96)
    (table,) = struct.unpack_from('<q', data, begin)
    struct.pack_into('<I', data, table + 4, 2**32 - 1)
    las.write_bytes(data)
    with pytest.raises(InputError, match='says that it holds'):
        read_points(las)


def test_every_cut_of_las_is_told_of(las):
    data = las.read_bytes()
    for end in (0, 10, 120, 240, len(data) // 2, len(data) - 20):
        las.write_bytes(data[:end])
        with pytest.raises(InputError):
            read_points(las)
