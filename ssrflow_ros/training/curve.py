"""The learning curve as a file that grows with the training."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Mapping

from ..atomic_write import atomic_write


class Curve:
    """Rows of a .csv; whatever was written after `step`, where the training goes on, is cut off."""

    def __init__(self, path: Path, step: int):
        self.path = path
        rows = read_curve(path)
        kept = [row for row in rows if int(row['step']) <= step]
        self.columns = list(rows[0]) if rows else []
        if len(kept) < len(rows):
            with atomic_write(path) as unfinished:
                self._append(unfinished, kept, new=True)

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row; the first one ever names the columns."""
        new = not self.columns
        if new:
            self.columns = list(row)
        self._append(self.path, [row], new)

    def _append(self, path: Path, rows: list, new: bool) -> None:
        with open(path, 'a', newline='') as file:
            writer = csv.DictWriter(file, self.columns, extrasaction='ignore')
            if new:
                writer.writeheader()
            writer.writerows(rows)


def read_curve(path: Path) -> list[dict[str, str]]:
    """The rows of a curve; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline='') as file:
        return list(csv.DictReader(file))
