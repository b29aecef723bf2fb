"""Adapt the network to a recording of your own, without labels.

    ssrflow adapt drive/ --topic /points -o runs/mine
    ssrflow bag other_drive/ --weights runs/mine/adapted.safetensors -o annotated

Free space tells what moves and what stands still; the network learns from the first four fifths of the
recording, and the last fifth decides: FOLDER/adapted.safetensors is written only if it is better there, and
the command fails otherwise. Stopped and called again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator

from ..errors import InputError
from ..settings import Settings
from ..sweep import EgoMotion, SweepPair
from ..table import print_table
from .first_use import compile_if_cold
from .options import add_settings, settings_from, weights_file
from .train import add_machine

if TYPE_CHECKING:
    from ..formats.bag_poses import RecordedPoses
    from ..formats.bags import BagMessage
    from ..steps.own_body import OwnBody
    from ..training.recording import RecordedSweep

_WITHOUT = ('device', 'threads', 'network_points', 'moving_speed')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('input', metavar='BAG', help='the recording')
    parser.add_argument('--topic', metavar='NAME', help='the PointCloud2 topic; needed only if there are several')
    parser.add_argument(
        '-o',
        '--output',
        type=Path,
        required=True,
        metavar='FOLDER',
        help='holds the prepared sweeps, the training and its result',
    )
    parser.add_argument('--odometry', metavar='TOPIC', help='nav_msgs/Odometry of the SENSOR')
    parser.add_argument(
        '--changes', type=Path, metavar='FILE', help='changes to the settings of the training, .yaml or .json'
    )
    parser.add_argument('--steps', type=int, help='length of the whole training')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='stop after this, and judge what there is')
    add_machine(parser)
    add_settings(parser, without=_WITHOUT)


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import check_apart
    from ..inference.device import choose_device
    from ..training.adapt import OUTPUTS, adapt, adaptation, split
    from ..training.config import read_settings

    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    config = adaptation(
        settings.weights,
        {**(read_settings(args.changes) if args.changes else {}), **({'steps': args.steps} if args.steps else {})},
    )
    check_apart(
        {name: args.output / name for name in OUTPUTS}, (args.input, args.changes, weights_file(settings.weights))
    )
    compile_if_cold()
    drops: Counter[str] = Counter()
    described = {'recording': str(Path(args.input).resolve()), 'topic': args.topic, 'odometry': args.odometry}
    split(args.output, described, _sweeps(args, settings, drops))
    if drops:
        print(
            'without a pair: ' + ', '.join(f'{count} x {reason}' for reason, count in drops.most_common()),
            file=sys.stderr,
        )
    path, judgement = adapt(args.output, config, args.minutes, choose_device(args.device), args.workers)
    print_table(
        'held-out part of the recording, m',
        [
            (name, f'{before:.4f} before, {judgement.after[name]:.4f} after')
            for name, before in judgement.before.items()
        ],
    )
    print(f'\nwritten: {path}')


def _sweeps(args: argparse.Namespace, settings: Settings, drops: Counter[str]) -> Iterator['RecordedSweep']:
    """The recording's sweeps, labelled by free space; read only when asked for."""
    from ..formats.bag_poses import read_poses
    from ..formats.bags import POINTCLOUD2, BagReader
    from ..steps.conditioning import ConditionedPair, Conditioning
    from ..steps.ego_motion import make_ego_motion
    from ..training.recording import recorded
    from .bag_reading import own_body_of, with_progress

    with BagReader(args.input) as bag:
        topic = bag.choose(args.topic, POINTCLOUD2)
        poses = read_poses(bag, settings, args.odometry)
        matching, conditioning = make_ego_motion(settings), Conditioning(settings, poses.mounting_of)
        own_body = own_body_of(bag, topic, settings, poses)
        newest: list[ConditionedPair] = []

        def condition(pair: SweepPair) -> SweepPair:
            """What the network is shown when it is used: without outliers, in level axes."""
            newest[:] = [conditioning(pair)]
            return newest[0].pair

        def ego_motion(pair: SweepPair) -> EgoMotion:
            known = poses.between(newest[0].given)
            return matching(pair) if known is None else newest[0].levelled(known)

        yield from recorded(
            map(condition, _pairs(with_progress(bag, topic), settings, drops, poses, own_body)),
            ego_motion,
            settings,
            lambda error: drops.update(['no ego-motion']),
        )


def _pairs(
    messages: 'Iterable[BagMessage]',
    settings: Settings,
    drops: Counter[str],
    poses: 'RecordedPoses',
    own_body: 'OwnBody',
) -> Iterator[SweepPair]:
    from ..pair_stream import PairStream

    stream = PairStream(settings)
    for recorded in messages:
        try:
            _, pair = stream.push(recorded.read())
        except InputError:
            drops['malformed cloud'] += 1
            continue
        if pair is not None:
            pair = own_body.cut(pair)
            poses.note(pair.source, recorded.time_ns)
            yield pair
    drops.update(stream.pairing.drops)
