"""Look at a live system, or at a recording, and say what is wrong and how to put it right.

It looks at topic, type, quality of service, layout, frame, rate, order and loss of the clouds, at their
stamps against the clock, and tries the method on a few of them: device, weights, ego-motion, speed.
One line for each finding: ok, note or WRONG. Exit code: 0 nothing is wrong, 2 something is.

  ssrflow doctor                          the only PointCloud2 topic of the running system
  ssrflow doctor --topic /front/points
  ssrflow doctor --bag drive/ --topic /points
"""

from __future__ import annotations

import argparse
import importlib.util
from typing import Iterable

from ..errors import InputError
from .first_use import compile_if_cold
from .options import add_settings, settings_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--bag', metavar='BAG', help='a rosbag2 to look at, instead of the running system')
    parser.add_argument('--topic', metavar='NAME', help='the PointCloud2 topic; needed only if there are several')
    parser.add_argument('--odometry', metavar='TOPIC', help='nav_msgs/Odometry: also look at ego-motion from there')
    parser.add_argument(
        '--seconds',
        type=float,
        metavar='S',
        help='time to listen, or of the recording to read (default: 5, or 60 of a recording)',
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from ..doctor.finding import WRONG

    n_wrong = 0
    for finding in _findings(args):
        print(finding, flush=True)
        n_wrong += finding.level == WRONG
    print(f'\n{n_wrong} of these must be put right' if n_wrong else '\nnothing is wrong')
    return 2 if n_wrong else 0


def _findings(args: argparse.Namespace) -> Iterable:
    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    if args.seconds is not None and not args.seconds > 0:
        raise InputError(f'--seconds {args.seconds:g}: give a number above 0')
    if not args.bag and importlib.util.find_spec('rclpy') is None:
        raise InputError(
            'looking at a running system needs ROS 2, but rclpy is not there: source your ROS '
            'installation, or look at a recording with --bag'
        )
    compile_if_cold()
    if args.bag:
        from ..doctor.bag import examine_bag

        return examine_bag(args.bag, args.topic, args.odometry, args.seconds or 60.0, settings)
    from ..doctor.live import examine_live
    from ..node.observer import Observer

    with Observer() as observer:
        return list(examine_live(observer, args.topic, args.odometry, args.seconds or 5.0, settings))
