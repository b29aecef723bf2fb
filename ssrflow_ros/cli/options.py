"""Options that several commands share; those of the method are made from the one table in settings.py."""
from __future__ import annotations

import argparse
from typing import Collection

from ..settings import Settings

_PREFIX = 'setting_'


def add_settings(parser: argparse.ArgumentParser, without: Collection[str] = (),
                 also: Collection[str] = ()) -> None:
    """An option for each row of the table that is not `of_node`, less `without`, plus `also`."""
    group = parser.add_argument_group('settings of the method')
    for row in Settings.table():
        if row.name in without or row.of_node and row.name not in also:
            continue
        unit = f' {row.unit}' if row.unit else ''
        if row.type is bool:
            kind = {'action': argparse.BooleanOptionalAction}
        elif row.choices:
            kind = {'choices': row.choices}
        else:
            kind = {'type': row.type, 'metavar': row.type.__name__.upper()}
        group.add_argument(f'--{row.name.replace("_", "-")}', dest=_PREFIX + row.name,
                           help=f'{row.description} Default: {row.default}{unit}.'.replace('%', '%%'), **kind)


def settings_from(args: argparse.Namespace, **changes) -> Settings:
    """The Settings that the options in `args` ask for, then `changes`."""
    given = {name[len(_PREFIX):]: value for name, value in vars(args).items()
             if name.startswith(_PREFIX) and value is not None}
    return Settings().replace(**{**given, **changes})


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Options of a command that writes a rosbag2: args.output, args.overwrite, args.storage."""
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder of the new recording')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT if it exists')
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap',
                        help='format of OUT (default: mcap)')
