"""Outliers: returns of no surface, from rain, snow and dust in the air, and second returns of a beam.

A surface, be it a wire, is met by several beams side by side, at about one range. A drop is met by one; the next one
near it in direction is elsewhere. What lies behind something that is seen in its very direction is the second return
of that beam.
"""

from __future__ import annotations

import numpy as np

from .beams import Beams

_FEWEST = 2  # others at about the range of a return, which a pole has of the sparsest sensor
_SHARE = 0.01  # of the returns about its direction, that must lie at its range


def outliers(beams: Beams) -> np.ndarray:
    """(N,) bool of the points of the `beams` of a sweep; beyond 32 m second returns only."""
    return ~beams.have_company(_FEWEST, _SHARE) | beams.are_past_another()
