"""What registration says of each cluster."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Fit:
    """Of K clusters: what `registration.register` found.

    shift       (K, 2) m, displacement in x and y: between `measured` and `network`, as far as each is trusted.
    turn        (K,) rad, counter-clockwise about `centre` (K, 2) m.
    size        (K, 3) m, extent.
    network     (K, 2) m, median displacement by the network; `measured` (K, 2) m by the other sweep.
    trust       (K, 2, F) features of the trust in the latter, for each axis of the curvature.
    cost        (K,) in [0, 1], truncated squared distance both ways at `shift`; `cost_still` (K,) the same at rest.
    curvature   (K, 2, 2) 1/m² of the cost at `measured`: what slides along itself is flat that way.
    """

    shift: np.ndarray
    turn: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    network: np.ndarray
    measured: np.ndarray
    trust: np.ndarray
    cost: np.ndarray
    cost_still: np.ndarray
    curvature: np.ndarray
