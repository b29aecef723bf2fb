"""Upsampling: the sampled points' flow, for every point."""

from __future__ import annotations

import numpy as np
import torch

from ..kernels.interpolation import interpolated
from ..operators import Searched, interpolate, interpolation_weights
from .thinned_cloud import ThinnedCloud

_NEIGHBOURS = 3
_NEAREST = 1e-4  # metres; nearer ones weigh no more


def upsample(cloud: ThinnedCloud, known: np.ndarray, values: torch.Tensor) -> np.ndarray:
    """`values` (M, 3) at `known` (M, 3) interpolated at the cloud's points (N, 3), all float32, M >= 1: (N, 3) float32.

    Inverse-distance weights over the 3 known points nearest to the first point of the same voxel: a sweep
    has four points a voxel, and the search is what costs. Not so on a GPU: values that are there are
    interpolated there, over the 3 points nearest to each.
    """
    if values.device.type != 'cpu':
        return _on_device(cloud.cloud, known, values)
    known = np.ascontiguousarray(known)
    among, queries = (Searched(torch.from_numpy(points)[None]) for points in (known, cloud.points))
    nearest = among.nearest(queries, min(_NEIGHBOURS, len(known)))[0].numpy()
    return interpolated(cloud.cloud, cloud.voxels[0], nearest, known, values.numpy(), np.float32(_NEAREST))


def _on_device(points: np.ndarray, known: np.ndarray, values: torch.Tensor) -> np.ndarray:
    there, around = (torch.from_numpy(cloud)[None].to(values.device) for cloud in (points, known))
    return interpolate(values[None], *interpolation_weights(there, around))[0].cpu().numpy()
