"""Point cloud files: the same points from every format, one clear line for every bad file."""

import os
import pickle

import numpy as np
import pytest

from ssrflow_ros.atomic_write import atomic_write
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.clouds import read_fields, read_points


@pytest.fixture
def points():
    """A small sweep with a non-return and two points that coincide."""
    points = np.random.default_rng(1).uniform(-50, 50, (30, 3)).astype(np.float32)
    points[7] = np.nan
    points[9] = points[8]
    return points


def write_pcd(path, points, encoding):
    pypcd4 = pytest.importorskip('pypcd4')
    cloud = pypcd4.PointCloud.from_points(
        np.column_stack([np.arange(len(points)), points]),
        ('ring', 'x', 'y', 'z'),
        (np.uint16, np.float32, np.float32, np.float32),
    )
    cloud.save(path, encoding=pypcd4.Encoding(encoding))


def write_ply(path, points, encoding):
    header = f'ply\nformat {encoding} 1.0\nelement vertex {len(points)}\n'
    header += ''.join(f'property float {name}\n' for name in 'xyz') + 'property uchar ring\nend_header\n'
    if encoding == 'ascii':
        body = ''.join(f'{x:.9g} {y:.9g} {z:.9g} 3\n' for x, y, z in points).encode()
    else:
        rows = np.zeros(len(points), [('xyz', '<f4' if 'little' in encoding else '>f4', 3), ('ring', 'u1')])
        rows['xyz'] = points
        body = rows.tobytes()
    path.write_bytes(header.encode() + body)


def with_intensity(points, columns=4):
    return np.column_stack([points, *[np.ones(len(points))] * (columns - 3)]).astype(np.float32)


WRITERS = {
    'a.npy': np.save,
    'double.npy': lambda path, points: np.save(path, points.astype(np.float64)),
    'organised.npy': lambda path, points: np.save(path, with_intensity(points).reshape(5, 6, 4)),
    'fortran.npy': lambda path, points: np.save(path, np.asfortranarray(points)),
    'fields.npy': lambda path, points: np.save(
        path, np.array([(1, *row) for row in points], [('t', 'f8'), ('x', 'f4'), ('y', 'f4'), ('z', 'f4')])
    ),
    'a.npz': lambda path, points: np.savez(path, labels=np.zeros(3), points=points),
    'kitti.bin': lambda path, points: with_intensity(points).tofile(path),
    'nuscenes.pcd.bin': lambda path, points: with_intensity(points, 5).tofile(path),
    'UPPER.BIN': lambda path, points: with_intensity(points).tofile(path),
    'ascii.pcd': lambda path, points: write_pcd(path, points, 'ascii'),
    'binary.pcd': lambda path, points: write_pcd(path, points, 'binary'),
    'compressed.pcd': lambda path, points: write_pcd(path, points, 'binary_compressed'),
    'ascii.ply': lambda path, points: write_ply(path, points, 'ascii'),
    'little.ply': lambda path, points: write_ply(path, points, 'binary_little_endian'),
    'big.ply': lambda path, points: write_ply(path, points, 'binary_big_endian'),
}


@pytest.mark.parametrize('name', WRITERS)
def test_every_format_gives_the_same_rows(tmp_path, points, name):
    WRITERS[name](tmp_path / name, points)
    read = read_points(tmp_path / name)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, points)


def fields_of(path):
    return {name: (column.dtype.str, column[:2].tolist()) for name, column in read_fields(path)[1].items()}


@pytest.mark.parametrize(
    'name, fields',
    [
        ('a.npy', {}),
        ('organised.npy', {'intensity': ('<f4', [1, 1])}),
        ('kitti.bin', {'intensity': ('<f4', [1, 1])}),
        ('nuscenes.pcd.bin', {'intensity': ('<f4', [1, 1]), 'ring': ('<f4', [1, 1])}),
        ('fields.npy', {'t': ('<f8', [1, 1])}),
        ('ascii.pcd', {'ring': ('<u2', [0, 1])}),
        ('compressed.pcd', {'ring': ('<u2', [0, 1])}),
        ('ascii.ply', {'ring': ('|u1', [3, 3])}),
        ('big.ply', {'ring': ('|u1', [0, 0])}),
    ],
)
def test_what_a_file_holds_beside_the_points_is_kept(tmp_path, points, name, fields):
    WRITERS[name](tmp_path / name, points)
    assert fields_of(tmp_path / name) == fields
    np.testing.assert_array_equal(read_fields(tmp_path / name)[0], points)


def test_fields_of_many_kinds(tmp_path, points):
    np.savez(
        tmp_path / 'a.npz',
        points=points,
        time=np.arange(30),
        ring=np.zeros((30, 1), np.uint8),
        pc2=points,
        normal=points,
        names=np.array(['a'] * 30),
        pickled=np.array([None] * 30, object),
        x=np.ones(30),
        dt=0.1,
    )
    assert fields_of(tmp_path / 'a.npz') == {'time': ('<i8', [0, 1]), 'ring': ('|u1', [0, 0])}
    rows = np.zeros((5, 6), [('x', '>f4'), ('y', '>f4'), ('z', '>f4'), ('rgb', 'u1', 3), ('xy', 'f4'), ('name', 'U3')])
    rows['rgb'][0, 1] = 1, 2, 3
    np.save(tmp_path / 'b.npy', rows)
    assert fields_of(tmp_path / 'b.npy') == {
        'rgb_0': ('|u1', [0, 1]),
        'rgb_1': ('|u1', [0, 2]),
        'rgb_2': ('|u1', [0, 3]),
        'xy': ('<f4', [0, 0]),
    }
    np.save(tmp_path / 'c.npy', np.ones((4, 6)))
    assert list(fields_of(tmp_path / 'c.npy')) == ['intensity', 'column_4', 'column_5']


def test_npz_keys_can_be_chosen(tmp_path, points):
    np.savez(tmp_path / 'pair.npz', pc1=points, pc2=points[:5])
    assert len(read_points(tmp_path / 'pair.npz')) == 30
    assert len(read_points(tmp_path / 'pair.npz', keys=('pc2',))) == 5


def test_two_million_points(tmp_path):
    np.ones((2_000_000, 4), np.float32).tofile(tmp_path / 'dense.bin')
    assert read_points(tmp_path / 'dense.bin').shape == (2_000_000, 3)


@pytest.mark.parametrize('rows', [0, 1])
@pytest.mark.parametrize('name', [name for name in WRITERS if name not in ('organised.npy', 'fields.npy')])
def test_few_points_are_read(tmp_path, name, rows):
    WRITERS[name](tmp_path / name, np.ones((rows, 3), np.float32))
    assert read_points(tmp_path / name).shape == (rows, 3)


class Bomb:
    """Unpickling this would be an arbitrary command."""

    def __reduce__(self):
        return os.getcwd, ()


BAD = {
    'pickled.npy': (lambda p: np.save(p, np.array([Bomb()], object)), 'damaged or not a .npy'),
    'pickle.npy': (lambda p: p.write_bytes(pickle.dumps(Bomb())), 'damaged or not a .npy'),
    'text.npy': (lambda p: p.write_text('1 2 3'), 'damaged or not a .npy'),
    'empty.npy': (lambda p: p.write_bytes(b''), 'damaged or not a .npy'),
    'words.npy': (lambda p: np.save(p, np.array([['a', 'b', 'c']])), 'not numbers'),
    'flat.npy': (lambda p: np.save(p, np.ones(12)), 'shape (12,)'),
    'two.npy': (lambda p: np.save(p, np.ones((12, 2))), 'shape (12, 2)'),
    'wide.npy': (lambda p: np.save(p, np.ones((3, 500))), 'transpose'),
    'utm.npy': (lambda p: np.save(p, np.full((9, 3), 5e6)), 'frame of the sensor'),
    'labels.npz': (lambda p: np.savez(p, labels=np.ones(3), flow=np.ones(3)), 'keys are labels, flow'),
    'text.npz': (lambda p: p.write_text('hello'), 'not a .npz'),
    'text.bin': (lambda p: p.write_text('1.0 2.0 3.0 0.5\n' * 16), 'is a text file'),
    'odd.bin': (lambda p: p.write_bytes(bytes(100)), '100 bytes, no multiple of 16'),
    'noise.bin': (
        lambda p: np.random.default_rng(0).integers(0, 256, 1600, np.uint8).tofile(p),
        'does not hold float32',
    ),
    'double.bin': (lambda p: np.random.default_rng(0).normal(0, 20, (100, 4)).tofile(p), 'does not hold float32'),
    'text.pcd': (lambda p: p.write_text('hello\n'), 'damaged or not a .pcd'),
    'empty.pcd': (lambda p: p.write_bytes(b''), 'damaged or not a .pcd'),
    'text.ply': (lambda p: p.write_text('hello\n'), 'damaged or not a .ply'),
    'points.xyz': (lambda p: p.write_text('1 2 3\n'), 'ends in .xyz'),
    'points': (lambda p: p.write_text('1 2 3\n'), 'ends in nothing'),
    'folder.bin': (lambda p: p.mkdir(), 'is a folder'),
    'missing.bin': (lambda p: None, 'does not exist'),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_file_is_one_clear_line(tmp_path, name):
    write, words = BAD[name]
    write(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_points(tmp_path / name)
    assert words in str(caught.value) and name in str(caught.value)
    assert '\n' not in str(caught.value) and ': ' in str(caught.value)


@pytest.mark.parametrize('columns', [3, 4, 5, 6])
@pytest.mark.parametrize('name', ['a.bin', 'a.pcd.bin'])
@pytest.mark.parametrize('shuffled', [False, True])
@pytest.mark.parametrize('size', [1200, 1201])
def test_other_layouts_of_a_bin_are_named(tmp_path, columns, name, shuffled, size):
    rng = np.random.default_rng(0)
    bearing = np.linspace(-np.pi, np.pi, size)
    wall = np.abs(10 / np.maximum(np.abs(np.cos(bearing)), np.abs(np.sin(bearing))))
    table = np.stack(
        [
            wall * np.cos(bearing),
            wall * np.sin(bearing),
            rng.uniform(-1.7, 1.5, size),
            rng.integers(0, 80, size),
            np.arange(size) % 32,
            bearing / 60,
        ],
        axis=1,
    ).astype(np.float32)
    (rng.permutation(table) if shuffled else table)[:, :columns].tofile(tmp_path / name)
    expected = 4 if name == 'a.bin' else 5
    if columns == expected:
        assert len(read_points(tmp_path / name)) == size
    else:
        with pytest.raises(InputError, match=f'holds {columns} float32 a point, .* and not {expected}'):
            read_points(tmp_path / name)


@pytest.mark.parametrize(
    'name', ['a.npy', 'a.npz', 'ascii.pcd', 'binary.pcd', 'compressed.pcd', 'ascii.ply', 'little.ply']
)
def test_truncated_file_is_an_error(tmp_path, points, name):
    WRITERS[name](tmp_path / name, points)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) - 40])
    with pytest.raises(InputError):
        read_points(tmp_path / name)


def test_reads_real_sweeps(data_folder):
    sweep = read_points(data_folder / 'sequences' / 'kitti_a' / '0000000000.bin')
    assert sweep.shape[1] == 3 and len(sweep) > 100_000 and np.abs(sweep).max() < 130


def test_whole_or_not_at_all(tmp_path):
    out = tmp_path / 'new' / 'out.txt'
    with atomic_write(out) as path:
        path.write_text('first')
    assert out.read_text() == 'first'
    for stop in (ValueError, KeyboardInterrupt):
        with pytest.raises(stop), atomic_write(out) as path:
            path.write_text('half')
            raise stop
    assert out.read_text() == 'first' and os.listdir(out.parent) == ['out.txt']


def test_whole_folder_is_replaced_only_if_asked(tmp_path):
    out = tmp_path / 'bag'
    for text in 'ab':
        with atomic_write(out, 'bag', overwrite=True) as path:
            path.mkdir()
            (path / text).write_text(text)
    assert sorted(os.listdir(out)) == ['.ssrflow', 'b'] and os.listdir(tmp_path) == ['bag']
    with pytest.raises(InputError, match='--overwrite'), atomic_write(out, 'bag', overwrite=False):
        pass


def test_unwritable_place_is_named_before_the_work(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='cannot write'), atomic_write(tmp_path / 'file' / 'out.npz'):
        pytest.fail('must not get here')
