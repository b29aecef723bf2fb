"""The command line as its users meet it: results, one-line errors, exit codes, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rosbags')

from test_bags import write_mcap

from ssrflow_ros import Settings, __version__
from ssrflow_ros.cli import main as cli
from ssrflow_ros.errors import EgoMotionError
from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bags import MARKER_ARRAY, ODOMETRY, POINTCLOUD2, BagReader, write_bag
from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject

ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(Path(__file__).resolve().parents[1])}
DRIFT = np.array([0.0, 0.2, 0.0], np.float32)


class StandInSceneFlow:
    """Everything ahead of x = 10 m moves with 2 m/s to the left; the sensor stands still."""

    def __init__(self, settings=None):
        self.settings = settings

    def stream(self, mounting_of=None):
        return self

    def prepare(self, pair, ego_motion=None):
        return pair, ego_motion

    def infer(self, prepared):
        return prepared

    def detect(self, inferred):
        return self(*inferred)

    def __call__(self, pair, ego_motion=None):
        points = pair.source.points
        moving = points[:, 0] > 10
        velocity = np.where(moving[:, None], 10 * DRIFT, 0).astype(np.float32)
        ego_motion = ego_motion or EgoMotion(np.eye(4), self.settings.ego_motion, 0.9, 0.05)
        flow = velocity * pair.dt + ego_motion.displacement(points)
        item = MovingObject(0, np.array([12.0, 0, 0]), np.ones(3), 0.0, 10 * DRIFT, int(moving.sum()))
        return FlowField(
            pair,
            ego_motion,
            flow.astype(np.float32),
            velocity,
            moving,
            points[:, 2] < -1.5,
            np.where(moving, 0, -1).astype(np.int32),
            (item,),
            {'ground': 2.0, 'network': 30.0},
        )


def use_method(monkeypatch, make_scene_flow):
    monkeypatch.setitem(sys.modules, 'ssrflow_ros.scene_flow', SimpleNamespace(SceneFlow=make_scene_flow))
    # What a machine says at its first use would stand beside the one line of an error.
    monkeypatch.setattr('ssrflow_ros.compilation.cold_files', lambda: [])


@pytest.fixture
def stand_in(monkeypatch):
    """The stand-in in place of the method, so that neither torch nor weights are needed."""
    use_method(monkeypatch, StandInSceneFlow)


@pytest.fixture
def ssrflow(capsys):
    """Runs `ssrflow ARGS`: (exit code, stdout, stderr)."""

    def run(*args):
        code = 0
        try:
            code = cli.main([str(arg) for arg in args])
        except SystemExit as stop:  # argparse
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


def assert_fails(result, *words, code=2):
    """One line on stderr that holds `words`, and nothing else."""
    assert result[0] == code
    assert result[2].startswith('ssrflow') and result[2].count('\n') == 1, result[2]
    for word in words:
        assert word in result[2]


def some_points(n=80, seed=0):
    return np.random.default_rng(seed).uniform([2, -10, -2], [20, 10, 2], (n, 3)).astype(np.float32)


@pytest.fixture
def pair(tmp_path):
    """SOURCE (row 5 is no return) and TARGET files."""
    points = some_points()
    points[5] = np.nan
    np.save(tmp_path / 'a.npy', points)
    np.save(tmp_path / 'b.npy', some_points(70, 1))
    return tmp_path / 'a.npy', tmp_path / 'b.npy'


# --- ssrflow -----------------------------------------------------------------------------------------


def test_help_names_every_command(ssrflow):
    code, out, _ = ssrflow('--help')
    assert code == 0 and all(name in out for name in cli.COMMANDS)
    assert ssrflow('--version')[1] == f'ssrflow {__version__}\n'


def test_every_setting_is_an_option_of_flow(ssrflow):
    out = ssrflow('flow', '--help')[1]
    of_streams = ('max_gap', 'fixed_frame', 'mounting', 'base_frame', 'deskew', 'sensor_field')
    for row in Settings.table():
        assert row.of_node or row.name in of_streams or f'--{row.name.replace("_", "-")}' in out


def test_wrong_use_is_one_line(ssrflow):
    assert_fails(ssrflow('flwo'), "did you mean 'flow'")
    assert_fails(ssrflow('flow', 'a.npy'), '--help')
    assert_fails(ssrflow('--what'), '--help')
    assert_fails(ssrflow('bag', 'x', '-o', 'y', '--network-points', '3'), 'network_points', '256')
    assert_fails(ssrflow('bag', 'x', '-o', 'y', '--ground', 'flat'), 'polar_grid')


def test_unexpected_errors_ask_for_a_report(ssrflow, pair, monkeypatch):
    use_method(monkeypatch, lambda settings: 1 / 0)
    args = ('flow', *pair, '--dt', '0.1', '-o', pair[0].parent / 'o.npz')
    assert_fails(ssrflow(*args), 'ZeroDivisionError', '--traceback', code=1)
    assert 'Traceback' in ssrflow(*args, '--traceback')[2]


@pytest.mark.parametrize('args', [['--help'], ['flow', '--help'], ['--version']])
def test_a_reader_that_has_enough_is_no_error(args):
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, '-m', 'ssrflow_ros', *args],
        env=ENVIRONMENT,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, '')


def test_start_is_light():
    heavy = 'torch matplotlib rosbags rclpy scipy trimesh numba'.split()
    code = (
        'import sys, ssrflow_ros\nfrom ssrflow_ros.cli import main, flow, bag, pack, simulate, evaluate\n'
        f'print([name for name in {heavy} if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.stdout == '[]\n', done.stderr


# --- ssrflow flow --------------------------------------------------------------------------------------


def test_flow_writes_one_row_for_each_row_of_the_source(ssrflow, stand_in, pair, tmp_path):
    code, out, _ = ssrflow('flow', *pair, '--dt', '0.1', '-o', tmp_path / 'o.npz')
    assert code == 0 and 'scan_matching' in out and '2.0 m/s' in out and 'network (ms)' in out
    points = np.load(pair[0])
    with np.load(tmp_path / 'o.npz') as result:
        assert set(result) == {'flow', 'velocity', 'moving', 'ground', 'object', 'probability', 'ego_T', 'dt'}
        assert result['flow'].shape == result['velocity'].shape == (80, 3)
        assert result['flow'].dtype == np.float32
        assert result['moving'].dtype == result['ground'].dtype == bool
        assert np.isnan(result['flow'][5]).all() and np.isnan(result['velocity'][5]).all()
        np.testing.assert_array_equal(result['moving'], points[:, 0] > 10)
        np.testing.assert_allclose(result['flow'][result['moving']] - DRIFT, 0)
        assert result['ego_T'].shape == (4, 4) and result['dt'] == 0.1
    assert sorted(os.listdir(tmp_path)) == ['a.npy', 'b.npy', 'o.npz']


def test_flow_takes_both_sweeps_of_one_npz(ssrflow, stand_in, tmp_path):
    np.savez(tmp_path / 'pair.npz', pc1=some_points(80), pc2=some_points(70))
    code, out, _ = ssrflow('flow', *[tmp_path / 'pair.npz'] * 2, '--dt', '0.1', '-o', tmp_path / 'o.npz')
    assert code == 0 and '80 of 80 rows, target 70' in out


@pytest.mark.parametrize('option', ['--pose', '--ego-motion'])
@pytest.mark.parametrize('form', ['4x4.txt', '3x4.txt', '4x4.npy'])
def test_flow_takes_a_pose(ssrflow, stand_in, pair, tmp_path, option, form):
    pose = np.eye(4)[: int(form[0])]
    pose[:3, 3] = [-1, 0, 0]
    (np.save if form.endswith('npy') else np.savetxt)(tmp_path / form, pose)
    code, out, _ = ssrflow('flow', *pair, '--dt', '0.1', '-o', tmp_path / 'o.npz', option, tmp_path / form)
    assert code == 0 and 'given: 1.00 m' in out
    with np.load(tmp_path / 'o.npz') as result:
        np.testing.assert_allclose(result['ego_T'][:3, 3], [-1, 0, 0])


def test_flow_draws_a_picture(ssrflow, stand_in, pair, tmp_path):
    pytest.importorskip('matplotlib')
    outputs = ('-o', tmp_path / 'o.npz', '--picture', tmp_path / 'o.png')
    assert ssrflow('flow', *pair, '--dt', '0.1', *outputs)[0] == 0
    assert (tmp_path / 'o.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    'options, words',
    [
        (['--dt', '0'], ['same time stamp', '--dt']),
        (['--dt', 'nan'], ['--dt', 'seconds']),
        (['--dt', '100'], ['--dt 100', '0.1 for 100 milliseconds']),
        (['--dt', '-50'], ['--dt -50', 'seconds']),
        (['--dt', '1e-6'], ['--dt 1e-06', 'seconds']),
        (['--dt', '0.1', '--ego-motion', 'slam'], ['slam', 'scan_matching']),
        (['--dt', '0.1', '--ego-motion', 'odometry'], ['odometry', 'scan_matching']),
    ],
)
def test_flow_refuses_wrong_options(ssrflow, stand_in, pair, tmp_path, options, words):
    assert_fails(ssrflow('flow', *pair, *options, '-o', tmp_path / 'o.npz'), *words)
    assert not (tmp_path / 'o.npz').exists()


@pytest.mark.parametrize(
    'text, words',
    [
        ('hello', 'no matrix'),
        ('1 2 3', '3 numbers'),
        ('2 0 0 0\n0 2 0 0\n0 0 2 0', 'rigid'),
        ('nan 0 0 0\n0 1 0 0\n0 0 1 0', 'NaN'),
    ],
)
def test_flow_refuses_what_is_no_pose(ssrflow, stand_in, pair, tmp_path, text, words):
    (tmp_path / 'pose.txt').write_text(text)
    options = ('--dt', '0.1', '--pose', tmp_path / 'pose.txt', '-o', tmp_path / 'o.npz')
    assert_fails(ssrflow('flow', *pair, *options), 'pose.txt', words)


def test_flow_refuses_what_is_no_sweep(ssrflow, stand_in, pair, tmp_path):
    np.save(tmp_path / 'nan.npy', np.full((9, 3), np.nan))
    np.save(tmp_path / 'none.npy', np.zeros((0, 3)))
    (tmp_path / 'text.bin').write_text('1.0 2.0 3.0 0.1\n')
    for name, words in {
        'nan.npy': 'no usable point among its 9 rows',
        'none.npy': 'no usable point',
        'text.bin': 'text file',
        'gone.bin': 'does not exist',
    }.items():
        for order in ([tmp_path / name, pair[1]], [pair[0], tmp_path / name]):
            assert_fails(ssrflow('flow', *order, '--dt', '0.1', '-o', tmp_path / 'o.npz'), name, words)


def test_flow_refuses_one_sweep_given_twice(ssrflow, stand_in, pair, tmp_path):
    (tmp_path / 'copy.npy').write_bytes(pair[0].read_bytes())
    for other in (pair[0], tmp_path / 'copy.npy'):
        assert_fails(ssrflow('flow', pair[0], other, '--dt', '0.1', '-o', tmp_path / 'o.npz'), 'hold the same points')


def test_flow_tells_the_share_that_min_overlap_asks_for(ssrflow, pair, tmp_path, monkeypatch):
    class Matched(StandInSceneFlow):
        def __call__(self, pair, ego_motion=None):
            return super().__call__(pair, EgoMotion(np.eye(4), 'scan_matching', 0.46, 0.05, 0.71))

    use_method(monkeypatch, Matched)
    out = ssrflow('flow', *pair, '--dt', '0.1', '-o', tmp_path / 'o.npz')[1]
    assert '71 % of the upright surfaces matched, 46 % of all points' in out


def test_flow_names_an_output_that_cannot_be_written(ssrflow, stand_in, pair, tmp_path):
    assert_fails(ssrflow('flow', *pair, '--dt', '0.1', '-o', pair[0] / 'o.npz'), 'cannot write')
    assert_fails(ssrflow('flow', *pair, '--dt', '0.1', '-o', tmp_path / 'o.txt'), '.npz')


def test_a_place_that_cannot_be_read_or_written_is_no_fault_of_ours(ssrflow, stand_in, pair, tmp_path):
    long = 'x' * 300
    for args in (
        ('flow', *pair, '--dt', '0.1', '-o', tmp_path / f'{long}.npz'),
        ('flow', f'{long}.npy', pair[1], '--dt', '0.1', '-o', tmp_path / 'o.npz'),
        ('flow', *pair, '--dt', '0.1', '-o', tmp_path / 'o.npz', '--pose', long),
        ('bag', long, '-o', tmp_path / 'out'),
        ('evaluate', '--data', f'pairs:{long}'),
    ):
        said = ssrflow(*args)[2]
        assert_fails(ssrflow(*args), long, 'too long: check')
        assert 'damaged' not in said
    assert_fails(ssrflow('bag', '/dev/null', '-o', tmp_path / 'out'), '/dev/null is no recording')


def test_an_input_that_fails_is_not_blamed_on_the_output(ssrflow, pair, tmp_path):
    assert_fails(ssrflow('pack', pair[0], 'x' * 300 + '.npy', '-o', tmp_path / 'packed'), 'x.npy: File name too long')
    assert not [*tmp_path.glob('*packed*'), *tmp_path.glob('.*')]


# --- ssrflow bag ---------------------------------------------------------------------------------------


def write_recording(path, stamps, odometry=(), tf=(), change=None):
    """Clouds at `stamps` (s), each with intensity and ring, and the sensor moving 1 m/s ahead, as odometry or tf."""
    with write_bag(path) as bag:
        for number, seconds in enumerate(tf):
            names = ('base', 'lidar', '/tf_static') if number == 0 else ('odom', 'base', '/tf')
            bag.write(names[2], 'tf2_msgs/msg/TFMessage', round(seconds * 1e9), one_transform(*names[:2], seconds))
        for seconds in odometry:
            pose = np.eye(4)
            pose[0, 3] = seconds
            stamp_ns = round(seconds * 1e9)
            bag.write('/odom', ODOMETRY, stamp_ns, bag_messages.to_odometry(pose, stamp_ns, 'odom', 'lidar'))
        for number, seconds in enumerate(stamps):
            points = some_points()
            points[3] = np.nan
            cloud = pointcloud2.encode_points(
                points, intensity=np.arange(80, dtype=np.float32), ring=np.arange(80, dtype=np.uint16)
            )
            header = bag_messages.to_header(round(seconds * 1e9), 'lidar')
            message = bag_messages.to_pointcloud2(cloud, header)
            if change:
                change(number, message)
            bag.write('/points', POINTCLOUD2, 10**9 * (100 + number), message)


def one_transform(parent, child, seconds):
    """A TFMessage: `child` lies `seconds` metres ahead of `parent`."""
    make = bag_messages.typestore().types
    position = make['geometry_msgs/msg/Vector3'](seconds, 0.0, 0.0)
    turn = make['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)
    return make['tf2_msgs/msg/TFMessage'](
        [
            make['geometry_msgs/msg/TransformStamped'](
                bag_messages.to_header(round(seconds * 1e9), parent),
                child,
                make['geometry_msgs/msg/Transform'](position, turn),
            )
        ]
    )


def read_all(path, topic):
    with BagReader(path) as bag:
        return [message.read() for message in bag.read([topic])]


def test_bag_also_draws_a_film(ssrflow, stand_in, tmp_path):
    image = pytest.importorskip('PIL.Image')
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    line = ('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--video', tmp_path / 'drive.webp')
    code, out, _ = ssrflow(*line)
    assert code == 0 and 'drive.webp' in out
    with image.open(tmp_path / 'drive.webp') as film:
        assert film.n_frames == 2 and film.size == (960, 540)
    assert_fails(ssrflow(*line[:3], tmp_path / 'other', *line[4:]), 'drive.webp exists already', '--overwrite')
    assert ssrflow(*line, '--overwrite')[0] == 0
    assert_fails(ssrflow(*line[:3], tmp_path / 'other', '--video', tmp_path / 'drive.avi'), 'drive.avi', '.mp4, .gif')
    assert not (tmp_path / 'other').exists()


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_bag_annotates_the_newest_sweep(ssrflow, stand_in, tmp_path, storage):
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    options = ('--storage', storage, '--keep', 'ring')
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', *options)
    assert code == 0 and '1 x first sweep' in out and '(10.0 Hz)' in out and 'all steps' in out
    with BagReader(tmp_path / 'out') as bag:
        assert bag.topics == {
            '/points': (POINTCLOUD2, 3),
            '/ssrflow/flow': (POINTCLOUD2, 2),
            '/ssrflow/objects': (POINTCLOUD2, 2),
            '/ssrflow/markers': (MARKER_ARRAY, 2),
            '/ssrflow/ego_odometry': (ODOMETRY, 2),
        }
    second = read_all(tmp_path / 'out', '/ssrflow/flow')[0]
    stamp = second.header.stamp
    assert (stamp.sec, stamp.nanosec, second.header.frame_id) == (1, 100_000_000, 'lidar')
    x, vy = pointcloud2.read_field(second, 'x'), pointcloud2.read_field(second, 'vy')
    np.testing.assert_array_equal(vy, np.where(x > 10, np.float32(2), 0))
    np.testing.assert_array_equal(pointcloud2.read_field(second, 'ring'), np.delete(np.arange(80), 3))
    np.testing.assert_array_equal(pointcloud2.read_field(second, 'intensity'), np.delete(np.arange(80), 3))
    original, copy = read_all(tmp_path / 'in', '/points')[0], read_all(tmp_path / 'out', '/points')[0]
    np.testing.assert_array_equal(copy.data, original.data)


def test_bag_says_what_it_cannot_keep(ssrflow, stand_in, tmp_path):
    def without_ring(number, message):
        if number == 0:
            message.data = message.data[:5]  # is not asked
        if number == 2:
            message.fields[-1].name = 'channel'

    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2, 1.3], change=without_ring)
    assert_fails(
        ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--keep', 'intensity', 'rnig'),
        "/points have no field 'rnig'",
        "did you mean 'ring'",
    )
    assert os.listdir(tmp_path) == ['in']
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--keep', 'ring')
    assert code == 0 and '1 x ring' in out and len(read_all(tmp_path / 'out', '/ssrflow/flow')) == 2


def test_bag_judges_in_hindsight_where_asked(ssrflow, stand_in, tmp_path):
    """Of a recording this short nothing can be told, and that is said."""
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--hindsight')
    assert code == 0 and 'it cannot be told' in out and 'nothing could be seen to have moved' in out
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--overwrite')
    assert code == 0 and 'it cannot be told' not in out


def test_bag_recalibrates_on_ones_own_drive(ssrflow, stand_in, tmp_path, monkeypatch):
    from ssrflow_ros.cli import bag_summary
    from ssrflow_ros.objects.calibration import Calibration

    said = np.full(200, 0.9)
    monkeypatch.setattr(bag_summary, 'told_apart', lambda judged: (said, np.arange(200) < 120))
    write_recording(tmp_path / 'in', np.arange(5) / 10 + 1)
    options = ('-o', tmp_path / 'out', '--recalibrate', tmp_path / 'mine.json')
    code, out, _ = ssrflow('bag', tmp_path / 'in', *options)
    assert code == 0 and 'calibrated by 200 objects, of which 120 had moved' in out and 'mine.json' in out
    mine, shipped = Calibration.load(tmp_path / 'mine.json'), Calibration.load()
    odds = np.interp(0.9, shipped.object.probability, shipped.object.log_odds)
    assert mine.of(mine.object, np.array([odds]))[0] == pytest.approx(0.6, abs=0.06)
    assert_fails(ssrflow('bag', tmp_path / 'in', *options), 'exists')
    assert ssrflow('bag', tmp_path / 'in', *options, '--overwrite')[0] == 0
    (tmp_path / 'mine.json').unlink()
    code, out, _ = ssrflow('bag', tmp_path / 'in', *options, '--overwrite', '--json')
    assert code == 0 and json.loads(out) and (tmp_path / 'mine.json').exists()


def test_a_calibration_that_cannot_be_written_is_refused_before_anything_is_computed(ssrflow, tmp_path):
    write_recording(tmp_path / 'in', np.arange(5) / 10 + 1)
    (tmp_path / 'file').touch()
    place = tmp_path / 'file' / 'mine.json'
    done = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--recalibrate', place)
    assert_fails(done, f'cannot write {place}')
    assert sorted(os.listdir(tmp_path)) == ['file', 'in']


@pytest.mark.parametrize(
    'command, option',
    [
        ('bag in -o {}', '-o'),
        ('bag {} -o out', 'IN'),
        ('bag in -o out --topic {}', '--topic'),
        ('bag in -o out --keep {}', '--keep'),
        ('simulate -o {}', '-o'),
        ('flow a.bin b.bin --dt 1 -o x.npz --picture {}', '--picture'),
        ('doctor --bag {}', '--bag'),
        ('evaluate --data simulated:1 -o {}', '-o'),
        ('adapt in -o {}', '-o'),
        ('train run {} --pairs p', 'folder'),
        ('demo -o {}', '-o'),
    ],
)
def test_an_empty_name_is_refused(ssrflow, tmp_path, monkeypatch, command, option):
    """A variable of a shell that is not set; as a path it would be the working folder."""
    monkeypatch.chdir(tmp_path)
    code, _, err = ssrflow(*(word.format('') for word in command.split()))
    assert code == 2 and f'argument {option}' in err and 'it is empty' in err and err.count('\n') == 1
    assert not os.listdir(tmp_path)


def test_an_empty_setting_is_one(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [1.0, 1.1])
    assert ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--own-body', '', '--mounting=')[0] == 0


@pytest.mark.parametrize(
    'command, words',
    [
        ('bag in -o out --start nan', 'start nan s'),
        ('bag in -o out --workers 0', '--workers 0'),
        ('doctor --bag in --seconds 0', '--seconds 0'),
        ('doctor --bag in --seconds nan', '--seconds nan'),
        ('view in --export x.html --points 0', '--points'),
        ('flow a.npy b.npy --dt 0.1 -o x.npz --picture x.pdf', 'the picture is a .png'),
    ],
)
def test_numbers_and_endings_that_say_nothing_are_refused(ssrflow, tmp_path, monkeypatch, command, words):
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / 'in', [1.0, 1.1])
    code, _, err = ssrflow(*command.split())
    assert code == 2 and words in err and 'damaged' not in err and os.listdir(tmp_path) == ['in']


def test_bag_takes_the_motion_from_odometry(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2], odometry=[0.9, 1.05, 1.15])
    code, out, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--odometry', '/odom')
    assert code == 0 and '1 x no ego-motion' in out and '0.050 s after the newest pose' in err
    assert len(read_all(tmp_path / 'out', '/ssrflow/flow')) == 1
    assert_fails(ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'o2', '--odometry', '/points'), '/odom (3 messages)')


def test_bag_takes_the_motion_from_tf(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2], tf=[0.9, 0.95, 1.05, 1.15])
    options = ('--ego-motion', 'tf', '--fixed-frame', 'odom')
    code, out, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', *options)
    assert code == 0 and '1 x no ego-motion' in out and "after the newest pose of 'base' in 'odom'" in err
    assert len(read_all(tmp_path / 'out', '/ssrflow/flow')) == 1


def test_bag_counts_what_cannot_be_paired(ssrflow, stand_in, tmp_path):
    def damage(number, message):
        if number == 2:
            message.point_step = 0
        if number == 5:
            message.fields[0].name = 'range'

    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2, 1.2, 1.2, 1.3, 5.0, 5.1, 5.05, 2.0, 2.1], change=damage)
    code, out, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')
    assert code == 0
    for words in (
        '2 x malformed cloud',
        '1 x first sweep',
        '1 x same stamp twice',
        '1 x stamp older than the last',
        '1 x gap too long',
        '1 x time restarted',
    ):
        assert words in out
    assert len(read_all(tmp_path / 'out', '/ssrflow/flow')) == 4
    assert len(read_all(tmp_path / 'out', '/points')) == 11


def test_bag_without_a_single_pair_is_an_error(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [0.0, 0.0, 0.0])
    assert_fails(ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out'), '2 x same stamp twice')
    assert not (tmp_path / 'out').exists()


def _in_turn(number, message):
    message.header.frame_id = ('front', 'rear')[number % 2]


def _without_step(number, message):
    message.point_step = 0


@pytest.mark.parametrize(
    'stamps, change, words',
    [
        ([0.0] * 3, None, 'fills in header.stamp'),
        ([1.0, 2.0, 3.0], None, 'raise max_gap'),
        ([1.0, 1.1, 1.2, 1.3], _in_turn, 'give each sensor a topic'),
        ([1.0], None, 'two are needed'),
        ([1.0, 1.1], _without_step, 'the driver must set it'),
        ([], None, 'two are needed'),
    ],
)
def test_a_refused_recording_is_told_the_cure_where_it_is_refused(ssrflow, stand_in, tmp_path, stamps, change, words):
    write_recording(tmp_path / 'in', stamps, odometry=[1.0], change=change)
    if stamps:
        code, _, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')
        last = err.splitlines()[-1]
        assert code == 2 and words in last and 'could be annotated' in last and 'above' not in last


def _shifted(number, message):
    x = message.data.reshape(-1, message.point_step)[:, :4].copy().view(np.float32) + np.float32(100)
    message.data.reshape(-1, message.point_step)[:, :4] = (x + np.float32(0.01 * number)).view(np.uint8)


def _in_millimetres(number, message):
    points = message.data.reshape(-1, message.point_step)
    points[:, :12] = (1000 * points[:, :12].copy().view(np.float32)).view(np.uint8)


def test_bag_names_clouds_that_are_not_in_metres(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2], change=_in_millimetres)
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')
    assert code == 2 and out.count('they are millimetres') == 1
    # Where nothing can be said of them, that is the cause that is named.
    write_recording(tmp_path / 'none', [1.0, 2.0, 3.0], change=_in_millimetres)
    assert_fails(ssrflow('bag', tmp_path / 'none', '-o', tmp_path / 'o2'), 'could be annotated', 'feed metres')


def test_a_cloud_that_cannot_be_read_leaves_the_stamps_even(ssrflow, stand_in, tmp_path):
    def damage(number, message):
        if number == 2:
            message.point_step = 0

    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2, 1.3, 1.4], change=damage)
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')
    assert code == 0 and '(10.0 Hz)' in out and 'uneven' not in out


def test_bag_says_what_the_doctor_would(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'good', [1.0, 1.1, 1.2])
    code, out, _ = ssrflow('bag', tmp_path / 'good', '-o', tmp_path / 'o1')
    assert code == 0 and not {'note', 'WRONG'} & {line.split(' ')[0] for line in out.splitlines()}
    write_recording(tmp_path / 'uneven', [1.0, 1.15, 1.2])
    code, out, _ = ssrflow('bag', tmp_path / 'uneven', '-o', tmp_path / 'o2')
    assert code == 0 and out.count('stamps are uneven') == 1
    write_recording(tmp_path / 'map', [1.0, 1.1, 1.2], change=_shifted)
    code, out, _ = ssrflow('bag', tmp_path / 'map', '-o', tmp_path / 'o3')
    assert code == 2 and out.count("no return near the frame's origin") == 1 and (tmp_path / 'o3').exists()


def test_bag_drops_clouds_that_were_sent_twice(ssrflow, stand_in, tmp_path):
    def moved_on(number, message):
        message.data[1] ^= 1 + number // 2

    write_recording(tmp_path / 'in', [1.0, 1.05, 1.1, 1.15, 1.2, 1.25], change=moved_on)
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')
    assert code == 0 and '3 x same points again' in out and 'let each sweep be sent once' in out
    stamps = [message.header.stamp.nanosec for message in read_all(tmp_path / 'out', '/ssrflow/flow')]
    assert stamps == [100_000_000, 200_000_000]


def test_bag_reads_what_a_killed_recorder_left_and_says_so(ssrflow, stand_in, tmp_path):
    write_mcap(tmp_path / 'killed.mcap', finish=False, chunk_size=1000)
    code, out, err = ssrflow('bag', tmp_path / 'killed.mcap', '-o', tmp_path / 'out')
    assert code == 0 and 'has no end' in err and '1 x first sweep' in out
    assert len(read_all(tmp_path / 'out', '/ssrflow/flow')) >= 4


def test_bag_reads_its_own_output_again(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    assert ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'once')[0] == 0
    assert ssrflow('bag', tmp_path / 'once', '-o', tmp_path / 'twice')[0] == 0
    assert len(read_all(tmp_path / 'twice', '/ssrflow/flow')) == 2


def test_bag_takes_the_motion_of_each_loop_from_its_own_poses(ssrflow, stand_in, tmp_path):
    with write_bag(tmp_path / 'in') as bag:
        for run in range(4):
            for number in range(20):
                stamp_ns, recorded_ns = 10**10 + 10**8 * number, 10**11 + 10**8 * (20 * run + number)
                pose = np.eye(4)
                pose[0, 3] = 0.1 * run * number
                bag.write('/odom', ODOMETRY, recorded_ns, bag_messages.to_odometry(pose, stamp_ns, 'odom', 'lidar'))
                cloud = pointcloud2.encode_points(some_points(seed=number))
                bag.write(
                    '/points',
                    POINTCLOUD2,
                    recorded_ns + 10**7,
                    bag_messages.to_pointcloud2(cloud, bag_messages.to_header(stamp_ns, 'lidar')),
                )
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--odometry', '/odom')
    assert code == 0 and 'no ego-motion' not in out and '3 x time restarted' in out
    assert len(read_all(tmp_path / 'out', '/ssrflow/flow')) == 80 - 4


def test_bag_goes_on_after_a_failed_match(ssrflow, tmp_path, monkeypatch):
    class NoMatch(StandInSceneFlow):
        def __call__(self, pair, ego_motion=None):
            if pair.source.stamp_ns == 1_100_000_000:
                raise EgoMotionError('too few matches: give odometry')
            return super().__call__(pair, ego_motion)

    use_method(monkeypatch, NoMatch)
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    code, out, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')
    assert code == 0 and '1 x no ego-motion' in out and 'too few matches: give odometry' in out + err


@pytest.mark.parametrize('part', ['prepare', 'infer', 'detect'])
def test_bag_splits_every_cloud_into_what_stands_and_what_moves(ssrflow, tmp_path, monkeypatch, part):
    """Wherever one of them is refused."""

    def refusing(self, given, *more):
        pair = given if part == 'prepare' else given[0]
        if pair.source.stamp_ns == 1_200_000_000:
            raise EgoMotionError('too few matches: give odometry')
        return getattr(StandInSceneFlow, part)(self, given, *more)

    def in_the_object(number, message):
        if number == 3:
            message.point_step = 0  # no cloud: it cannot be split
        else:
            message.data.reshape(80, -1)[4, :12] = np.float32([9.8, 0.2 * number, 0.0]).view(np.uint8)

    use_method(monkeypatch, type('NoMatch', (StandInSceneFlow,), {part: refusing}))
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2, 1.25, 1.3], change=in_the_object)
    options = ('--static', '--moving', '--static-margin', 2.0)
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', *options)
    assert code == 0 and '1 x no ego-motion' in out
    clouds, static, moving = (
        read_all(tmp_path / 'out', topic) for topic in ('/points', '/ssrflow/static', '/ssrflow/moving')
    )
    clouds.pop(3)
    assert [message.width for message in static] != [80] * 4 and len(static) == len(moving) == 4
    for cloud, stands, moves in zip(clouds, static, moving):
        assert stands.header == moves.header == cloud.header and stands.width + moves.width == 80
        assert stands.fields == cloud.fields
    assert moving[0].width == 0, 'of the first cloud nothing is known'
    rows = [pointcloud2.read_field(message, 'ring') for message in moving]
    for number in (1, 3):  # what moves by itself, and what is near its box and no ground
        x, y, z = (pointcloud2.read_field(clouds[number], name) for name in 'xyz')
        assert set(rows[number]) == set(np.flatnonzero((x > 10) | (x > 9.5) & (abs(y) < 2.5) & (z >= -1.5)))
    assert 4 in rows[2] and len(rows[2]) < len(rows[1]), 'without a flow there is but the object'


def test_bag_names_topics_and_outputs(ssrflow, stand_in, tmp_path):
    write_recording(tmp_path / 'in', [1.0, 1.1])
    assert_fails(ssrflow('bag', tmp_path / 'in', '--topic', '/lidar', '-o', tmp_path / 'out'), '/points (2 messages)')
    assert_fails(ssrflow('bag', tmp_path / 'gone', '-o', tmp_path / 'out'), 'does not exist')
    (tmp_path / 'out').mkdir()
    assert_fails(ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out'), '--overwrite')
    assert ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--overwrite')[0] == 0


def test_bag_leaves_nothing_after_ctrl_c(ssrflow, tmp_path, monkeypatch):
    class Interrupted(StandInSceneFlow):
        def __call__(self, pair, ego_motion=None):
            raise KeyboardInterrupt

    use_method(monkeypatch, Interrupted)
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    assert_fails(ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out'), 'Ctrl-C', code=130)
    assert os.listdir(tmp_path) == ['in']


# --- ssrflow pack, ssrflow simulate ----------------------------------------------------------------------


def test_pack_takes_a_folder_in_the_order_of_its_names(ssrflow, tmp_path):
    (tmp_path / 'sweeps').mkdir()
    for number in (2, 10, 1):
        np.save(tmp_path / 'sweeps' / f's{number}.npy', np.full((number, 3), 5.0))
    (tmp_path / 'sweeps' / 'times.txt').write_text('')
    assert ssrflow('pack', tmp_path / 'sweeps', '-o', tmp_path / 'bag', '--rate', '20')[0] == 0
    sweeps = [pointcloud2.decode(message) for message in read_all(tmp_path / 'bag', '/points')]
    assert [len(sweep) for sweep in sweeps] == [1, 2, 10]
    assert np.diff([sweep.stamp_ns for sweep in sweeps]).tolist() == [50_000_000] * 2
    assert_fails(ssrflow('pack', tmp_path / 'bag', '-o', tmp_path / 'b2'), 'holds no .npy')


def test_pack_keeps_what_the_files_hold(ssrflow, tmp_path):
    cloud = np.zeros(
        9,
        [
            ('x', '>f8'),
            ('y', 'f4'),
            ('z', 'f4'),
            ('intensity', '>f4'),
            ('ring', 'u2'),
            ('points', 'i1'),
            ('time', 'i8'),
            ('valid', '?'),
            ('half', 'f2'),
        ],
    )
    for name in ('x', 'intensity', 'ring', 'time'):
        cloud[name] = 5 + np.arange(9)
    np.save(tmp_path / 'a.npy', cloud)
    np.column_stack([some_points(9), np.arange(9)]).astype('<f4').tofile(tmp_path / 'b.bin')
    assert ssrflow('pack', tmp_path / 'a.npy', tmp_path / 'b.bin', '-o', tmp_path / 'bag')[0] == 0
    first, second = read_all(tmp_path / 'bag', '/points')
    assert [(field.name, field.datatype) for field in first.fields] == [
        ('x', 7),
        ('y', 7),
        ('z', 7),
        ('intensity', 7),
        ('ring', 4),
        ('points', 1),
        ('time', 8),
        ('valid', 2),
        ('half', 7),
    ]
    for name in ('x', 'intensity', 'ring', 'time'):
        np.testing.assert_array_equal(pointcloud2.read_field(first, name), cloud[name])
    np.testing.assert_array_equal(pointcloud2.read_field(second, 'intensity'), np.arange(9))


def test_simulated_recording_holds_its_truth(ssrflow, tmp_path):
    options = ('--sweeps', 2, '--seed', 1, '--sensor', 'vlp16')
    code, out, _ = ssrflow('simulate', '-o', tmp_path / 'sim', *options)
    assert code == 0 and 'sweeps/s' in out
    with BagReader(tmp_path / 'sim') as bag:
        assert {name: count for name, (_, count) in bag.topics.items()} == {
            '/points': 2,
            '/odom': 2,
            '/ground_truth': 2,
            '/ground_truth_objects': 2,
        }
    points, truth = read_all(tmp_path / 'sim', '/points')[0], read_all(tmp_path / 'sim', '/ground_truth')[0]
    assert [field.name for field in truth.fields] == [
        'x',
        'y',
        'z',
        'flow_x',
        'flow_y',
        'flow_z',
        'vx',
        'vy',
        'vz',
        'moving',
        'ground',
        'class',
        'object',
    ]
    np.testing.assert_array_equal(pointcloud2.read_field(points, 'x'), pointcloud2.read_field(truth, 'x'))
    assert points.header == truth.header
    first, second = (
        np.array([message.pose.pose.position.x, message.pose.pose.position.y])
        for message in read_all(tmp_path / 'sim', '/odom')
    )
    assert np.linalg.norm(second - first) < 4


def test_simulate_lists_sensors_and_scenes(ssrflow, tmp_path):
    assert_fails(ssrflow('simulate', '-o', tmp_path / 'sim', '--sensor', 'vlp'), 'vlp16')
    assert_fails(ssrflow('simulate', '-o', tmp_path / 'sim', '--sweeps', 0), 'sweeps >= 1')
    assert not (tmp_path / 'sim').exists()


def test_simulate_cleans_up_when_it_is_ended(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-m', 'ssrflow_ros', 'simulate', '-o', 'sim', '--sweeps', '100000'],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not os.listdir(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert os.listdir(tmp_path), 'it never began to write'
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 143
    assert os.listdir(tmp_path) == []


def test_an_ending_that_python_dropped_is_asked_for_again(tmp_path):
    """SystemExit raised inside a weakref callback is lost; the alarm must bring it back."""
    code = (
        'import os, signal, time, weakref\n'
        'from ssrflow_ros.cli import main\n'
        'class Thing: pass\n'
        'def run(*_):\n'
        '    thing = Thing()\n'
        '    kept = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(0.1))\n'
        '    del thing\n'
        '    print("dropped", flush=True)\n'
        '    time.sleep(600)\n'
        'main._run = run\n'
        'raise SystemExit(main.main(["flow"]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=ENVIRONMENT, timeout=120, capture_output=True, text=True
    )
    assert done.stdout == 'dropped\n' and done.returncode == 143


@pytest.mark.parametrize('closed', ['>&-', '2>&-', '>&- 2>&-'])
def test_nobody_need_listen(tmp_path, closed):
    np.save(tmp_path / '0.npy', some_points())
    command = f'exec {sys.executable} -m ssrflow_ros pack {tmp_path}/0.npy -o {tmp_path}/out {closed}'
    done = subprocess.run(['sh', '-c', command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '') and (tmp_path / 'out' / 'metadata.yaml').is_file()


def test_names_are_printed_where_not_all_signs_are_known(tmp_path):
    np.save(tmp_path / '0.npy', some_points())
    command = [sys.executable, '-m', 'ssrflow_ros', 'pack', tmp_path / '0.npy', '-o', tmp_path / 'häuser']
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, 'PYTHONIOENCODING': 'ascii'})
    assert done.returncode == 0 and r'h\xe4user' in done.stdout, done.stderr
