"""`ssrflow train`: make pairs, train on them, ship the result.

    ssrflow train pairs runs/pairs  --count 4000
    ssrflow train pairs runs/val --count 32 --first-seed 1000000
    ssrflow train run   runs/onboard --pairs runs/pairs --val runs/val
    ssrflow train ship  runs/onboard --name onboard -o shipped

Several GPUs: torchrun --nproc-per-node 4 -m ssrflow_ros train run ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..table import print_table
from .fleet import Run, add_fleet, in_fleet
from .options import add_overwrite, data_path, weights_file

if TYPE_CHECKING:
    from ..training.config import TrainingConfig
_SEEDS = 32  # pairs of one process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three steps are commands of their own; each can be stopped and repeated."""
    steps = parser.add_subparsers(dest='step', required=True, metavar='STEP')
    steps.type = str  # all words that follow are its value; each option looks at its own

    pairs = steps.add_parser('pairs', help='simulate the training pairs that a folder lacks')
    pairs.add_argument('folder', type=Path)
    pairs.add_argument('--count', type=int, default=4000, help='pairs, one a seed (default: %(default)s)')
    pairs.add_argument('--first-seed', type=int, default=0, help='seed of the first (default: %(default)s)')
    pairs.add_argument('--scene', help='all of this scene, as of "ssrflow simulate" (default: drawn)')
    pairs.add_argument('--sensor', help='all of this sensor, likewise')
    add_fleet(pairs, 'processes')

    run = steps.add_parser('run', help='train, or go on where a training stopped')
    run.add_argument('folder', type=Path, help='holds checkpoint, settings and learning curve')
    run.add_argument('--pairs', required=True, help='folder of training pairs, or ft3ds:FOLDER/train')
    run.add_argument('--val', '--unseen', help='the same, to validate on (--unseen: its deprecated name)')
    add_config(run)
    run.add_argument('--minutes', type=float, default=float('inf'), help='stop after this, to go on later')
    run.add_argument('--validate-every', type=int, default=500, metavar='STEPS', help='and save (default: %(default)s)')
    add_machine(run)

    ship = steps.add_parser('ship', help='write the averaged weights, their card and learning curves into a folder')
    ship.add_argument('folder', type=Path, help='of a training')
    ship.add_argument('--name', required=True, help='of the weights: OUT/NAME.safetensors is what --weights takes')
    ship.add_argument('-o', '--output', type=Path, required=True, metavar='OUT', help='folder, made anew')
    add_overwrite(ship)
    ship.add_argument(
        '--mean-with',
        nargs='+',
        default=(),
        metavar='WEIGHTS',
        help='write the mean of these and the trained ones; of trainings with one beginning',
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Options that make a TrainingConfig; `config_from` reads them."""
    parser.add_argument(
        '--recipe',
        default='onboard',
        help='what the settings begin with: onboard (default), or paper, the published recipe',
    )
    parser.add_argument(
        '--settings',
        type=Path,
        metavar='FILE',
        help='changes to them, .yaml or .json: whatever training.json in a folder shows',
    )
    parser.add_argument('--from', dest='start', metavar='WEIGHTS', help='begin with these weights, such as onboard')
    parser.add_argument('--preset', help='network: onboard, teacher, of which it is made, or paper')
    parser.add_argument('--steps', type=int, help='length of the whole training')
    parser.add_argument('--batch', type=int, help='pairs a step, of all processes together')
    parser.add_argument('--points', dest='n_points', type=int, help='points a sweep')


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Where and how a training runs; nothing of it changes the result."""
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=1, help='processes that prepare pairs (default: %(default)s)')


def config_from(args: argparse.Namespace, begun: Path | None = None) -> 'TrainingConfig':
    """Recipe, or the settings of the training begun in folder `begun`, changed by file, then by options."""
    from ..errors import InputError
    from ..training.config import RECIPES, TrainingConfig, changed, read_settings

    if args.recipe not in RECIPES:
        raise InputError(f"--recipe: '{args.recipe}' is not known: choose from {', '.join(RECIPES)}")
    config = RECIPES[args.recipe]
    if begun and (begun / 'training.json').exists():
        config = changed(TrainingConfig(), read_settings(begun / 'training.json'))
    changes = read_settings(args.settings) if args.settings else {}
    options = {name: getattr(args, name) for name in ('start', 'preset', 'steps', 'batch', 'n_points')}
    changes.update({name: value for name, value in options.items() if value is not None})
    if 'steps' in changes:
        changes = {'epochs': 0, 'halve_epochs': 0, **changes}
    return changed(config, changes)


def run(args: argparse.Namespace) -> int | None:
    return _STEPS[args.step](args)


def _pairs(args: argparse.Namespace) -> int:
    from ..training.pairs import make_pairs, missing

    if args.workers == 1 and not args.scheduler:
        made = make_pairs(args.folder, args.first_seed, args.count, args.scene, args.sensor)
        print(f'{made} pairs made in {args.folder}')
        return 0
    seeds = missing(args.folder, args.first_seed, args.count)
    drawn = [f'--{name}={value}' for name in ('scene', 'sensor') if (value := getattr(args, name))]
    folder = str(args.folder.absolute())
    runs = [
        Run(f'seeds {seed} to {seed + _SEEDS - 1}', ('train', 'pairs', folder, f'--first-seed={seed}', count, *drawn))
        for seed in sorted({seed - (seed - args.first_seed) % _SEEDS for seed in seeds})
        for count in [f'--count={min(_SEEDS, args.first_seed + args.count - seed)}']
    ]
    failed = {}
    for number, ended in enumerate(in_fleet(runs, args.workers, args.scheduler), 1):
        if ended.code:
            failed[ended.name] = ended.reason
        print(f'{number} of {len(runs)}: {ended.name}: {failed.get(ended.name, "done")}', file=sys.stderr)
    left = len(missing(args.folder, args.first_seed, args.count))
    print_table(
        f'{args.folder}',
        [
            ('pairs made', len(seeds) - left),
            ('missing', left),
            *((name, f'FAILED: {why}') for name, why in failed.items()),
        ],
    )
    return 2 if failed else 0


def _run(args: argparse.Namespace) -> None:
    from ..atomic_write import check_apart
    from ..inference.device import choose_device
    from ..training.distributed import joined
    from ..training.train import CHECKPOINT, CURVES, Training

    config = config_from(args, args.folder)
    check_apart(
        {name: args.folder / name for name in (CHECKPOINT, *CURVES)},
        (
            data_path(args.pairs),
            args.val and data_path(args.val),
            args.settings,
            *map(weights_file, (config.start, config.teacher)),
        ),
    )
    with joined(choose_device(args.device)) as device:
        training = Training(args.folder, args.pairs, config, args.val, device=device)
        training.run(args.minutes, validate_every=args.validate_every, workers=args.workers)


def _ship(args: argparse.Namespace) -> None:
    from ..atomic_write import check_outputs
    from ..training.ship import COMMAND, ship

    check_outputs({'-o': args.output}, (args.folder, *map(weights_file, args.mean_with)), COMMAND, args.overwrite)
    print(f'written: {ship(args.folder, args.name, args.output, args.mean_with, overwrite=args.overwrite)}')


_STEPS = {'pairs': _pairs, 'run': _run, 'ship': _ship}
