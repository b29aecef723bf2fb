"""Long baseline: how far each cluster has moved since an earlier sweep, half a second before where a stream holds one.

From one sweep to the next a walker goes 0.1 m, hardly more than registration errs by; in half a second he goes five
times as far, and registration errs as little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .groups import Clusters
from .registration import laid_onto_sweep
from .tiles import Blocks, Tiles

_REACH = 2.0  # m that is searched; who has gone farther is seen to move in one pair


class LongBaseline(NamedTuple):
    """Of K clusters, laid onto an earlier sweep; `known` (K,) bool: there is one, and they may be within reach of it.

    displacement  (K, 2) m in the pair's time at the mean velocity since then, NaN where not known.
    cost, cost_still, cost_alike  (K,) as in `Registration`: of where they are found in the earlier sweep, of where they
                                  stand, of where they would have been at the pair's own velocity.
    ratio         time since the earlier sweep, in times of the pair.
    """

    known: np.ndarray
    displacement: np.ndarray
    cost: np.ndarray
    cost_still: np.ndarray
    cost_alike: np.ndarray
    ratio: float


def long_baseline(clusters: Clusters, displacement: np.ndarray, past: Blocks, dt: float, age: float) -> LongBaseline:
    """displacement (K, 2) m of the clusters in the pair's `dt` s; past  points of the earlier sweep, `age` s before the
    source, that nothing which stands in the source explains; 0 s where there is none."""
    if not age:
        nothing = np.zeros(len(displacement))
        return LongBaseline(nothing > 0, np.full_like(displacement, np.nan), nothing, nothing, nothing, 1.0)
    ratio = abs(age / dt)
    way = displacement * ratio
    found, cost, cost_still, cost_alike = laid_onto_sweep(Tiles(clusters, past, _REACH), way, age)
    known = np.hypot(*way.T) < _REACH
    return LongBaseline(known, np.where(known[:, None], found / ratio, np.nan), cost, cost_still, cost_alike, ratio)
