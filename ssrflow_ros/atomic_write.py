"""Outputs that are there whole or not at all."""
from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from .errors import InputError

_unfinished: set[Path] = set()


@contextmanager
def atomic_write(path: str | Path, overwrite: bool = True) -> Iterator[Path]:
    """A path to write a file or folder to; it gets the name `path` when the block ends without error.

    Until then it lies in a hidden folder beside `path` (the same disk, so the last step is one rename),
    which is removed whatever happens. Raises InputError at once if the place cannot be written to, so
    that nobody computes for an hour first.
    """
    path = Path(path)
    check_free(path, overwrite)
    hidden = path.parent / f'.{path.name}.unfinished-{secrets.token_hex(4)}'
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _unfinished.add(hidden)  # first, since a signal may come at any moment
        hidden.mkdir(mode=0o700)
    except OSError as error:
        _unfinished.discard(hidden)
        raise InputError(f'cannot write {path}: {error.strerror or error}: '
                         'choose a place that you may write to') from None
    try:
        yield hidden / path.name
        if path.is_dir():
            # The old folder leaves by a rename too: there is never half of it.
            os.replace(path, hidden / f'{path.name}.old')
        os.replace(hidden / path.name, path)
    except OSError as error:
        raise InputError(f'cannot write {path}: {error.strerror or error}: '
                         'check the space and the rights there') from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        _unfinished.discard(hidden)


def remove_unfinished() -> None:
    """Remove what is not whole, for a process that ends without unwinding."""
    for hidden in tuple(_unfinished):
        shutil.rmtree(hidden, ignore_errors=True)


def check_free(path: str | Path, overwrite: bool) -> None:
    """Raise InputError if `path` exists and is not to be replaced."""
    if not overwrite and os.path.lexists(path):
        raise InputError(f'{path} exists already: choose another name, or replace it with --overwrite')
