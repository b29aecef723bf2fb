"""The kinds of fitted models: a weighed sum of named features, and a small network over them, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .features import Columns, stacked


@dataclass(frozen=True, eq=False)
class Linear:
    """A weighed sum of named features; weights (F,), or (M, F) for M sums of the same."""

    names: tuple[str, ...]
    weights: np.ndarray

    def __call__(self, columns: Columns) -> np.ndarray:
        """(...) of columns that broadcast to (...); (..., M) of M sums."""
        return stacked(columns, self.names) @ self.weights.T


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A number of each of K things by F features, as log odds: a weighed sum, and H units that see what no sum tells.

    names           of the features.
    centre, spread  (F,) by which features are brought to mean 0 and spread 1.   line (F,) weights of the sum.
    into (F, H), bias (H,), out (H,)  of the units, whose answers go through tanh.   offset (), what nothing gives.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    spread: np.ndarray
    line: np.ndarray
    into: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    offset: np.ndarray

    def __call__(self, columns: Columns) -> np.ndarray:
        """(...) of columns that broadcast to (...)."""
        return self.of_stacked(stacked(columns, self.names))

    def of_stacked(self, features: np.ndarray) -> np.ndarray:
        """(...) of features (..., F), in the order of the names."""
        scaled = (features - self.centre) / self.spread
        return scaled @ self.line + np.tanh(scaled @ self.into + self.bias) @ self.out + self.offset


def logistic(log_odds: np.ndarray) -> np.ndarray:
    """Probability of log odds."""
    return 1 / (1 + np.exp(-log_odds))
