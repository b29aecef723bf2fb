"""The random worlds, by name."""

from __future__ import annotations

from typing import Callable

import numpy as np

from .enclosed import hall, yard
from .stage import Scene
from .street import quiet_street, street

SCENES: dict[str, Callable[[np.random.Generator, float], Scene]] = {
    'street': street,
    'hall': hall,
    'yard': yard,
    'quiet_street': quiet_street,
}
SHARES = {'street': 0.5, 'hall': 0.2, 'yard': 0.3}
"""How often each is drawn where none is asked for."""
