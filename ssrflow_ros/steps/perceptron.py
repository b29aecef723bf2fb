"""A small network over hand-made features, in numpy."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..atomic_write import atomic_write


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Log odds of K things by F features: a weighed sum of them, and H units that see what no sum tells.

    centre, spread  (F,) by which features are brought to mean 0 and spread 1.   line (F,) weights of the sum.
    into (F, H), bias (H,), out (H,)  of the units, whose answers go through tanh.   offset (), log odds of nothing.
    """

    centre: np.ndarray
    spread: np.ndarray
    line: np.ndarray
    into: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    offset: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(K,) log odds of features (K, F)."""
        scaled = (features - self.centre) / self.spread
        return scaled @ self.line + np.tanh(scaled @ self.into + self.bias) @ self.out + self.offset

    @classmethod
    def load(cls, path: Path) -> Perceptron:
        """As `save` wrote it."""
        with np.load(path) as file:
            return cls(*(file[entry.name] for entry in dataclasses.fields(cls)))

    def save(self, path: Path) -> None:
        """Numbers in float32, whole or not at all."""
        with atomic_write(path) as unfinished, open(unfinished, 'wb') as file:
            np.savez(file, **{name: np.float32(value) for name, value in vars(self).items()})
