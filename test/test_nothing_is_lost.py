"""Random files, random commands: whatever a command did not make itself stays, with the same bytes.

Every command runs in a forked process, good, failing, out of disk space, ended or killed at any access to a file. What
computes is stood in for, what writes is the real thing.
"""

import errno
import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip('rosbags')
pytest.importorskip('matplotlib')

import matplotlib.backends.backend_agg  # noqa: F401  loaded once, for all forks
import matplotlib.font_manager  # noqa: F401
from test_cli import StandInSceneFlow, some_points, write_recording
from test_evaluate import StandIn as ScoredSceneFlow
from test_training_run import TINY

import ssrflow_ros.doctor.bag
import ssrflow_ros.evaluation.picture
import ssrflow_ros.simulator
from ssrflow_ros import atomic_write, operators  # noqa: F401
from ssrflow_ros.atomic_write import MARKER, _foreign
from ssrflow_ros.cli import adapt as cli_adapt
from ssrflow_ros.cli import bench, demo
from ssrflow_ros.cli import main as cli
from ssrflow_ros.doctor.finding import ok
from ssrflow_ros.evaluation import predictions, replay_check  # noqa: F401
from ssrflow_ros.formats import bag_messages, picture, pointcloud2
from ssrflow_ros.formats.bags import POINTCLOUD2, BagMessage, BagReader, typestore
from ssrflow_ros.formats.object_cloud import encode_objects
from ssrflow_ros.formats.stamped import stamp_of
from ssrflow_ros.inference import export
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import save_weights
from ssrflow_ros.simulator.simulate import LabelledSweep
from ssrflow_ros.sweep import Sweep, SweepPair
from ssrflow_ros.training import ablate, adapt, pairs, training_data  # noqa: F401
from ssrflow_ros.training.adapt import Judgement
from ssrflow_ros.training.pairs import TrainingPair
from ssrflow_ros.training.recording import RecordedSweep
from ssrflow_ros.training.train import Training

POINTS = some_points(60)
FEATURES = np.zeros((60, 3), np.float32)


# --- what computes, stood in for ---------------------------------------------------------------------------


def simulated(seed, sweeps, sensor=None, scene=None, rate=10.0, kept=None):
    for number in range(min(sweeps, 3)):
        yield LabelledSweep(
            Sweep.from_points(POINTS, 10**9 + number * 10**8, 'lidar'),
            np.eye(4),
            np.eye(4),
            0.1,
            FEATURES,
            FEATURES,
            FEATURES,
            FEATURES,
            np.full(60, -1, np.int32),
            np.zeros(60, np.uint8),
            POINTS[:, 2] < -1.5,
            np.zeros(60, np.float32),
            np.zeros((0, 7)),
        )


def training_pair(seed, scene=None, sensor=None):
    return TrainingPair(POINTS, POINTS, FEATURES, FEATURES, np.eye(4), POINTS[:5], POINTS[:5], origin='made up')


class Measured:
    """In place of all measurements of `bench`."""

    def __init__(self, args, settings, output):
        self._args, self._output = args, output

    def run(self):
        if self._args.input:
            with BagReader(self._args.input):
                pass
        for name in ('stages.png', 'bench.json'):
            (self._output / name).write_text(f'{os.getpid()} {time.time()}')


class Trained:
    """In place of `Training.run`: all that it writes, without a step."""

    def run(self, minutes=0, report_every=1, validate_every=1, workers=1):
        if self.step >= self.config.steps:
            return
        training_data.record(
            self.folder, self.step, *(place and self.objective.describe(place) for place in self._places)
        )
        self.step, self._watch = self.config.steps, SimpleNamespace(timings_ms={'data': 1.0})
        self._report(torch.ones(1, 1 + len(self.objective.FIGURES)))
        self.save()
        if self.validation:
            self._report_validation([1.0] * len(self.objective.FIGURES))


class BagReplay:
    """In place of the node: answers every cloud."""

    def __init__(self):
        self.record = SimpleNamespace(sent={}, flow=[], objects=[], markers=[], diagnostics={})

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def connected(self):
        return True

    def play(self, messages, check):
        for topic, time_ns, raw in messages:
            cloud = BagMessage(topic, POINTCLOUD2, time_ns, bytes(raw)).read()
            sweep = pointcloud2.decode(cloud)
            before = Sweep.from_points(POINTS, sweep.stamp_ns - 10**8, sweep.frame_id)
            flow = StandInSceneFlow(SimpleNamespace(ego_motion='none'))(SweepPair(sweep, before))
            self.record.sent[stamp_of(raw)] = time.monotonic()
            for answers, encoded in (
                (self.record.flow, pointcloud2.encode(flow, cloud)),
                (self.record.objects, encode_objects(flow.objects)),
            ):
                message = bag_messages.to_pointcloud2(encoded, cloud.header)
                answers.append((time.monotonic(), bytes(typestore().serialize_cdr(message, POINTCLOUD2))))


class Node:
    """In place of the node's process."""

    def __init__(self, *command, stdout=None, **options):
        stdout.write('[INFO]: ready\n')

    def poll(self):
        return None

    def send_signal(self, number):
        pass

    def wait(self, timeout=None):
        return 0


class Program:
    def __init__(self):
        self.model = SimpleNamespace(doc_string='', metadata_props={})

    def save(self, path):
        Path(path).write_text(f'{self.model.doc_string} {time.time()}')


def recorded_sweeps(args, settings, drops):
    with BagReader(args.input) as bag:
        bag.choose(args.topic, POINTCLOUD2)
    for _ in range(12):
        yield RecordedSweep(POINTS, np.zeros(60, np.int32), np.eye(4), 0, POINTS[:5])


def judged(*_):
    better = random.random() < 0.5
    before, after = (
        {'chamfer_moving': value, 'unmoved': 1.0, 'static': value} for value in (2.0, 1.0 if better else 3.0)
    )
    return Judgement(before, after, 1.0 if better else -1.0, 0.1)


def stand_in():
    """Only ever called in a fork."""
    sys.modules['ssrflow_ros.scene_flow'] = SimpleNamespace(SceneFlow=StandInSceneFlow)
    sys.modules['ssrflow_ros.node.bag_replay'] = SimpleNamespace(
        POINTS='points', ODOMETRY='odometry', BagReplay=BagReplay
    )
    StandInSceneFlow.inference = property(lambda self: SimpleNamespace(network=SSRFlow(TINY.network).eval()))
    ssrflow_ros.simulator.simulate = simulated
    pairs.make_pair = training_pair
    bench._Bench = Measured
    Training.run = Trained.run
    adapt.judge = judged
    cli_adapt._sweeps = recorded_sweeps
    predictions.SceneFlow = ScoredSceneFlow
    ssrflow_ros.evaluation.picture.draw_errors = lambda path, *_: path.write_bytes(b'picture')
    picture._INCHES, picture._DPI = (3.0, 3.0), 20
    ssrflow_ros.doctor.bag.examine_bag = lambda path, *_: BagReader(path).__enter__() and [ok('bag', 'is one')]
    demo.importlib = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: True))
    demo.subprocess = SimpleNamespace(Popen=Node, STDOUT=None)
    demo.private_network = lambda: nullcontext({})
    shutil.which = lambda name: name
    export.TOLERANCE = np.inf
    torch.onnx.export = lambda *_, **__: Program()
    export._onnxruntime = lambda: SimpleNamespace(
        InferenceSession=lambda *_, **__: SimpleNamespace(run=lambda *_: [np.zeros((1, 1, 3), np.float32)])
    )


# --- files that a user may have ------------------------------------------------------------------------------

NAMES = (
    'notes.txt',
    'x.npz',
    'o.png',
    'net.onnx',
    'checkpoint.pt',
    'training.json',
    'training_data.json',
    'curve.csv',
    'validation.csv',
    'ablation.md',
    'judgement.json',
    'adapted.safetensors',
    'sweeps',
    'training',
    'flow.png',
    'typical.png',
    'node.log',
    'recording',
    'flow_bag',
    '000000001.npz',
    'metadata.yaml',
    'bench.json',
    'evaluation.json',
    MARKER,
)
FOLDERS = ('out', 'bench', 'demo', 'runs', 'data/deep', 'runs/as-it-is-0')
PARTS = ('out', 'new', 'bench', 'demo', 'runs', 'x.npz', 'y.npz', 'o.png', 'net.onnx', 'rec', 'made', '.')


@pytest.fixture(scope='module')
def materials(tmp_path_factory):
    """One of each input, copied into every tree."""
    folder = tmp_path_factory.mktemp('materials')
    write_recording(folder / 'rec', [1.0, 1.1, 1.2])
    (folder / 'rec' / MARKER).unlink()  # it is the user's
    for number in range(2):
        (folder / 'clouds').mkdir(exist_ok=True)
        points = POINTS + np.float32(0.1 * (number + 1))
        np.column_stack([points, points[:, 0]]).astype(np.float32).tofile(folder / 'clouds' / f'{number}.bin')
    (folder / 'pairs').mkdir()
    np.savez(folder / 'pairs' / 'a.npz', pc1=POINTS, pc2=POINTS, flow=FEATURES, dt=0.1, ego_T=np.eye(4))
    (folder / 'training').mkdir()
    training_pair(0).save(folder / 'training' / 'x.npz')
    np.savetxt(folder / 'pose.txt', np.eye(4))
    (folder / 'tiny.json').write_text(json.dumps({**TINY.as_dict(), 'steps': 1}))
    save_weights(folder / 'w.safetensors', SSRFlow(TINY.network), {'name': 'tiny'})
    return folder


def some_tree(root, rng, materials):
    shutil.copytree(materials, root)
    for folder in rng.sample(FOLDERS, rng.randint(1, 4)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        if rng.random() < 0.7:
            add_file(root, rng, root / folder)
    for _ in range(rng.randint(0, 4)):
        add_file(root, rng)
    for _ in range(rng.randint(0, 2)):
        add_link(root, rng)


def all_paths(root):
    return sorted(path for path in root.rglob('*'))


def add_file(root, rng, folder=None):
    """A file of the user's where there is none; its path, or None.

    In the folder of a training the names that it writes are its own, so there the user takes others.
    """
    folder = folder or rng.choice([root, *(path for path in all_paths(root) if path.is_dir())])
    begun = any((folder / name).exists() for name in ('training.json', 'sweeps/recording.json', 'recording.json'))
    path = folder / (NAMES[0] if begun else rng.choice(NAMES))
    if os.path.lexists(path):
        return None
    path.write_bytes(rng.choice([rng.randbytes(30), b'{}', b'step,pairs\n1,2\n', b'']))
    return path


def add_link(root, rng):
    """A symbolic or hard link to anything, under a name that some command may want; its path, or None."""
    target, path = rng.choice(all_paths(root)), rng.choice([root, root / 'out']) / rng.choice(PARTS[:-1])
    if os.path.lexists(path) or not path.parent.is_dir():
        return None
    if target.is_file() and not target.is_symlink() and rng.random() < 0.5:
        os.link(target, path)
    else:
        path.symlink_to(rng.choice([target, os.path.relpath(target, path.parent), 'nowhere']))
    return path


def edit(root, rng, owners):
    """The user writes into what a command made; from then on it is the user's. None if there is nothing of the kind.

    Left alone is what a training reads and writes again and again: there a name says whose it is.
    """
    made = [
        root / path
        for path, owner in owners.items()
        if owner != 'training'
        and (root / path).is_file()
        and not (root / path).is_symlink()
        and Path(path).name != MARKER
    ]
    if not made:
        return None
    path = rng.choice(made)
    if any((folder / MARKER).exists() for folder in path.parents):
        with open(path, 'ab') as file:
            file.write(b'mine')
    else:
        path.write_bytes(rng.randbytes(40))
    return path


# --- command lines ---------------------------------------------------------------------------------------------


class Lines:
    """Random command lines about the tree `root`."""

    def __init__(self, root, rng):
        self.root, self.rng = root, rng

    def place(self, *likely):
        """A name for an output: of anything that is there, or new, and spelt in any way."""
        choice = self.rng.random()
        if choice < 0.35:
            path = self.rng.choice([*all_paths(self.root), self.root])
        elif choice < 0.55:
            folders = [path for path in all_paths(self.root) if path.is_dir()]
            path = self.rng.choice(folders) / self.rng.choice(likely or PARTS)
        else:
            path = self.root / self.rng.choice(likely or PARTS)
        relative = os.path.relpath(path, self.root)
        return self.rng.choice(
            [str(path), relative, relative, f'./{relative}', f'clouds/../{relative}', f'{relative}/']
        )

    def one_of(self, *good):
        """An input that is there, now and then anything else."""
        return self.rng.choice(good) if self.rng.random() < 0.85 else self.place()

    def overwrite(self):
        return ['--overwrite'] * (self.rng.random() < 0.7)

    def weights(self):
        return ['--weights', self.one_of('w.safetensors', 'onboard')]

    def flow(self):
        picture = ['--picture', self.place('o.png', 'x.npz')] * (self.rng.random() < 0.5)
        pose = ['--pose', self.one_of('pose.txt')] * (self.rng.random() < 0.3)
        output = self.place('x.npz', 'y.npz')
        source = output if self.rng.random() < 0.1 else self.one_of('clouds/0.bin', 'pairs/a.npz')
        return [
            'flow',
            source,
            self.one_of('clouds/1.bin'),
            '--dt',
            '0.1',
            '-o',
            output,
            *picture,
            *pose,
            *self.overwrite(),
        ], [output, *picture[1:]]

    def bag(self):
        output = self.place()
        video = [self.rng.choice(['--video', '--report']), self.place('v.gif', 'v.webp', 'v.html')] * (
            self.rng.random() < 0.3
        )
        return [
            'bag',
            self.one_of('rec', 'rec/rec.mcap'),
            '-o',
            output,
            '--storage',
            self.storage(),
            *self.overwrite(),
            *['--keep', self.rng.choice(['ring', 'colour'])] * (self.rng.random() < 0.2),
            *video,
        ], [output, *video[1:]]

    def storage(self):
        return self.rng.choice(['mcap', 'mcap', 'sqlite3'])

    def view(self):
        output = self.place('page.html', 'o.html')
        return ['view', self.one_of('rec', 'rec/rec.mcap'), '--export', output, *self.overwrite()], [output]

    def pack(self):
        output = self.place()
        files = self.rng.choice([['clouds'], ['clouds/0.bin', 'clouds/1.bin'], ['clouds/1.bin', self.place()]])
        return ['pack', *files, '-o', output, '--storage', self.storage(), *self.overwrite()], [output]

    def simulate(self):
        output = self.place()
        return ['simulate', '-o', output, '--sweeps', '2', *self.overwrite()], [output]

    def demo(self):
        output = self.place('demo', 'out')
        bag = ['--bag', self.one_of('rec', f'{output}/recording', f'{output}/flow_bag')] * (self.rng.random() < 0.5)
        return ['demo', '-o', output, *bag, *self.overwrite()], [
            f'{output}/{name}' for name in ('flow.png', 'typical.png', 'flow_bag', *([] if bag else ['recording']))
        ]

    def bench(self):
        output = self.place('bench')
        given = ['-o', output] if self.rng.random() < 0.7 else []
        return ['bench', *[self.one_of('rec')] * (self.rng.random() < 0.5), *given, *self.overwrite()], [
            output if given else 'bench'
        ]

    def doctor(self):
        return ['doctor', '--bag', self.one_of('rec')], []

    def train(self):
        folder = self.place('runs', 'runs/as-it-is-0', 'out', 'made')
        step = self.rng.choice(['pairs', 'run', 'run', 'ship', 'ship'])
        if step == 'pairs':
            return ['train', 'pairs', folder, '--count', '2'], []
        if step == 'run':
            return [
                'train',
                'run',
                folder,
                '--pairs',
                self.one_of('training', 'made', folder),
                '--val',
                'training',
                '--settings',
                'tiny.json',
                '--workers',
                '0',
                '--device',
                'cpu',
            ], []
        output = self.place('shipped', 'out')
        return [
            'train',
            'ship',
            folder,
            '--name',
            self.rng.choice(['net', 'onboard']),
            '-o',
            output,
            *self.overwrite(),
        ], [output]

    def evaluate(self):
        output = self.place('report', 'out')
        return [
            'evaluate',
            '--data',
            self.rng.choice(['pairs:pairs', f'pairs:{self.place()}']),
            '-o',
            output,
            *self.overwrite(),
            *self.weights(),
        ], [output]

    def export(self):
        output = self.place('net.onnx', 'out/net.onnx')
        return ['export', output, '--points', '256', '--weights', self.one_of('w.safetensors'), *self.overwrite()], [
            output
        ]

    def adapt(self):
        folder = self.place('runs', 'mine')
        return [
            'adapt',
            self.one_of('rec'),
            '-o',
            folder,
            '--steps',
            '1',
            '--workers',
            '0',
            '--device',
            'cpu',
            '--weights',
            self.one_of('w.safetensors', f'{folder}/adapted.safetensors'),
        ], []

    def ablate(self):
        folder = self.place('runs', 'out')
        return [
            'ablate',
            folder,
            '--pairs',
            self.one_of('training', folder),
            '--val',
            'training',
            '--only',
            'as-it-is',
            '--settings',
            'tiny.json',
            '--workers',
            '0',
            '--device',
            'cpu',
        ], []


def test_every_command_is_tried():
    assert all(callable(getattr(Lines, name, None)) for name in cli.COMMANDS), 'Lines lacks a new command'


# --- runs --------------------------------------------------------------------------------------------------------

STOPS = {'killed': lambda: os.kill(os.getpid(), signal.SIGKILL), 'ended': lambda: os.kill(os.getpid(), signal.SIGTERM)}
WRITES = ('os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'os.link', 'os.symlink', 'os.truncate', 'sqlite3.connect')


def stop_at(root, stop, number):
    """Be stopped at the access to the tree of that number: any file opened for writing, renamed, removed."""
    left = [number]

    def count(path):
        if not isinstance(path, (str, bytes, os.PathLike)) or not os.path.abspath(os.fsdecode(path)).startswith(
            f'{root}{os.sep}'
        ):
            return
        left[0] -= 1
        if left[0] == 0:
            if stop == 'full':
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if stop == 'Ctrl-C':
                raise KeyboardInterrupt
            STOPS[stop]()

    def hear(event, arguments):
        if event in WRITES or event == 'open' and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            count(arguments[0])

    sys.addaudithook(hear)
    renamed = atomic_write._renamed

    def and_counted(*arguments):  # a call into the C library is not heard of
        count(arguments[0])
        done = renamed(*arguments)
        count(arguments[0])
        return done

    atomic_write._renamed = and_counted


def forked(root, line, stop=None, number=0, exchange=True):
    """Exit code of `ssrflow LINE` in the tree, and what it said; negative: killed."""
    said = root.parent / 'said'
    child = os.fork()
    if not child:
        try:
            os.chdir(root)
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout, sys.stderr = os.fdopen(1, 'w'), os.fdopen(2, 'w')
            stand_in()
            if not exchange:
                atomic_write._renameat2 = lambda: None
            if stop:
                stop_at(root, stop, number)
            try:
                code = cli.main([*line])
            except SystemExit as end:
                code = end.code
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text()


def snapshot(root):
    """The bytes of every file, and where every link leads, by path."""
    found = {}
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink():
                found[str(path.relative_to(root))] = os.readlink(path)
            elif path.is_file():
                found[str(path.relative_to(root))] = path.read_bytes()
    return found


def owner_of(line):
    """What was made by one of these may be changed by it."""
    command = ' '.join(line[:2]) if line[0] == 'train' else line[0]
    return 'training' if command in ('train run', 'ablate', 'adapt') else command


def name_of(line):
    return ' '.join(line[:2]) if line[0] == 'train' else line[0]


def try_out(seed, root, materials, done):
    """Some commands, one after another, in one tree; each with its exit code is added to `done`."""
    rng = random.Random(seed)
    root = root / str(seed) / 'tree'
    root.parent.mkdir()
    some_tree(root, rng, materials)
    lines, owners, told = Lines(root, rng), {}, []
    favourite = [*cli.COMMANDS][seed % len(cli.COMMANDS)]  # of a row of seeds each has its turn
    for _ in range(4):
        line, outputs = getattr(lines, favourite if rng.random() < 0.6 else rng.choice([*cli.COMMANDS]))()
        if told and rng.random() < 0.3:  # once more, as it was
            line, outputs = told[-1][0], told[-1][-1]
        stop = rng.choice([None, None, None, 'killed', 'ended', 'full', 'Ctrl-C'])
        before, command = snapshot(root), name_of(line)
        own = [path for path in outputs if os.path.lexists(root / path) and not _foreign(root / path, command)]
        exchange = rng.random() < 0.8
        code, said = forked(root, line, stop, rng.choice([1, 2, 3, 5, 8, 13, 20]), exchange)
        told.append((line, stop, code, outputs))
        after, story = snapshot(root), f'seed {seed}: {told}\n{said}'
        for path, content in before.items():
            if owners.get(path) != owner_of(line):
                assert after.get(path) == content, f'{path} is lost; {story}'
        for path in own if code >= 0 or exchange else ():
            assert os.path.lexists(root / path) and not _foreign(root / path, command), f'{path} is broken; {story}'
        for path in after.keys() - before.keys():
            owners[path] = owner_of(line)
        owners = {path: owner for path, owner in owners.items() if path in after}
        done.append((command, code if not stop else None))
        for change in rng.sample([edit, add_file, add_link, None, None], 1):
            if change:
                path = change(root, rng, owners) if change is edit else change(root, rng)
                if path is not None:
                    owners.pop(os.path.relpath(path, root), None)
    shutil.rmtree(root.parent)


GOOD = {
    'flow': 'flow clouds/0.bin clouds/1.bin --dt 0.1 -o x.npz --picture x.png',
    'bag': 'bag rec -o annotated --keep ring',
    'view': 'view rec --export page.html',
    'pack': 'pack clouds -o packed',
    'simulate': 'simulate -o made --sweeps 2',
    'demo': 'demo -o demo',
    'bench': 'bench rec',
    'evaluate': 'evaluate --data pairs:pairs -o report',
    'doctor': 'doctor --bag rec',
    'export': 'export net.onnx --points 256 --weights w.safetensors',
    'train pairs': 'train pairs more --count 2',
    'train run': 'train run run --pairs training --val training --settings tiny.json --device cpu',
    'train ship': 'train ship run --name net -o shipped',
    'ablate': 'ablate table --pairs training --val training --only as-it-is --settings tiny.json --device cpu',
    'adapt': 'adapt rec -o mine --steps 1 --device cpu --weights w.safetensors',
}
"""A line of every command that succeeds in a tree of the materials."""
ASKS = {'flow', 'bag', 'view', 'pack', 'simulate', 'demo', 'bench', 'evaluate', 'export', 'train ship'}
"""Those whose outputs are replaced only if --overwrite asks for it."""


@pytest.fixture
def tree(tmp_path, materials):
    shutil.copytree(materials, tmp_path / 'tree')
    return tmp_path / 'tree'


def test_every_command_writes_once_and_replaces_its_own_if_asked(tree):
    assert {name.split()[0] for name in GOOD} == set(cli.COMMANDS)
    for command, line in GOOD.items():
        before, line = snapshot(tree), line.split()
        code, said = forked(tree, line)
        assert code == 0 or command == 'adapt' and 'no better' in said, said
        first = snapshot(tree)
        assert before.items() <= first.items() and (len(first) > len(before) or command == 'doctor')
        made = {path: os.stat(tree / path).st_mtime_ns for path in first.keys() - before.keys()}
        code, said = forked(tree, line)
        if command in ASKS:
            assert code == 2 and 'replace it with --overwrite' in said and snapshot(tree) == first
            assert forked(tree, [*line, '--overwrite'])[0] == 0
            assert snapshot(tree).keys() == first.keys()
            assert all(os.stat(tree / path).st_mtime_ns != written for path, written in made.items())
        assert before.items() <= snapshot(tree).items()


def check(seeds, tmp_path, materials):
    done = []
    for seed in seeds:
        try_out(seed, tmp_path, materials, done)
    return done


def test_nothing_is_lost(tmp_path, materials):
    done = check(range(25), tmp_path, materials)
    assert {command.split()[0] for command, _ in done} == set(cli.COMMANDS)
    codes = [code for _, code in done if code is not None]
    assert codes.count(0) > len(codes) / 5 and not codes.count(99), done


@pytest.mark.slow
def test_nothing_is_lost_at_length(tmp_path, materials):
    check(range(1000, 1600), tmp_path, materials)
