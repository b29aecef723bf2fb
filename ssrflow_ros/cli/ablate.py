"""Train variants of the network and its losses on equal budgets, and compare them.

    ssrflow ablate runs/ablation --pairs runs/pairs --val runs/val --steps 2000
    ssrflow ablate runs/ablation --pairs runs/pairs --val runs/val --only str-none lfc-1 --seeds 3

Every variant sees the same number of pairs. FOLDER/ablation.md is the table; it is written anew after
each variant. Stopped and called again, the command goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .options import data_path, weights_file
from .train import add_config, add_machine, config_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='holds a training a variant, and the table')
    parser.add_argument('--pairs', help='folder of training pairs, or ft3ds:FOLDER/train')
    parser.add_argument('--val', '--unseen', help='folder of pairs to compare on (--unseen: its deprecated name)')
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='these variants (default: all)')
    parser.add_argument(
        '--variants',
        type=Path,
        metavar='FILE',
        help='.yaml or .json of variants of your own: {name: changes to the settings}',
    )
    parser.add_argument('--seeds', type=int, default=1, help='trainings of each variant (default: %(default)s)')
    parser.add_argument('--list', action='store_true', help='only say what would be trained')
    add_config(parser)
    add_machine(parser)


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import check_apart
    from ..inference.device import choose_device
    from ..training.ablate import TABLE, VARIANTS, ablate, chosen
    from ..training.config import read_settings

    variants = chosen(read_settings(args.variants) if args.variants else VARIANTS, args.only)
    if args.list:
        for name, changes in variants.items():
            print(f'{name:22} {changes}')
        return
    if not (args.pairs and args.val):
        raise InputError(
            'an ablation trains on --pairs and compares on --val: give both, made by '
            '"ssrflow train pairs FOLDER", or --list to only see the variants'
        )
    config = config_from(args)
    runs = [f'{name}-{config.seed + seed}' for name in variants for seed in range(args.seeds)]
    check_apart(
        {name: args.folder / name for name in (TABLE, *runs)},
        (data_path(args.pairs), data_path(args.val), args.settings, args.variants, weights_file(config.start)),
    )
    table = ablate(
        args.folder, args.pairs, args.val, config, variants, args.seeds, choose_device(args.device), args.workers
    )
    print(f'\n{table.read_text()}\nwritten: {table}')
