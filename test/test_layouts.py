"""The clouds of common drivers, as their own sources lay them out, and garbage of every kind to the live node."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_pointcloud2 import annotated, message

from ssrflow_ros.formats import pointcloud2
from ssrflow_ros.formats.point_times import PointTimes
from ssrflow_ros.formats.pointcloud2 import Cloud, Field

I1, U1, I2, U2, I4, U4, F4, F8 = range(1, 9)
XYZ = [('x', 0, F4), ('y', 4, F4), ('z', 8, F4)]

# point_step, height, fields (name, offset, datatype), field of each point's time and its values per second.
DRIVERS = {
    'velodyne': (22, 1, [*XYZ, ('intensity', 12, F4), ('ring', 16, U2), ('time', 18, F4)], ('time', 1)),
    'ouster': (
        48,
        4,
        [
            *XYZ,
            ('intensity', 16, F4),
            ('t', 20, U4),
            ('reflectivity', 24, U2),
            ('ring', 26, U2),
            ('ambient', 28, U2),
            ('range', 32, U4),
        ],
        ('t', 1e9),
    ),
    'livox': (
        26,
        1,
        [*XYZ, ('intensity', 12, F4), ('tag', 16, U1), ('line', 17, U1), ('timestamp', 18, F8)],
        ('timestamp', 1e9),
    ),
    'hesai': (26, 1, [*XYZ, ('intensity', 12, F4), ('ring', 16, U2), ('timestamp', 18, F8)], ('timestamp', 1)),
    'robosense': (32, 4, [*XYZ, ('intensity', 16, F4), ('ring', 20, U2), ('timestamp', 24, F8)], ('timestamp', 1)),
    'autoware': (
        32,
        1,
        [
            *XYZ,
            ('intensity', 12, U1),
            ('return_type', 13, U1),
            ('channel', 14, U2),
            ('azimuth', 16, F4),
            ('elevation', 20, F4),
            ('distance', 24, F4),
            ('time_stamp', 28, U4),
        ],
        ('time_stamp', 1e9),
    ),
    'kitti2bag': (16, 1, [*XYZ, ('i', 12, F4)], None),
    'pcl': (32, 1, [*XYZ, ('intensity', 16, F4)], None),
    'doubles': (40, 1, [('z', 0, F8), ('intensity', 8, F8), ('y', 16, F8), ('x', 24, F8), ('ring', 32, I4)], None),
    'millimetres in integers': (12, 1, [('x', 0, I2), ('y', 2, I2), ('z', 4, I4), ('ring', 8, I1)], None),
}
TYPES = {I1: 'i1', U1: 'u1', I2: 'i2', U2: 'u2', I4: 'i4', U4: 'u4', F4: 'f4', F8: 'f8'}
WIDTH = 6
PARTS = ['height', 'width', 'point_step', 'row_step', 'data', 'fields', 'is_bigendian', 'xyz']
STAMP_NS = 1_700_000_000_500_000_000


def cloud_of(driver, big):
    """A message in the layout of a driver, and the values of its fields."""
    point_step, height, fields, time = DRIVERS[driver]
    order, n = '>' if big else '<', height * WIDTH
    dtype = np.dtype(
        {
            'names': [f[0] for f in fields],
            'offsets': [f[1] for f in fields],
            'formats': [order + TYPES[f[2]] for f in fields],
            'itemsize': point_step,
        }
    )
    values = {name: np.arange(1, n + 1).astype(TYPES[code]) + axis for axis, (name, _, code) in enumerate(fields)}
    if time:
        name, per_second = time
        absolute = STAMP_NS * 1e-9 * per_second if name == 'timestamp' else 0
        values[name] = (absolute + np.linspace(0, 0.1, n) * per_second).astype(values[name].dtype)
    points = np.zeros(n, dtype)
    for name, column in values.items():
        points[name] = column
    # Organised clouds come with padded rows.
    row_step = point_step * WIDTH + (16 if height > 1 else 0)
    data = np.full((height, row_step), 255, np.uint8)
    data[:, : point_step * WIDTH] = np.frombuffer(points.tobytes(), np.uint8).reshape(height, -1)
    cloud = message(
        Cloud(height, WIDTH, tuple(Field(*f, 1) for f in fields), point_step, row_step, data.reshape(-1), big)
    )
    cloud.header.stamp = SimpleNamespace(sec=STAMP_NS // 10**9, nanosec=STAMP_NS % 10**9)
    return cloud, values


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('driver', DRIVERS)
def test_driver(driver, big):
    cloud, values = cloud_of(driver, big)
    before = cloud.data.copy()
    sweep = pointcloud2.decode(cloud)
    np.testing.assert_array_equal(sweep.points, np.stack([values[axis] for axis in 'xyz'], 1).astype(np.float32))

    out = message(pointcloud2.encode(annotated(sweep), cloud, keep=['ring', 'time']))
    names = [field.name for field in out.fields]
    assert names[:3] == ['x', 'y', 'z'] and ('intensity' in names) == ('intensity' in values)
    for name in set(names) & {'intensity', 'ring', 'time'}:
        np.testing.assert_array_equal(pointcloud2.read_field(out, name), values[name])
    assert all(field.offset % 4 == 0 for field in out.fields if field.datatype in (I4, U4, F4))

    if DRIVERS[driver][3]:
        times = PointTimes().of(cloud, sweep.stamp_ns, sweep.rows)
        np.testing.assert_allclose(times, np.linspace(0, 0.1, len(sweep)), atol=1e-5)
    np.testing.assert_array_equal(cloud.data, before)


def test_no_garbage_ends_the_node(tmp_path):
    """Over DDS, where everything has its type but nothing needs to fit; every cloud is accounted for."""
    pytest.importorskip('rclpy')
    from array import array

    from diagnostic_msgs.msg import DiagnosticArray
    from live import LiveNode, Stream, make_cloud
    from sensor_msgs.msg import PointCloud2, PointField

    rng = np.random.default_rng(8)
    good = rng.uniform(-20, 20, (40, 3)).astype(np.float32)

    def damaged():
        cloud = make_cloud(good, 0)
        for name in rng.choice(PARTS, 2):
            if name == 'data':
                cloud.data = array('B', rng.integers(0, 256, rng.integers(0, 600), np.uint8).tobytes())
            elif name == 'fields':
                cloud.fields = [
                    PointField(
                        name=str(rng.choice(['x', 'y', 'z', 'ring', ''])),
                        offset=int(rng.choice([0, 3, 8, 2**32 - 1])),
                        datatype=int(rng.integers(0, 12)),
                        count=int(rng.choice([0, 1, 9])),
                    )
                    for _ in range(rng.integers(0, 5))
                ]
            elif name == 'is_bigendian':
                cloud.is_bigendian = True
            elif name == 'xyz':
                odd = np.float32([np.nan, np.inf, -np.inf, 0, 3e38, 1e-40])
                cloud.data = array('B', rng.choice(odd, (40, 3)).tobytes())
            else:
                setattr(cloud, name, int(rng.choice([0, 1, 7, 12, 40, 480, 2**31, 2**32 - 1])))
        return cloud

    live = LiveNode(tmp_path)
    try:
        live.listen(PointCloud2, '/ssrflow/flow')
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        stream = Stream(live)
        for _ in range(100):
            stream.send(damaged())
        stream.send(make_cloud(good, 0))
        assert stream.send_and_hear(make_cloud(good, 0)).width == len(good)

        def accounted():
            values = live.diagnostics()
            drops = sum(int(value) for key, value in values.items() if key.startswith('drops/'))
            return int(values.get('clouds_in', 0)) == 102 == int(values['clouds_out']) + drops

        live.wait(accounted, 'every cloud to be published or counted')
        log = live.log.read_text()
        assert 'malformed cloud' in log and 'Traceback' not in log
    finally:
        live.close()
