"""The messages of ROS 2 that recordings are read and written with."""

from __future__ import annotations

from functools import cache

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore


@cache
def typestore() -> Typestore:
    """The standard messages; those used here are equal from Humble to Lyrical."""
    return get_typestore(Stores.ROS2_JAZZY)
