"""What a training learns from, kept beside its checkpoint, so that the card of its weights says it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..atomic_write import atomic_write
from ..errors import InputError

NAME = 'training_data.json'
UNKNOWN = 'data that was not recorded'


def record(folder: Path, step: int, trained_on: str, validated_on: str | None) -> None:
    """Write down what the training in `folder` learns from, and is validated on, from `step` on."""
    entries = _read(folder)
    if not entries and step:
        entries = [{'from_step': 0, 'trained_on': UNKNOWN, 'validated_on': None}]
    now = {'trained_on': trained_on, 'validated_on': validated_on}
    if not entries or {name: entries[-1][name] for name in now} != now:
        with atomic_write(folder / NAME) as unfinished:
            unfinished.write_text(json.dumps([*entries, {'from_step': step, **now}], indent=1) + '\n')


def trained_on(folder: Path) -> str:
    """All that the training in `folder` learnt from, in its order, in words."""
    return '; then '.join(dict.fromkeys(entry['trained_on'] for entry in _read(folder))) or UNKNOWN


def validated_on(folder: Path) -> str:
    """What it was validated on at last."""
    return next((entry['validated_on'] for entry in _read(folder)[::-1] if entry['validated_on']), UNKNOWN)


def _read(folder: Path) -> list[dict]:
    path = folder / NAME
    if not os.path.lexists(path):
        return []
    try:
        entries = json.loads(path.read_text())
        return [{name: entry[name] for name in ('from_step', 'trained_on', 'validated_on')} for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f'"ssrflow train" did not write {path}: choose another folder, or move it away') from None
