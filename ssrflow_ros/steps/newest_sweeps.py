"""What is made of the sweeps of a stream, each once: in two pairs each has its turn."""

from __future__ import annotations

from typing import TypeVar
from weakref import WeakKeyDictionary

from ..sweep import Sweep

Made = TypeVar('Made')

_MOST = 6  # a pair's two and the one before them, each as it was given and as it was conditioned


class NewestSweeps(WeakKeyDictionary[Sweep, Made]):
    """What was made of each of a stream's newest sweeps, until nobody has the sweep; whoever keeps sweeps for longer,
    as with every answer, does not keep what was made of them."""

    def __setitem__(self, sweep: Sweep, made: Made) -> None:
        super().__setitem__(sweep, made)
        while len(self) > _MOST:
            self.pop(next(iter(self.keys())), None)
