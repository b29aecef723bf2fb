"""Files and messages of strangers: an error of ours, before memory is taken; what the fuzzer (make fuzz) found once."""

import dataclasses
import importlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from ssrflow_ros.array_files import load_npy, load_npz
from ssrflow_ros.errors import LONGEST, InputError, SSRFlowError
from ssrflow_ros.formats.clouds import read_points


def npy(shape, descr='<f4', data=b''):
    """An .npy whose header says so."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + data


def npz(members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


TEST = Path(__file__).resolve().parent


class Evil:
    def __reduce__(self):
        return pytest.fail, ('a pickle was loaded',)


PICKLED = npy('(1,)', '|O', pickle.dumps([Evil()]))
HUGE = [
    npy('(1000000000000, 3)'),
    npy('(1099511627776, 1099511627776)'),
    npy('(4611686018427387904, 4)'),
    npy('(-1, 3)'),
    PICKLED,
]


@pytest.fixture
def no_memory():
    """Nothing takes more than 200 MB, what is loaded once set aside."""
    resource = pytest.importorskip('resource')
    statm = Path('/proc/self/statm')
    if not statm.exists():
        pytest.skip('this system does not tell what memory a process holds')
    for module in ('formats.bags', 'network.weights', 'training.config', 'formats.clouds'):
        with suppress(ImportError):
            importlib.import_module(f'ssrflow_ros.{module}')
    for module in ('yaml', 'pypcd4'):
        with suppress(ImportError):
            importlib.import_module(module)
    held = int(statm.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + (200 << 20), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refused(call, *arguments, match=None):
    """The one line that it says; never that memory ran out."""
    with pytest.raises(SSRFlowError, match=match) as caught:
        call(*arguments)
    error = caught.value
    while error is not None:
        assert not isinstance(error, MemoryError)
        error = error.__cause__ or error.__context__
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize('number', range(len(HUGE)))
def test_arrays_that_say_more_than_they_have(tmp_path, no_memory, number):
    (tmp_path / 'a.npy').write_bytes(HUGE[number])
    (tmp_path / 'a.npz').write_bytes(npz({'points.npy': HUGE[number]}))
    for name, read in (('a.npy', read_points), ('a.npy', load_npy), ('a.npz', read_points)):
        refused(read, tmp_path / name)
    if HUGE[number] is PICKLED:
        assert load_npz(tmp_path / 'a.npz') == {}, 'what is no numbers is left out'
    else:
        refused(load_npz, tmp_path / 'a.npz')


@pytest.fixture
def bomb():
    return npz({'points.npy': npy('(10000000, 3)', data=bytes(120_000_000))})


def test_bomb_of_zeros(tmp_path, bomb, no_memory):
    (tmp_path / 'a.npz').write_bytes(bomb)
    refused(read_points, tmp_path / 'a.npz', match='holds 120.0 MB')


def test_what_shrinks_as_clouds_do_is_read(tmp_path):
    points = np.round(np.random.default_rng(0).uniform(-20, 20, (5000, 3)), 1).astype(np.float32)
    np.savez_compressed(tmp_path / 'a.npz', points=points)
    np.testing.assert_array_equal(read_points(tmp_path / 'a.npz'), points)


def test_points_do_not_change_with_their_file(tmp_path):
    np.save(tmp_path / 'a.npy', np.ones((5, 3), np.float32))
    points = read_points(tmp_path / 'a.npy')
    np.save(tmp_path / 'a.npy', np.zeros((5, 3), np.float32))
    assert np.all(points == 1)


def test_fields_of_unequal_shape(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros(4, [('x', 'f4'), ('y', 'f4', 2), ('z', 'f4')]))
    refused(read_points, tmp_path / 'a.npy', match='several numbers each')


HEADER = (
    'VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT {count}\nWIDTH 4\nHEIGHT 1\n'
    'POINTS {points}\nDATA {data}\n'
)


@pytest.mark.parametrize(
    'count, points, data, rest',
    [
        ('1 1 1000000000', 4, 'binary', bytes(48)),
        ('1 1 1', 10**12, 'binary', bytes(48)),
        ('1 1 1', 10**12, 'ascii', b'1 2 3\n' * 4),
        ('1 1 1', 10**9, 'binary_compressed', struct.pack('<II', 8, 48) + bytes(8)),
        ('1 1 1', 4, 'binary_compressed', struct.pack('<II', 8, 2**32 - 1) + bytes(8)),
    ],
)
def test_pcd_that_promises_more_than_it_has(tmp_path, no_memory, count, points, data, rest):
    pytest.importorskip('pypcd4')
    path = tmp_path / 'a.pcd'
    path.write_bytes(HEADER.format(count=count, points=points, data=data).encode() + rest)
    refused(read_points, path)


@pytest.mark.parametrize('ending', ['ply', 'pcd'])
def test_large_text_takes_no_more_memory_than_large_numbers(tmp_path, ending, no_memory):
    pytest.importorskip('pypcd4')
    points = np.random.default_rng(0).uniform(-50, 50, (400_000, 3)).round(4)
    header = (
        HEADER.format(count='1 1 1', points=len(points), data='ascii')
        if ending == 'pcd'
        else (
            f'ply\nformat ascii 1.0\ncomment x\nelement sensor 1\nproperty int id\nelement vertex {len(points)}\n'
            'property uchar ring\nproperty float z\nproperty float x\nproperty float y\nelement face 1\n'
            'property list uchar int vertex_indices\nend_header\n7\n'
        )
    )
    with (tmp_path / f'a.{ending}').open('w') as file:
        file.write(header)
        for x, y, z in points.tolist():
            file.write(f'1 {z} {x} {y}\n' if ending == 'ply' else f'{x} {y} {z}\n')
        file.write('3 0 1 2\n' if ending == 'ply' else '')
    np.testing.assert_array_equal(read_points(tmp_path / f'a.{ending}'), points.astype(np.float32))


def test_messages_are_one_line_whatever_the_names(tmp_path):
    (tmp_path / 'a.npz').write_bytes(npz({'\n\x1b[2Jred.npy': npy('(3,)', data=bytes(12))}))
    assert r'\n\x1b[2Jred' in refused(read_points, tmp_path / 'a.npz')
    assert len(str(InputError('x' * 10**6))) < LONGEST + 10
    assert str(InputError('Größe: give metres')) == 'Größe: give metres'


# --- recordings ----------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    """A small recording in each storage."""
    pytest.importorskip('rosbags')
    from ssrflow_ros.formats import bag_messages
    from ssrflow_ros.formats.bags import ODOMETRY, write_bag

    folder = tmp_path_factory.mktemp('recorded')
    for storage in ('mcap', 'sqlite3'):
        with write_bag(folder / storage, storage) as writer:
            writer.write('/odom', ODOMETRY, 1, bag_messages.to_odometry(np.eye(4), 1, 'odom', 'lidar'))
    return folder


def read_all(path):
    from ssrflow_ros.formats.bags import ODOMETRY, BagReader

    with BagReader(path) as bag:
        return len([message.read() for message in bag.read([bag.choose(None, ODOMETRY)])])


def copied(folder, to, edit):
    """The recording with its metadata edited."""
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    text = (to / 'metadata.yaml').read_text()
    assert edit(text) != text
    (to / 'metadata.yaml').write_text(edit(text))
    return to


def test_mcap_whose_records_say_that_they_are_long(recorded, tmp_path, no_memory):
    data = (recorded / 'mcap' / 'mcap.mcap').read_bytes()
    (summary,) = struct.unpack('<Q', data[-28:-20])
    path = tmp_path / 'a.mcap'
    for begin in (9, summary + 1):
        path.write_bytes(data[:begin] + struct.pack('<Q', 2**40) + data[begin + 8 :])
        refused(read_all, path)
    path.write_bytes(data[:-8] + bytes(8))
    assert read_all(path) == 1, 'without an end it is read all the same'
    # The name of the library, after that of the profile.
    path.write_bytes(data[:25] + struct.pack('<I', 2**31) + data[29:-8] + bytes(8))
    refused(read_all, path)
    path.write_bytes(data[: summary + 1] + struct.pack('<Q', 2**31) + data[summary + 9 : -8] + bytes(8))
    assert read_all(path) == 1


def test_metadata_that_leads_elsewhere(recorded, tmp_path):
    outside = tmp_path / 'outside.db3'
    outside.write_bytes((recorded / 'sqlite3' / 'sqlite3.db3').read_bytes())
    for number, name in enumerate(('../outside.db3', str(outside), '..')):
        bag = copied(
            recorded / 'sqlite3', tmp_path / str(number), lambda text, name=name: text.replace('sqlite3.db3', name)
        )
        refused(read_all, bag)
    bag = tmp_path / 'escaped'
    bag.mkdir()
    (bag / '%2e%2e%2foutside.db3').write_bytes(b'')
    (bag / 'metadata.yaml').write_text(
        (recorded / 'sqlite3' / 'metadata.yaml').read_text().replace('sqlite3.db3', '%2e%2e%2foutside.db3')
    )
    refused(read_all, bag, match='rename it')


def test_metadata_whose_topics_are_no_names(recorded, tmp_path):
    refused(read_all, copied(recorded / 'mcap', tmp_path / 'a', lambda text: text.replace('name: /odom', 'name: 7')))


def test_metadata_that_laughs(recorded, tmp_path, no_memory):
    bomb = 'a0: &a0 [x, x]\n' + ''.join(f'a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n' for n in range(1, 40))
    bag = copied(recorded / 'mcap', tmp_path / 'a', lambda text: bomb + text)
    assert read_all(bag) == 1, 'what nobody asks for costs nothing'


@pytest.mark.parametrize(
    'storage, mode', [('sqlite3', 'file'), ('sqlite3', 'message'), ('mcap', 'file'), ('mcap', 'storage')]
)
def test_compressed_recordings(tmp_path, storage, mode):
    pytest.importorskip('rosbags')
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    from ssrflow_ros.formats import bag_messages
    from ssrflow_ros.formats.bags import ODOMETRY, typestore

    def write(path, *messages):
        writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
        writer.set_compression(CompressionMode[mode.upper()], CompressionFormat.ZSTD)
        with writer:
            connection = writer.add_connection('/odom', ODOMETRY, typestore=typestore())
            for number, message in enumerate(messages):
                writer.write(connection, number, message)
        return path

    message = bytes(typestore().serialize_cdr(bag_messages.to_odometry(np.eye(4), 1, 'odom', 'lidar'), ODOMETRY))
    assert read_all(write(tmp_path / 'good', message, message)) == 2
    if mode != 'file':
        bomb = message + bytes(150_000_000)
        assert 'unpacks to more' in refused(read_all, write(tmp_path / 'bomb', bomb))


def test_file_that_fills_the_disk(recorded, tmp_path):
    from ssrflow_ros.formats import bounded

    quarter = bounded._zstd.compress(bytes(1 << 28))
    bag = copied(
        recorded / 'mcap',
        tmp_path / 'a',
        lambda text: (
            text.replace('mcap.mcap', 'mcap.mcap.zstd')
            .replace("compression_format: ''", 'compression_format: zstd')
            .replace("compression_mode: ''", 'compression_mode: FILE')
        ),
    )
    (bag / 'mcap.mcap.zstd').write_bytes(quarter * 8)
    assert 'unpacks to more' in refused(read_all, bag)


# --- weights and settings --------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Bytes of small weights, as (header, numbers)."""
    pytest.importorskip('torch')
    from ssrflow_ros.network.config import NetworkConfig
    from ssrflow_ros.network.ssrflow import SSRFlow
    from ssrflow_ros.network.weights import save_weights

    small = NetworkConfig(
        divisors=(1, 2),
        widths=(4, 4),
        lengths=(1.0, 2.0),
        attention_width=4,
        fusion_width=4,
        predictor_width=4,
        predictor_out=2,
    )
    path = tmp_path_factory.mktemp('weights') / 'small.safetensors'
    save_weights(path, SSRFlow(small), {'trained_on': 'nothing'})
    data = path.read_bytes()
    (length,) = struct.unpack('<Q', data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def load(tmp_path, header, numbers):
    from ssrflow_ros.network.weights import load_weights

    text = json.dumps(header).encode()
    path = tmp_path / 'a.safetensors'
    path.write_bytes(struct.pack('<Q', len(text)) + text + numbers)
    return load_weights(str(path))


@pytest.mark.parametrize(
    'name, value',
    [
        ('widths', [2**16, 2**16]),
        ('widths', [2**31, 4]),
        ('mlp_depth', 10**9),
        ('mlp_depth', 1.5),
        ('widths', 'many'),
        ('divisors', [1]),
        ('divisors', [0, 0]),
        ('lengths', [float('nan'), 1.0]),
        ('radius', float('inf')),
        ('levels', 3),
        ('k_pointconv', -1),
        ('finest_level', 7),
        ('temporal', 'yes'),
        ('attention', {'a': 1}),
        ('beyond_input', None),
    ],
)
def test_weights_with_other_settings(tmp_path, weights, no_memory, name, value):
    header, numbers = json.loads(json.dumps(weights[0])), weights[1]
    config = json.loads(header['__metadata__']['config'])
    header['__metadata__']['config'] = json.dumps({**config, name: value})
    refused(load, tmp_path, header, numbers)


@pytest.mark.parametrize('name', ['config', 'card'])
@pytest.mark.parametrize('text', ['', 'null', '[' * 10**5, '[]', '{"a"'])
def test_weights_whose_header_is_no_json(tmp_path, weights, name, text):
    header = {**weights[0], '__metadata__': {**weights[0]['__metadata__'], name: text}}
    refused(load, tmp_path, header, weights[1], match=f'no readable {name}')


def test_weights_of_odd_numbers(tmp_path, weights):
    header = json.loads(json.dumps(weights[0]))
    for tensor in header.values():
        if tensor.get('dtype') == 'F32':
            tensor['dtype'] = 'I32'
    refused(load, tmp_path, header, weights[1], match='not computed with')
    assert load(tmp_path, *weights).card == {'trained_on': 'nothing'}


LAUGHS = 'a0: &a0 [x, x]\n' + ''.join(f'a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n' for n in range(1, 40))


@pytest.mark.parametrize(
    'text',
    [
        LAUGHS,
        f'batch: {{{LAUGHS.splitlines()[0]}}}',
        'batch: ' + '[' * 5000,
        'batch: &a [*a]',
        'steps: ' + '9' * 5000,
        'learning_rate: ' + '9' * 400,
        'learning_rate: .nan',
        'learning_rate: 1e999',
        'switches: {widths: [1, 2]}',
        'switches: {mlp_depth: .inf}',
        '"a\\nb": 1',
        'loss: 3',
        '\0',
        'batch: 2001-99-99',
    ],
)
def test_settings_files(tmp_path, no_memory, text):
    pytest.importorskip('torch')
    pytest.importorskip('yaml')
    from ssrflow_ros.training.config import TrainingConfig, changed, read_settings

    (tmp_path / 'a.yaml').write_text(text)
    refused(lambda: changed(TrainingConfig(), read_settings(tmp_path / 'a.yaml')))


@pytest.mark.parametrize('where', ['batch', 'switches', 'augmentation', 'loss'])
def test_settings_that_laugh(tmp_path, no_memory, where):
    pytest.importorskip('yaml')
    from ssrflow_ros.training.config import TrainingConfig, changed, read_settings

    bombs = LAUGHS.replace('\n', ', ').rstrip(', ')
    (tmp_path / 'a.yaml').write_text(f'{where}: {{{bombs}}}\n')
    refused(lambda: changed(TrainingConfig(), read_settings(tmp_path / 'a.yaml')))


@pytest.mark.parametrize('text', ['[' * 10**5, '{"batch": ' * 5000, '{"learning_rate": 1e999}', '{"steps": NaN}'])
def test_settings_in_json(tmp_path, text):
    pytest.importorskip('torch')
    from ssrflow_ros.training.config import TrainingConfig, changed, read_settings

    (tmp_path / 'a.json').write_text(text)
    refused(lambda: changed(TrainingConfig(), read_settings(tmp_path / 'a.json')))


def test_parameter_beyond_all_floats():
    from ssrflow_ros.settings import Settings

    refused(lambda: Settings(max_range=10**400), match='max_range')
    refused(lambda: Settings(max_range=-(10**400)), match='max_range')
    assert Settings(max_range=50).max_range == 50.0


def test_good_settings_stay_good():
    pytest.importorskip('torch')
    from ssrflow_ros.network.config import PRESETS, NetworkConfig

    for config in PRESETS.values():
        assert NetworkConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


# --- messages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize('quaternion', [(1e300, 1e300, 0, 1), (np.inf, 0, 0, 1), (0, 0, 0, 0), (1e-320, 0, 0, 0)])
@pytest.mark.parametrize('position', [(0, 0, 0), (1e308, -1e308, 1e308), (np.nan, 0, 0)])
def test_poses_beyond_all_numbers(quaternion, position):
    pytest.importorskip('scipy')
    from ssrflow_ros.settings import Settings
    from ssrflow_ros.steps.poses import SensorPoses
    from ssrflow_ros.sweep import Sweep, SweepPair

    poses = SensorPoses(Settings(ego_motion='odometry'))
    for stamp in (0, 1_000_000_000):
        poses.push_odometry('lidar', stamp, position, quaternion)
    pair = SweepPair(*(Sweep.from_points(np.ones((3, 3)), stamp, 'lidar') for stamp in (2, 100)))
    try:
        assert np.isfinite(poses.between(pair).target_from_source).all()
    except SSRFlowError:
        pass


# --- the fuzzer itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize('reader', ['npz', 'messages', 'settings'])
def test_fuzzer_runs_and_finds_nothing(tmp_path, reader):
    """Its own process: it forks."""
    pytest.importorskip('torch')
    pytest.importorskip('rosbags')
    pytest.importorskip('pypcd4')
    code = (
        'from pathlib import Path\nfrom fuzz.child import run_batch\nfrom fuzz.readers import check_seeds\n'
        f'from fuzz.seeds import make_seeds\nseeds = make_seeds()["{reader}"]\ncheck_seeds({{"{reader}": seeds}})\n'
        f'print(*(outcome.kind for outcome, _ in run_batch("{reader}", seeds, (0, 0), 20, Path("."))))'
    )
    path = os.pathsep.join([str(TEST.parent), str(TEST)])
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
    )
    kinds = done.stdout.split()[-20:]
    assert set(kinds) == {'read', 'refused'} and len(kinds) == 20, done.stdout + done.stderr
