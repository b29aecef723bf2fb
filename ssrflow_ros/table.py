"""Aligned two-column tables for the end of a command."""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

import numpy as np


def print_table(title: str, rows: Iterable[tuple[str, object]]) -> None:
    """A title and one line a row: name, value."""
    rows = [(name, str(value)) for name, value in rows]
    width = max((len(name) for name, _ in rows), default=0)
    print(f'\n{title}')
    for name, value in rows:
        print(f'  {name:{width}}  {value}')


def stage_rows(timings: Sequence[Mapping[str, float]]) -> list[tuple[str, str]]:
    """Rows of p50 and p95 of each step over many passes, and of their sum."""
    if not timings:
        return []
    steps = {step: [one.get(step, 0.0) for one in timings] for step in timings[0]}
    steps['all steps'] = [sum(one.values()) for one in timings]
    return [
        (step, f'{np.percentile(values, 50):7.1f} {np.percentile(values, 95):7.1f}') for step, values in steps.items()
    ]
