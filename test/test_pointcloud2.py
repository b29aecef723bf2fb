"""PointCloud2 in and out: any layout is read, nothing but InputError is raised, nothing is written."""

from array import array
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrflow_ros.errors import InputError
from ssrflow_ros.formats import pointcloud2
from ssrflow_ros.formats.pointcloud2 import Cloud, Field
from ssrflow_ros.settings import Settings
from ssrflow_ros.sweep import EgoMotion, FlowField, Sweep, SweepPair

CODES = {'i1': 1, 'u1': 2, 'i2': 3, 'u2': 4, 'i4': 5, 'u4': 6, 'f4': 7, 'f8': 8}


def message(cloud, **changes) -> SimpleNamespace:
    """A PointCloud2 look-alike of `cloud`, stamped 12.5 s in frame 'lidar', then changed."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=12, nanosec=500_000_000), frame_id='lidar')
    names = ('height', 'width', 'fields', 'point_step', 'row_step', 'data', 'is_bigendian', 'is_dense')
    return SimpleNamespace(**{'header': header, **{name: getattr(cloud, name) for name in names}, **changes})


def some_points(n: int = 7) -> np.ndarray:
    return np.random.default_rng(n).uniform(-20, 20, (n, 3)).astype(np.float32)


def test_decodes_points_stamp_and_frame():
    points = some_points()
    sweep = pointcloud2.decode(message(pointcloud2.encode_points(points)))
    np.testing.assert_array_equal(sweep.points, points)
    assert (sweep.stamp_ns, sweep.frame_id, sweep.n_rows) == (12_500_000_000, 'lidar', 7)


@pytest.mark.parametrize('container', [bytes, bytearray, memoryview, lambda data: array('B', data.tobytes())])
def test_data_may_be_any_bytes(container):
    cloud = pointcloud2.encode_points(some_points())
    assert len(pointcloud2.decode(message(cloud, data=container(cloud.data)))) == 7


def test_non_returns_are_dropped_and_rows_kept():
    points = some_points(6)
    points[1], points[3], points[4, 2] = 0, np.nan, np.inf
    sweep = pointcloud2.decode(message(pointcloud2.encode_points(points)))
    np.testing.assert_array_equal(sweep.rows, [0, 2, 5])
    assert sweep.n_rows == 6


def test_what_lies_in_the_robots_own_box_is_dropped():
    points = np.array([[0, 0, 0.5], [-1, 1, 0], [-1, 1.1, 0], [3, 0, 0]], np.float32)
    cloud = message(pointcloud2.encode_points(points))
    sweep = pointcloud2.decode(cloud, *Settings(own_body='-1.5, -1, -1  0.5 1 1', min_range=0.0).own)
    assert sweep.rows.tolist() == [2, 3] and sweep.n_rows == 4
    assert len(pointcloud2.decode(cloud, *Settings(min_range=0.0).own)) == 4


@pytest.mark.parametrize('text', ['1', '0 0 0 1 1', '0 0 0 1 1 0', '1 0 0 0 1 1', 'a b c d e f', '0 0 0 1 1 nan'])
def test_a_box_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(InputError, match='own_body: .* is no box: give its least x y z and its greatest'):
        Settings(own_body=text)


def test_float64_beyond_float32_is_dropped():
    columns = {name: np.array([1e300, 2.0]) for name in 'xyz'}
    np.testing.assert_array_equal(pointcloud2.decode(message(pointcloud2.pack(columns))).points, [[2, 2, 2]])


@st.composite
def layouts(draw):
    """An organised cloud of random layout: order, types, gaps, padding, endianness; and its values."""
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    order = draw(st.permutations(['x', 'y', 'z', 'intensity', 'ring']))
    big = draw(st.booleans())
    fields, offset = [], draw(st.integers(0, 3))
    for name in order:
        code = draw(st.sampled_from(sorted(CODES)))
        fields.append(Field(name, offset, CODES[code], draw(st.sampled_from([0, 1]))))
        offset += int(code[1]) + draw(st.integers(0, 3))
    row_step = width * offset + draw(st.integers(0, 5))
    data = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, height * row_step, np.uint8)
    values = {}
    for field in fields:
        kind = next(code for code, number in CODES.items() if number == field.datatype)
        numbers = np.random.default_rng(field.offset).integers(1, 100, (height, width))
        values[field.name] = numbers.astype(kind)
        raw = values[field.name].astype(values[field.name].dtype.newbyteorder('>' if big else '<'))
        for row, column in np.ndindex(height, width):
            start = row * row_step + column * offset + field.offset
            data[start : start + raw.itemsize] = np.frombuffer(raw[row : row + 1, column].tobytes(), np.uint8)
    cut = draw(st.booleans()) * (row_step - width * offset)
    return Cloud(height, width, tuple(fields), offset, row_step, data[: len(data) - cut], big), values


@given(layouts())
@settings(max_examples=150)
def test_any_layout_is_read(drawn):
    cloud, values = drawn
    sweep = pointcloud2.decode(message(cloud))
    expected = np.stack([values[name].reshape(-1) for name in 'xyz'], axis=1)
    np.testing.assert_array_equal(sweep.points, expected.astype(np.float32))
    np.testing.assert_array_equal(pointcloud2.read_field(message(cloud), 'ring'), values['ring'].reshape(-1))


garbage = st.one_of(
    st.none(),
    st.integers(-5, 2**33),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=9),
    st.lists(st.integers(), max_size=2),
    st.booleans(),
)
small = st.one_of(st.integers(0, 40), garbage)
garbage_field = st.builds(
    SimpleNamespace,
    name=st.one_of(st.sampled_from('xyz'), garbage),
    offset=small,
    datatype=small,
    count=st.one_of(st.just(1), garbage),
)


@given(
    st.builds(
        SimpleNamespace,
        height=small,
        width=small,
        point_step=small,
        row_step=small,
        is_bigendian=garbage,
        fields=st.one_of(st.lists(garbage_field, max_size=5), garbage),
        data=st.one_of(st.binary(max_size=200), garbage),
        header=st.one_of(
            garbage,
            st.builds(
                SimpleNamespace,
                frame_id=garbage,
                stamp=st.one_of(garbage, st.builds(SimpleNamespace, sec=small, nanosec=small)),
            ),
        ),
    )
)
@settings(max_examples=400)
def test_garbage_is_an_input_error(thing):
    try:
        pointcloud2.decode(thing)
    except InputError as error:
        assert '\n' not in str(error)


@given(st.data())
@settings(max_examples=300)
def test_nearly_right_is_an_input_error_or_right(data):
    """One attribute of a good message wrong, the rest as it should be."""
    points = some_points(4)
    cloud = pointcloud2.encode_points(points)
    name = data.draw(st.sampled_from(['height', 'width', 'point_step', 'row_step', 'data', 'fields']))
    value = data.draw(st.one_of(small, st.lists(garbage_field, max_size=4)))
    wrong = message(cloud, **{name: value})
    before = cloud.data.copy()
    try:
        pointcloud2.decode(wrong)
    except InputError as error:
        assert '\n' not in str(error)
    np.testing.assert_array_equal(cloud.data, before)
    assert getattr(wrong, name) is value


def fields_with(**changes):
    """The fields x, y, z, one of them changed."""
    fields = {name: Field(name, 4 * axis, 7, 1) for axis, name in enumerate('xyz')}
    return [field for field in {**fields, **changes}.values() if field]


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'fields': fields_with(x=None)}, "no field 'x' (there are: y, z)"),
        ({'fields': [SimpleNamespace(name='a\nb', offset=0, datatype=7, count=1)]}, "(there are: 'a\\nb')"),
        ({'fields': fields_with(y=Field('y', 4, 9, 1))}, "'y' has datatype 9"),
        ({'fields': fields_with(z=Field('z', 8, 7, 3))}, 'count 3'),
        ({'fields': fields_with(z=Field('z', 10, 7, 1))}, 'beyond point_step 12'),
        ({'fields': []}, 'none'),
        ({'point_step': 0}, 'point_step is 0'),
        ({'data': np.zeros(83, np.uint8)}, '83 bytes'),
        ({'data': b''}, '0 bytes'),
        ({'data': None}, 'NoneType and not bytes'),
        ({'header': None}, "without 'stamp'"),
    ],
)
def test_malformed_message_says_what_is_wrong(changes, words):
    with pytest.raises(InputError) as caught:
        pointcloud2.decode(message(pointcloud2.encode_points(some_points()), **changes))
    assert words in str(caught.value)


@pytest.mark.parametrize('thing', [None, 'cloud', 3])
def test_something_else_is_not_a_cloud(thing):
    with pytest.raises(InputError, match='is not a PointCloud2'):
        pointcloud2.decode(thing)


@pytest.mark.parametrize(
    'changes',
    [{'height': 0}, {'width': 0}, {'height': 0, 'width': 0, 'point_step': 0, 'row_step': 0, 'data': b'', 'fields': []}],
)
def test_empty_cloud_is_an_empty_sweep(changes):
    sweep = pointcloud2.decode(message(pointcloud2.encode_points(some_points()), **changes))
    assert len(sweep) == 0 and sweep.n_rows == 0 and sweep.stamp_ns == 12_500_000_000


@pytest.mark.parametrize('height', [1, 2, 6])
@pytest.mark.parametrize('row_step', [0, 4, 'whole', 'more than whole'])
@pytest.mark.parametrize('spare', [0, 1, 500])
def test_a_wrong_row_step_and_spare_bytes_do_not_matter(height, row_step, spare):
    points = np.random.default_rng(0).uniform(1, 30, (12, 3)).astype(np.float32)
    cloud = pointcloud2.encode_points(points)
    row_step = {'whole': len(cloud.data), 'more than whole': 2 * len(cloud.data)}.get(row_step, row_step)
    data = np.concatenate([cloud.data, np.full(spare, 255, np.uint8)])
    sweep = pointcloud2.decode(message(cloud, height=height, width=12 // height, row_step=row_step, data=data))
    np.testing.assert_array_equal(sweep.points, points)


@pytest.mark.parametrize('cut', [1, 30])
def test_padded_rows_that_were_cut_are_not_read_as_if_unpadded(cut):
    data = np.zeros(2 * (6 * 12 + 40) - 40 - cut, np.uint8)
    cloud = message(
        pointcloud2.encode_points(np.ones((12, 3), np.float32)), height=2, width=6, row_step=6 * 12 + 40, data=data
    )
    with pytest.raises(InputError, match='was cut'):
        pointcloud2.decode(cloud)


def annotated(source: Sweep) -> FlowField:
    n = len(source)
    velocity = np.linspace(-3, 3, 3 * n, dtype=np.float32).reshape(n, 3)
    pair = SweepPair(source, Sweep.from_points(source.points, source.stamp_ns - 100_000_000, source.frame_id))
    return FlowField(
        pair,
        EgoMotion(np.eye(4), 'given'),
        -0.1 * velocity,
        velocity,
        np.arange(n) % 2 == 1,
        np.zeros(n, bool),
        np.arange(n, dtype=np.int32) - 1,
    )


def test_annotated_cloud_has_the_documented_layout():
    points = some_points(5)
    points[2] = np.nan
    given_columns = {'intensity': np.arange(5, dtype=np.uint8), 'ring': np.arange(5, dtype=np.uint16)}
    incoming = message(pointcloud2.encode_points(points, **given_columns))
    flow = annotated(pointcloud2.decode(incoming))
    cloud = pointcloud2.encode(flow, incoming, keep=['ring', 'time', 'x'], rgba=True)

    layout = [(field.name, field.offset, field.datatype) for field in cloud.fields]
    assert layout == [
        ('x', 0, 7),
        ('y', 4, 7),
        ('z', 8, 7),
        ('intensity', 12, 7),
        ('vx', 16, 7),
        ('vy', 20, 7),
        ('vz', 24, 7),
        ('moving', 28, 2),
        ('object', 32, 5),
        ('probability', 36, 7),
        ('ring', 40, 4),
        ('rgba', 44, 6),
    ]
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 4, 48, 192)
    assert cloud.data.dtype == np.uint8 and len(cloud.data) == 192
    outgoing = message(cloud)
    np.testing.assert_array_equal(pointcloud2.decode(outgoing).points, points[[0, 1, 3, 4]])
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'intensity'), [0, 1, 3, 4])
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'ring'), [0, 1, 3, 4])
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'object'), [-1, 0, 1, 2])
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'vx'), flow.velocity[:, 0])
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'moving'), [0, 1, 0, 1])


def test_annotated_cloud_without_intensity():
    incoming = message(pointcloud2.encode_points(some_points(3)))
    cloud = pointcloud2.encode(annotated(pointcloud2.decode(incoming)), incoming)
    assert [field.name for field in cloud.fields] == [
        'x',
        'y',
        'z',
        'vx',
        'vy',
        'vz',
        'moving',
        'object',
        'probability',
    ]


def test_nan_in_a_field_that_is_passed_on_is_not_published():
    columns = {'intensity': np.array([1, np.nan, np.inf], np.float32), 'time': np.array([np.nan, 2, 3], np.float64)}
    incoming = message(pointcloud2.encode_points(some_points(3), **columns))
    outgoing = message(pointcloud2.encode(annotated(pointcloud2.decode(incoming)), incoming, keep=['time']))
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'intensity'), [1, 0, 0])
    np.testing.assert_array_equal(pointcloud2.read_field(outgoing, 'time'), [0, 2, 3])
