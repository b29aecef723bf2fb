"""Farthest point sampling of one cloud of numpy points."""
from __future__ import annotations

import numpy as np

try:
    import fpsample
except ImportError:  # no wheel for this machine (a Jetson): torch's reference serves
    fpsample = None

DIRECTION = (0.8017837, 0.5345225, 0.2672612)
"""Points are ordered along it first; no two points of a real cloud are level along it."""


def farthest_points(points: np.ndarray, n: int) -> np.ndarray:
    """Rows (min(n, N),) int64 of a farthest point sample of `points` (N, 3) float32: `farthest_point_order` of one."""
    if n == 0 or len(points) <= n:
        return np.arange(min(n, len(points)))
    if fpsample is None:
        import torch

        from ..operators import farthest_point_order
        return farthest_point_order(torch.from_numpy(points)[None], n)[0].numpy()
    along = sum(axis * np.float32(share) for axis, share in zip(points.T, DIRECTION))
    own = along.argsort(kind='stable')
    return own.take(bucketed(points.take(own, axis=0), n))


def bucketed(cloud: np.ndarray, n: int) -> np.ndarray:
    """Order (n,) int64 in which fpsample takes the points of `cloud` (N, 3) float32, n <= N, each of them once."""
    if len(cloud) < 2:
        return np.arange(n)
    # Height of the library's tree: 5 and 7 measured best; it takes no more than log2 of the points.
    height = min(5 if len(cloud) < 30_000 else 7, len(cloud).bit_length() - 1)
    order = fpsample.bucket_fps_kdline_sampling(cloud, n, height, start_idx=0)
    order = np.asarray(order, dtype=np.int64)
    taken = np.unique(order, return_index=True)[1]
    if len(taken) == n:
        return order
    # Nothing but duplicates was left and the library took points twice: take the others instead.
    order = order[np.sort(taken)]
    return np.concatenate([order, np.setdiff1d(np.arange(len(cloud)), order)[:n - len(order)]])
