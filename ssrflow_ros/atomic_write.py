"""Outputs that are there complete or not at all, and in whose place nothing of the user's is lost.

A command is given the names of its outputs by its user, who may err. So of what lies there already only that is
replaced which the same command wrote, and only if `--overwrite` asks for it. It is known by its signature: a file
bears it within itself, a folder in the file `MARKER`, with the names and sizes of all that the command wrote there.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import secrets
import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from .errors import InputError

MARKER = '.ssrflow'
"""The file of an output folder that says which command made it."""

_ENDS = 1 << 16  # bytes of a file's beginning and of its end in which its signature is looked for
_NOREPLACE, _EXCHANGE = 1, 2  # flags of renameat2
_AT_FDCWD = -100

_unfinished: set[Path] = set()


def signature(command: str) -> str:
    """What a file written by `ssrflow command` bears in its first or last 64 KiB."""
    return f'made by ssrflow_ros, command {command}'


def check_outputs(
    outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path | None], command: str, overwrite: bool
) -> None:
    """Raise InputError unless `ssrflow command` may write `outputs`, as `check_apart` and `check_free` have it."""
    check_apart(outputs, inputs)
    for path in outputs.values():
        if path is not None:
            check_free(path, command, overwrite)


def check_apart(outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Raise InputError if one of `outputs`, by their options, is, contains or lies inside an input or another output.

    Nones are skipped, and so are inputs that do not exist.
    """
    places: dict[Path, str] = {}
    found = [Path(given) for given in inputs if given is not None and os.path.lexists(given)]
    for option, given in outputs.items():
        if given is None:
            continue
        place = _place(given)
        for other, its_option in places.items():
            if place == other or place in other.parents or other in place.parents or _same(place, other):
                raise InputError(
                    f'cannot write {given}: {option} and {its_option} name one place: choose two that lie apart'
                )
        places[place] = option
        for entry in found:
            _check_apart(place, given, entry)


def check_free(path: str | Path, command: str, overwrite: bool) -> None:
    """Raise InputError if something is at `path`, unless it is the command's own and to be replaced."""
    if not os.path.lexists(place := _place(path)):
        return
    foreign = _foreign(place, command)
    if foreign:
        raise InputError(f'{path} exists already, and {foreign}: choose another name, or move it away yourself')
    if not overwrite:
        raise InputError(f'{path} exists already: choose another name, or replace it with --overwrite')


@contextmanager
def atomic_write(path: str | Path, command: str = '', overwrite: bool = False) -> Iterator[Path]:
    """A path to write a file or folder to; it gets the name `path` when the block ends without error.

    Until then it lies in a hidden folder beside `path` (the same disk, so the last step is one rename),
    which is removed whatever happens. Raises InputError at once if the place cannot be written to, so
    that nobody computes for an hour first.

    command  of ssrflow that writes it: an output of the user's naming, as `check_free` allows. A file has to bear
             `signature(command)`, a folder gets its `MARKER` here. '': a file of the program's own, which is replaced.
    """
    place = _place(path)
    is_part = any(folder in place.parents for folder in _unfinished)  # then the whole, and its name, is another's
    if command:
        check_free(path, command, overwrite)
    hidden = place.parent / f'.{place.name[:40]}.unfinished-{secrets.token_hex(4)}'
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _unfinished.add(hidden)  # first, since a signal may come at any moment
        hidden.mkdir(mode=0o700)
    except OSError as error:
        _unfinished.discard(hidden)
        if is_part:
            raise
        raise InputError(
            f'cannot write {path}: {error.strerror or error}: choose a place that you may write to'
        ) from None
    try:
        new = hidden / place.name
        yield new
        if not command:
            os.replace(new, place)
            return
        if new.is_dir():
            _mark(new, command)
        if not _renamed(new, place, _NOREPLACE):
            check_free(path, command, overwrite)
            _exchange(new, place)
            # Only now nobody else can put anything into the old one under its name.
            if _foreign(new, command):
                _exchange(new, place)
                check_free(path, command, overwrite)
    except OSError as error:
        file = Path(os.fsdecode(error.filename)) if error.filename else hidden
        if is_part or not {hidden, place} & {file, *file.parents}:
            raise  # of something that is read
        raise InputError(
            f'cannot write {path}: {error.strerror or error}: check the space and the rights there'
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        _unfinished.discard(hidden)


def remove_unfinished() -> None:
    """Remove what is not whole, for a process that ends without unwinding."""
    for hidden in tuple(_unfinished):
        shutil.rmtree(hidden, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Make a folder that may be there already; InputError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f'cannot write into {path}: {error.strerror or error}: choose a folder that you may write to'
        ) from None


def _place(path: str | Path) -> Path:
    """Where `path` is, links on the way followed, but not one that bears its name; InputError if it is ''."""
    if not os.fspath(path):  # it would be the working folder: a variable of a shell that is not set
        raise InputError("cannot write '': it is no name: give one")
    path = Path(path)
    # Not Path.resolve, which raises where links go round in a circle.
    return (
        Path(os.path.realpath(path.parent)) / path.name if path.name not in ('', '..') else Path(os.path.realpath(path))
    )


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file or folder, be it by a link or a second name."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _check_apart(place: Path, given: str | Path, entry: Path) -> None:
    """Raise InputError if an output at `place` is, contains or lies inside the input `entry`."""
    # By its name, and where it leads to: neither may be replaced. Links in a folder lead to what is read, too.
    links = (
        []
        if not entry.is_dir() or not place.exists()
        else [
            Path(folder, name)
            for folder, folders, files in os.walk(entry)
            for name in (*folders, *files)
            if os.path.islink(Path(folder, name))
        ]
    )
    for source in (_place(entry), *(Path(os.path.realpath(way)) for way in (entry, *links))):
        if _same(place, source) or place == source:
            raise InputError(f'cannot write {given}: it is an input of this command: choose another name')
        if any(_same(place, folder) for folder in source.parents):
            raise InputError(f'cannot write {given}: it contains the input {entry}: choose another place')
    if any(_same(entry, folder) for folder in place.parents):
        raise InputError(f'cannot write {given}: it lies inside the input {entry}: choose another place')


def _foreign(path: Path, command: str) -> str:
    """What about `path` was not made by `ssrflow command`, as the rest of a sentence; '' if nothing."""
    if path.is_symlink():
        return 'it is a link'
    if not path.is_dir():
        return '' if path.is_file() and signature(command) in _ends(path) else f'"ssrflow {command}" did not write it'
    try:
        entries = _files(path)
        if not entries and not os.path.lexists(path / MARKER):
            return ''
        marker = json.loads((path / MARKER).read_text())
        if marker['made_by'] != signature(command):
            raise ValueError
        sizes = dict(marker['files'])
    except (OSError, ValueError, KeyError, TypeError):
        return f'"ssrflow {command}" did not make it'
    for name, entry in entries.items():
        if name not in sizes or entry.is_symlink() or not entry.is_file():
            return f'"ssrflow {command}" did not write {name} in it'
        if entry.stat().st_size != sizes[name]:
            return f'{name} in it has changed since "ssrflow {command}" wrote it'
    return ''


def _ends(path: Path) -> str:
    """The beginning and the end of a file, as text; '' if it cannot be read."""
    try:
        with open(path, 'rb') as file:
            first = file.read(_ENDS)
            file.seek(max(file.tell(), os.path.getsize(path) - _ENDS))
            return (first + file.read(_ENDS)).decode('latin-1')
    except OSError:
        return ''


def _files(folder: Path) -> dict[str, Path]:
    """All in a folder that is no folder, and no marker of its own, by name; links are not followed."""

    def fail(error: OSError) -> None:
        raise error

    found = {}
    for root, folders, files in os.walk(folder, onerror=fail):
        for entry in (Path(root, name) for name in (*folders, *files)):
            if (entry.is_symlink() or not entry.is_dir()) and entry != folder / MARKER:
                found[entry.relative_to(folder).as_posix()] = entry
    return found


def _mark(folder: Path, command: str) -> None:
    sizes = {name: entry.stat().st_size for name, entry in _files(folder).items()}
    (folder / MARKER).write_text(json.dumps({'made_by': signature(command), 'files': sizes}, indent=1) + '\n')


def _exchange(new: Path, place: Path) -> None:
    """Let both change their names."""
    if _renamed(new, place, _EXCHANGE):
        return
    # Not every file system can do it in one step.
    aside = new.with_name(f'{new.name}.old')
    try:
        os.rename(place, aside)
        os.rename(new, place)
    finally:
        if os.path.lexists(aside) and not os.path.lexists(place):
            os.rename(aside, place)
    os.rename(aside, new)


def _renamed(old: Path, new: Path, flag: int) -> bool:
    """Rename in one step; with _NOREPLACE False if `new` exists, with _EXCHANGE False if it cannot be done."""
    if renameat2 := _renameat2():
        if renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flag) == 0:
            return True
        code = ctypes.get_errno()
        if flag == _NOREPLACE and code == errno.EEXIST:
            return False
        if code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(code, os.strerror(code))
    if flag == _EXCHANGE or os.path.lexists(new):
        return False
    os.rename(old, new)
    return True


@cache
def _renameat2() -> Any:
    """The function of the C library, which Python does not offer; None where there is none."""
    function = getattr(ctypes.CDLL(None, use_errno=True), 'renameat2', None)
    if function:
        function.argtypes = ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint
    return function
