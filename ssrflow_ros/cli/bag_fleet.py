"""`ssrflow bag` on many recordings: one task each, resumed where it was, with a table at the end."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Sequence

from ..atomic_write import check_apart, make_folder
from ..errors import InputError
from ..table import print_table
from .fleet import Ended, Run, in_fleet
from .options import given, settings_from

SUMMARY = 'ssrflow.json'
"""The file in OUT that holds what --json prints."""
_OF_NO_EFFECT = (
    'output overwrite json objects workers scheduler traceback storage setting_threads setting_device'.split()
)


def options_of(args: argparse.Namespace) -> list[str]:
    """What was asked for, of what changes the output."""
    return given(args.parser, args, without=_OF_NO_EFFECT)


def annotate_all(args: argparse.Namespace, recordings: Sequence[Path]) -> int:
    """Annotate `recordings` into the folder args.output; 2 if one failed or is wrong, else 0."""
    settings_from(args)
    folder = Path(args.output)
    of_name = _by_name(recordings)
    check_apart({'-o': folder}, recordings)
    make_folder(folder)
    options, told = options_of(args), {}
    for name in of_name:
        made = _summary(folder / name)
        if made is not None and not args.overwrite:
            if made['options'] != options:
                raise InputError(
                    f'{folder / name} was made with other options ({" ".join(made["options"]) or "none"}): choose '
                    'another folder, or make all anew with --overwrite'
                )
            told[name] = made
    if told:
        print(f'{len(told)} of {len(of_name)} are there already', file=sys.stderr)
    runs = [_run(args, name, path, folder) for name, path in of_name.items() if name not in told]
    failed: dict[str, str] = {}
    for ended in in_fleet(runs, args.workers, args.scheduler):
        made = _printed(ended) or (None if args.overwrite else _summary(folder / ended.name))
        if made is None:
            failed[ended.name] = ended.reason
        else:
            told[ended.name] = made
        done = len(told) + len(failed)
        print(f'{done} of {len(of_name)}: {ended.name}: {failed.get(ended.name, "done")}', file=sys.stderr)
    if args.json:
        rows: list[dict[str, Any]] = [
            {'name': name, 'failed': failed.get(name, ''), **told.get(name, {})} for name in of_name
        ]
        print(json.dumps(rows))
    else:
        print_table(
            f'{len(of_name)} recordings, {len(failed)} failed',
            [(name, f'FAILED: {failed[name]}' if name in failed else _row(told[name])) for name in of_name],
        )
        print(f'\nwritten into: {folder}')
    return 2 if failed or any(map(_wrong, told.values())) else 0


def _by_name(recordings: Sequence[Path]) -> dict[str, Path]:
    """Each recording under the name of its output."""
    names = [path.name if path.is_dir() else path.stem for path in recordings]
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(
                f'{count} recordings are called {name}, and one folder takes all: annotate them one by one'
            )
    return dict(zip(names, recordings))


def _run(args: argparse.Namespace, name: str, path: Path, folder: Path) -> Run:
    words = given(args.parser, args, without=('workers', 'scheduler', 'json', 'output', 'objects'))
    if args.objects:
        words.append(f'--objects={folder / name}{Path(args.objects).suffix}')
    if args.setting_threads is None and args.workers > 1:
        words.append(f'--threads={max(1, (os.cpu_count() or 1) // (2 * args.workers))}')
    return Run(name, ('bag', str(path.absolute()), f'--output={(folder / name).absolute()}', '--json', *words))


def _printed(ended: Ended) -> dict[str, Any] | None:
    """What a run said that made its output."""
    try:
        return json.loads(ended.output)
    except ValueError:
        return None


def _summary(output: Path) -> dict[str, Any] | None:
    """What a recording that was made says of itself; None if there is none, or it is not ours."""
    try:
        made = json.loads((output / SUMMARY).read_text())
    except (OSError, ValueError):
        return None
    return made if isinstance(made, dict) and isinstance(made.get('options'), list) else None


def _row(made: dict[str, Any]) -> str:
    return (
        f'{made["annotated"]} of {made["sweeps"]} sweeps, {made["objects_mean"]:.1f} objects a sweep, '
        f'{made["took_s"]:.0f} s{"; WRONG, see its " + SUMMARY if _wrong(made) else ""}'
    )


def _wrong(made: dict[str, Any]) -> bool:
    return any(finding['level'] == 'WRONG' for finding in made['findings'])
