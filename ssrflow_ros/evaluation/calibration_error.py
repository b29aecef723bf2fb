"""How far probabilities are from what happens, and by how much another drive shifts them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from ..objects.calibration import logit

_SPREAD = (0.3, 1.0)  # of scale and offset before anything is seen: a few objects shift little


class Bins(NamedTuple):
    """Of some bins: mean probability said, share that came true, and share of all that fall in it; (B,) each."""

    said: np.ndarray
    true: np.ndarray
    share: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of what is said from what is true."""
        return float((self.share * np.abs(self.said - self.true)).sum())


def binned(probability: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None, bins: int = 10) -> Bins:
    """Of probabilities (N,) and outcomes (N,), 0 or 1, each of which counts `weight` (N,), 1 if None, times.

    Bins are equally wide; empty ones are left out.
    """
    weight = np.ones(len(probability)) if weight is None else weight
    number = np.minimum((probability * bins).astype(int), bins - 1)
    sums = [np.bincount(number, weight * values, bins) for values in (1.0, probability, outcome)]
    held = sums[0] > 0
    total, said, true = (column[held] for column in sums)
    return Bins(said / total, true / total, total / total.sum())


def own_drive(probability: np.ndarray, moved: np.ndarray) -> tuple[float, float]:
    """By what the log odds of probabilities (N,) are to be multiplied, and what is to be added, so that they say most
    likely which of these things had `moved` (N,) bool; 1 and 0 where nothing was seen."""
    log_odds, sign = logit(probability), np.where(moved, 1.0, -1.0)

    def surprise(shift: np.ndarray) -> float:
        return np.logaddexp(0, -sign * (shift[0] * log_odds + shift[1])).sum() + float(
            (((shift - (1.0, 0.0)) / _SPREAD) ** 2).sum() / 2
        )

    scale, offset = minimize(surprise, (1.0, 0.0), method='L-BFGS-B', bounds=[(0.1, None), (None, None)]).x
    return float(scale), float(offset)
