"""LiDAR scene flow for robots: two sweeps in, the motion of every point out.

The names below are loaded when they are first used, so that `import ssrflow_ros` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scene_flow import SceneFlow as SceneFlow
    from .settings import Settings as Settings
    from .stream import Stream as Stream
    from .sweep import EgoMotion as EgoMotion
    from .sweep import FlowField as FlowField
    from .sweep import Sweep as Sweep
    from .sweep import SweepPair as SweepPair

_HOME = {
    'SceneFlow': '.scene_flow',
    'Settings': '.settings',
    'Stream': '.stream',
    'Sweep': '.sweep',
    'SweepPair': '.sweep',
    'EgoMotion': '.sweep',
    'FlowField': '.sweep',
}
__all__ = [*_HOME, '__version__']


def __getattr__(name: str) -> object:
    if name == '__version__':  # of the installed package: it is written in package.xml and setup.py
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(__name__)
        except PackageNotFoundError:
            return 'unknown: not installed'
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
