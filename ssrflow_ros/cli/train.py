"""`ssrflow train`: make pairs, train on them, ship the result.

    ssrflow train pairs runs/pairs  --count 4000
    ssrflow train pairs runs/unseen --count 32 --first-seed 1000000
    ssrflow train run   runs/onboard --pairs runs/pairs --unseen runs/unseen
    ssrflow train ship  runs/onboard --name onboard
"""
from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three steps are commands of their own; each can be stopped and repeated."""
    steps = parser.add_subparsers(dest='step', required=True, metavar='STEP')

    pairs = steps.add_parser('pairs', help='simulate the training pairs that a folder lacks')
    pairs.add_argument('folder', type=Path)
    pairs.add_argument('--count', type=int, default=4000, help='pairs, one a seed (default: %(default)s)')
    pairs.add_argument('--first-seed', type=int, default=0, help='seed of the first (default: %(default)s)')

    run = steps.add_parser('run', help='train, or go on where a training stopped')
    run.add_argument('folder', type=Path, help='holds checkpoint, settings and learning curve')
    run.add_argument('--pairs', type=Path, required=True, help='folder of training pairs')
    run.add_argument('--unseen', type=Path, help='folder of pairs to validate on')
    run.add_argument('--preset', default='onboard', help='network: onboard or paper (default: %(default)s)')
    run.add_argument('--steps', type=int, default=4800, help='length of the whole training (default: %(default)s)')
    run.add_argument('--batch', type=int, default=4, help='pairs a step (default: %(default)s)')
    run.add_argument('--points', type=int, default=1024, help='points a sweep (default: %(default)s)')
    run.add_argument('--minutes', type=float, default=float('inf'), help='stop after this, to go on later')

    ship = steps.add_parser('ship', help='write the averaged weights and their card into the package')
    ship.add_argument('folder', type=Path)
    ship.add_argument('--name', required=True, help="name for the setting 'weights'")


def run(args: argparse.Namespace) -> None:
    _STEPS[args.step](args)


def _pairs(args: argparse.Namespace) -> None:
    from ..training.pairs import make_pairs
    print(f'{make_pairs(args.folder, args.first_seed, args.count)} pairs made in {args.folder}')


def _run(args: argparse.Namespace) -> None:
    from ..errors import InputError
    from ..network.config import PRESETS
    from ..training.train import Training, TrainingConfig
    if args.preset not in PRESETS:
        raise InputError(f"--preset: '{args.preset}' is not known: choose from {', '.join(PRESETS)}")
    config = TrainingConfig(preset=args.preset, steps=args.steps, batch=args.batch, n_points=args.points)
    Training(args.folder, args.pairs, config, args.unseen).run(args.minutes)


def _ship(args: argparse.Namespace) -> None:
    from ..training.ship import ship
    print(f'written: {ship(args.folder, args.name)}')


_STEPS = {'pairs': _pairs, 'run': _run, 'ship': _ship}
