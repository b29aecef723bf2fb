"""What registration says of each cluster."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Fit:
    """Of K clusters: what `registration.register` found.

    shift       (K, 2) m, displacement in x and y by this pair alone: between `measured` and `network`, as far as each
                is trusted.   steady (K, 2) m: between that and what the stream expects, where it expects anything.
    turn        (K,) rad, counter-clockwise about `centre` (K, 2) m.
    size        (K, 3) m, extent.
    network     (K, 2) m, median displacement by the network; `measured` (K, 2) m by the other sweep.
    trust       (K, 2, F) features of the trust in the latter, for each axis of the curvature.
    expected    (K, 2) m, by the stream, NaN where it expects nothing; `steadiness` (K, 2, F) features of the trust in
                it against `shift`.
    cost        (K,) in [0, 1], truncated squared distance both ways at `shift`; `cost_still` (K,) the same at rest.
    curvature   (K, 2, 2) 1/m² of the cost at `measured`: what slides along itself is flat that way.
    against     (K,) share of its points through whose places, moved by `shift`, the other sweep saw.
    """

    shift: np.ndarray
    steady: np.ndarray
    turn: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    network: np.ndarray
    measured: np.ndarray
    trust: np.ndarray
    expected: np.ndarray
    steadiness: np.ndarray
    cost: np.ndarray
    cost_still: np.ndarray
    curvature: np.ndarray
    against: np.ndarray
