"""Options that several commands share; those of the method are made from the one table in settings.py."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Collection

from ..settings import GONE, Parameter, Settings

_PREFIX = 'setting_'


def add_settings(parser: argparse.ArgumentParser, without: Collection[str] = (), also: Collection[str] = ()) -> None:
    """An option for each row of the table that is not `of_node`, less `without`, plus `also`."""
    group = parser.add_argument_group('settings of the method')
    for row in Settings.table():
        if row.name in without or row.of_node and row.name not in also:
            continue
        unit = f' {row.unit}' if row.unit else ''
        _add(group, row.name, row, f'{row.description} Default: {row.default}{unit}.'.replace('%', '%%'))
        if row.alias:
            _add(group, row.alias, row, argparse.SUPPRESS)
    for row in GONE:
        _add(group, row.name, row, argparse.SUPPRESS)


def _add(group: argparse._ArgumentGroup, name: str, row: Parameter, told: str) -> None:
    if row.type is bool:
        kind: dict[str, Any] = {'action': argparse.BooleanOptionalAction}
    elif row.choices:
        kind = {'choices': row.choices}
    else:
        kind = {'type': row.type, 'metavar': row.type.__name__.upper()}
    group.add_argument(f'--{name.replace("_", "-")}', dest=_PREFIX + name, help=told, **kind)


def settings_from(args: argparse.Namespace, **changes: Any) -> Settings:
    """The Settings that the options in `args` ask for, then `changes`."""
    given = {
        name[len(_PREFIX) :]: value
        for name, value in vars(args).items()
        if name.startswith(_PREFIX) and value is not None
    }
    return Settings().replace(**{**given, **changes})


def given(parser: argparse.ArgumentParser, args: argparse.Namespace, without: Collection[str] = ()) -> list[str]:
    """The options in `args` that are not their defaults, as they are written; those of the names `without` left out."""
    words: list[str] = []
    for action in parser._actions:
        value = getattr(args, action.dest, action.default)
        if not action.option_strings or value == action.default or action.dest in without:
            continue
        name = action.option_strings[-1 if action.nargs == 0 and value is False else 0]
        if action.nargs == 0:
            words.append(name)
        elif action.nargs in ('+', '*'):
            words += [name, *map(str, value)]
        else:
            words.append(f'{name}={value}')
    return words


def weights_file(name: str) -> Path | None:
    """The file that the setting `weights` names; None if it is a shipped name."""
    path = Path(name).expanduser()
    return path if path.suffix == '.safetensors' else None


def data_path(place: str) -> str | None:
    """Where the data set KIND:PATH, or the folder PATH, lies; None if it is simulated."""
    from ..datasets import KINDS
    from ..datasets.moving_labels import KINDS as MOS_KINDS

    kind, colon, path = place.partition(':')
    if not colon or kind not in KINDS and kind not in MOS_KINDS:
        return place
    return None if kind == 'simulated' else path.partition('#')[0]


def add_overwrite(parser: argparse.ArgumentParser, what: str = 'OUT') -> None:
    """The option args.overwrite, whose rules are those of `atomic_write`."""
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help=f'if {what} exists: delete it once the new one is complete. Only what this command wrote '
        'is deleted; a folder that holds anything else, or anything changed since, is refused',
    )


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Options of a command that writes a rosbag2: args.output, args.overwrite, args.storage."""
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder of the new recording')
    add_overwrite(parser)
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap', help='format of OUT (default: mcap)')
