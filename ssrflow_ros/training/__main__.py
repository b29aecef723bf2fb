"""Make pairs, train on them, ship the result.

    python -m ssrflow_ros.training pairs  runs/pairs --count 4000
    python -m ssrflow_ros.training pairs  runs/unseen --count 64 --first-seed 1000000
    python -m ssrflow_ros.training run    runs/onboard --pairs runs/pairs --unseen runs/unseen --steps 4000
    python -m ssrflow_ros.training ship   runs/onboard --name onboard
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import SSRFlowError


def main() -> None:
    parser = argparse.ArgumentParser(prog='python -m ssrflow_ros.training', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    pairs = commands.add_parser('pairs', help='simulate the pairs that a folder lacks')
    pairs.add_argument('folder', type=Path)
    pairs.add_argument('--count', type=int, default=4000)
    pairs.add_argument('--first-seed', type=int, default=0)
    run = commands.add_parser('run', help='train, or go on where a training stopped')
    run.add_argument('folder', type=Path)
    run.add_argument('--pairs', type=Path, required=True)
    run.add_argument('--unseen', type=Path, help='pairs to validate on')
    run.add_argument('--preset', default='onboard')
    run.add_argument('--steps', type=int, default=4000)
    run.add_argument('--batch', type=int, default=4)
    run.add_argument('--points', type=int, default=1024)
    run.add_argument('--minutes', type=float, default=float('inf'), help='stop after this, to go on later')
    ship = commands.add_parser('ship', help='write the averaged weights and their card into the package')
    ship.add_argument('folder', type=Path)
    ship.add_argument('--name', required=True)
    args = parser.parse_args()
    try:
        _COMMANDS[args.command](args)
    except SSRFlowError as error:
        sys.exit(f'ssrflow_ros.training: {error}')


def _pairs(args: argparse.Namespace) -> None:
    from .pairs import make_pairs
    print(f'{make_pairs(args.folder, args.first_seed, args.count)} pairs made in {args.folder}')


def _run(args: argparse.Namespace) -> None:
    from .train import Training, TrainingConfig
    config = TrainingConfig(preset=args.preset, steps=args.steps, batch=args.batch, n_points=args.points)
    Training(args.folder, args.pairs, config, args.unseen).run(args.minutes)


def _ship(args: argparse.Namespace) -> None:
    from .ship import ship
    print(f'written: {ship(args.folder, args.name)}')


_COMMANDS = {'pairs': _pairs, 'run': _run, 'ship': _ship}

if __name__ == '__main__':
    main()
