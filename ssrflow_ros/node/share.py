"""Where the package's launch, config and rviz files lie: installed by colcon or pip, or a source tree."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import InputError

PACKAGE = 'ssrflow_ros'


def share_file(name: str) -> Path:
    """Path of a file such as 'config/fastdds.xml'.

    Looked for in every prefix of AMENT_PREFIX_PATH, in Python's own prefix (`pip install .`) and beside
    the sources (`pip install -e .`); InputError if it is in none of them.
    """
    prefixes = [*filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)), sys.prefix]
    folders = [Path(prefix) / 'share' / PACKAGE for prefix in prefixes]
    folders.append(Path(__file__).resolve().parents[2])
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"the package's file {name} is nowhere under {', '.join(map(str, folders))}: install the package again"
    )
