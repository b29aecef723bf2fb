"""Each step and operator beside its plain-torch reference, simple ways to do without, and libraries."""

from __future__ import annotations

import numpy as np
import torch

from ..kernels.kd_tree import KdTree
from ..operators import (
    Linear,
    attentive_sum,
    farthest_point_order,
    gather,
    interpolate,
    interpolation_weights,
    k_nearest,
)
from ..operators.reference import attentive_sum_reference, farthest_point_order_reference, k_nearest_reference
from ..scene_flow import SceneFlow
from ..steps.cells import thin
from ..steps.prepared import PreparedPair
from ..steps.sampling import sample_pair
from ..steps.thinned_cloud import VOXEL, ThinnedCloud
from ..steps.upsampling import upsample
from ..sweep import EgoMotion, SweepPair
from . import libraries
from .timing import Timing, timed

OURS, REFERENCE = 'ours', 'plain torch'
_NEIGHBOURS = 16


def measure_alternatives(
    method: SceneFlow, pair: SweepPair, ego: EgoMotion, repeats: int
) -> tuple[dict[str, dict[str, Timing]], list[str]]:
    """Times by job and way of doing it, on one pair of sweeps; and the libraries that are not installed."""
    device, count = method.inference.device, method.settings.network_points
    prepared = method.prepare(pair, ego)
    source = pair.source.points
    rows = source[prepared.rows]
    assert prepared.samples is not None
    known = rows[prepared.samples[0].rows]
    motion = torch.zeros(known.shape, device=device)
    cloud, dense = (torch.from_numpy(points)[None].to(device) for points in (known, rows))
    index = k_nearest(cloud, cloud, _NEIGHBOURS)
    wide = torch.randn(1, len(known), 64, device=device)
    around, layer = gather(wide, index), Linear(64, 64).to(device)
    few = max(1, len(known) // 4)
    every = -(-len(rows) // count)

    jobs: dict[str, dict[str, libraries.Work]] = {
        f'{_NEIGHBOURS} nearest of {len(known)} to as many': {
            OURS: lambda: k_nearest(cloud, cloud, _NEIGHBOURS),
            REFERENCE: lambda: k_nearest_reference(cloud, cloud, _NEIGHBOURS),
            **libraries.nearest_neighbours(known, known, _NEIGHBOURS),
        },
        f'farthest {few} of {len(known)}': {
            OURS: lambda: farthest_point_order(cloud, few),
            REFERENCE: lambda: farthest_point_order_reference(cloud, few, torch.zeros_like(index[:, 0, 0])),
        },
        f'gather {_NEIGHBOURS} rows of 64 numbers for {len(known)}': {
            OURS: lambda: gather(wide, index),
            REFERENCE: lambda: wide[0][index],
            'torch.index_select': lambda: wide[0].index_select(0, index.reshape(-1)),
        },
        f'linear layer, 64 to 64, of {_NEIGHBOURS} neighbours of {len(known)}': {
            OURS: lambda: layer(around),
            REFERENCE: lambda: torch.nn.functional.linear(around, layer.weight, layer.bias),
        },
        f'attention over {_NEIGHBOURS} neighbours of {len(known)}, 64 numbers': {
            OURS: lambda: attentive_sum(around, around),
            REFERENCE: lambda: attentive_sum_reference(around, around),
        },
        f'thin {len(rows)} to one a {VOXEL} m cube': {
            OURS: lambda: thin(rows, VOXEL),
            **libraries.thinning(rows, VOXEL),
        },
        f'sample {count} of both sweeps': {
            OURS: lambda: sample_pair(rows, prepared.target, count),
            'every nth point': lambda: (rows[::every].copy(), prepared.target[::every].copy()),
        },
        f'upsample {len(known)} to {len(rows)}': {
            OURS: lambda: upsample(ThinnedCloud(rows), known, motion),
            REFERENCE: lambda: interpolate(motion[None], *interpolation_weights(dense, cloud)),
        },
        'flow of a pair, ego-motion given': {
            OURS: lambda: method(pair, ego),
            'nearest neighbour': lambda: _nearest_neighbour_flow(prepared),
            'zero': lambda: np.zeros_like(source),
        },
    }
    missing: list[str] = []
    return {job: _measured(ways, device, repeats, missing) for job, ways in jobs.items()}, sorted(set(missing))


def _measured(
    ways: dict[str, libraries.Work], device: torch.device, repeats: int, missing: list[str]
) -> dict[str, Timing]:
    found = {}
    for name, work in ways.items():
        try:
            with torch.inference_mode():
                found[name] = timed(work, device, repeats)
        except ImportError:
            missing.append(name)
    return found


def _nearest_neighbour_flow(prepared: PreparedPair) -> np.ndarray:
    """(n, 3) way of each point to its nearest in the target: the simplest matching there is."""
    points = prepared.pair.source.points[prepared.rows]
    return prepared.target[KdTree(prepared.target).search(points, 1)[0][:, 0]] - points
