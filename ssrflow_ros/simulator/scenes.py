"""The random worlds, by name."""

from __future__ import annotations

from typing import Callable

import numpy as np

from .enclosed import hall, yard
from .stage import Scene
from .street import street

SCENES: dict[str, Callable[[np.random.Generator, float], Scene]] = {
    'street': street,
    'hall': hall,
    'yard': yard,
}
