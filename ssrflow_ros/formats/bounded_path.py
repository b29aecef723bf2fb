"""Files of strangers that are never asked for more bytes than they have."""

from __future__ import annotations

import io
import os
from pathlib import PosixPath
from typing import Any


class BoundedPath(PosixPath):
    """A path whose file is never asked for more bytes than it has; its neighbours are such paths too."""

    def open(self, mode: str = 'r', *arguments: Any, **options: Any) -> Any:
        if mode != 'rb':
            return super().open(mode, *arguments, **options)
        return _BoundedFile(io.FileIO(self))


class _BoundedFile(io.BufferedReader):
    def __init__(self, raw: io.FileIO):
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size if size is None else min(size, self._size))
