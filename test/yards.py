"""A made-up place, seen by a sensor that stands in it."""

import numpy as np


def yard(n=1500, seed=0):
    """A closed yard seen from 1.7 m above its ground: four walls, some boxes; `seed` is that of the beams."""
    rng = np.random.default_rng(seed)
    parts = [np.column_stack([rng.uniform(-30, 30, n), rng.uniform(-9, 9, n), rng.normal(-1.7, 0.02, n)])]
    for side in (-1, 1):
        height = rng.uniform(-1.7, 3, n)
        parts.append(np.column_stack([rng.uniform(-30, 30, n), rng.normal(9 * side, 0.02, n), height]))
        parts.append(np.column_stack([rng.normal(30 * side, 0.02, n), rng.uniform(-9, 9, n), height]))
    for centre in ((8, 3, -1), (-12, -4, -1), (20, -5, -1)):
        parts.append(np.array(centre) + rng.uniform(-1, 1, (n // 8, 3)))
    return np.concatenate(parts).astype(np.float32)
