"""Sampling: the points of both sweeps that the network sees.

Voxel thinning evens out the density of the beams, farthest point sampling then covers all there is,
lone objects included (a random choice loses them), near things more closely than far ones: what is near
matters more and is seen better. Half of the points go where the ego-aligned sweeps disagree more than they
mostly do: what did not move explains itself, what did needs points on it. What only came into view does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernels.farthest_point import farthest_points
from ..kernels.kd_tree import KdTree
from .cells import thin
from .prepared import Sample
from .range_image import RangeImage

VOXEL = 0.2  # metres; finer than any level of the network
FOCUS = 0.5  # share of the points that goes to the changed parts of the scene
_FEWEST = 3  # points below which there is nothing to match
_SAMPLED, _NOISE = 2.0, 0.03  # m added to the range before, and to the usual disagreement after, they are compared
_UNUSUAL = 2.0  # times the usual disagreement, from which a place has changed
_HIDDEN = 4.0  # m, about the length of a car: what was so far behind something has come into view, and did not move
_TAKEN = 2.0  # added to the disagreement where a place had been free half a second before
_NEARER = 0.4  # power of the range with which spacing widens


def sample_pair(
    source: np.ndarray,
    target: np.ndarray,
    n_points: int,
    seed: int = 0,
    focus: float = FOCUS,
    images: Sequence[RangeImage] | None = None,
) -> tuple[Sample, Sample]:
    """What the network sees of `source` (N, 3) and of `target` (M, 3).

    Both clouds in the source's frame, ego-motion removed, metres. `n_points` of each, or fewer where
    the thinned clouds hold fewer. Deterministic for a given seed, which shifts the voxel grid.

    images  range images of both, and of the source's sensor half a second before, to be asked about points of the
            source's frame; None: source and target are all of it, seen from the origin, and there was nothing before.
    """
    origin = np.random.default_rng(seed).uniform(0.0, VOXEL, 3).astype(np.float32)
    rows = [thin(points, VOXEL, origin) for points in (source, target)]
    thinned = [points.take(kept, axis=0) for points, kept in zip((source, target), rows)]
    if min(map(len, thinned)) < _FEWEST:
        nothing = np.zeros(0, np.int64)
        all_of_it = [_spread(points, n_points, nothing, nothing, focus) for points in thinned]
        first, second = (
            Sample(kept[some], np.zeros((len(some), 3), np.float32), np.zeros((len(some), 4), np.float32))
            for kept, some in zip(rows, all_of_it)
        )
        return first, second
    samples = []
    source_image, target_image, past = images or [RangeImage(points) for points in (source, target, source[:0])]
    for kept, points, others, other_image in zip(rows, thinned, reversed(thinned), (target_image, source_image)):
        nearest, away = (column[:, 0] for column in KdTree(others).search(points, 1))
        before = past.at(points)
        change = _change(points, away) + _TAKEN * before.is_free(about=True)  # what is slow changes little
        changed = np.flatnonzero(change > 1.0)
        hidden = other_image.at(points.take(changed, axis=0)).is_hidden(_HIDDEN)
        chosen = _spread(points, n_points, changed[~hidden], change, focus)
        few = points.take(chosen, axis=0)
        samples.append(
            Sample(
                kept[chosen],
                others.take(nearest.take(chosen), axis=0) - few,
                np.concatenate(
                    [query.free_space_margin() for query in (other_image.at(few), before.take(chosen))], axis=1
                ),
            )
        )
    return samples[0], samples[1]


def _change(points: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(N,) of the distances (N,) m to the nearest point of the other cloud: 1 where they begin to be unusual.

    Neighbouring beams diverge, so two samplings of one wall differ more the farther it is, and more with fewer beams;
    as most of a scene stands, the median over it tells how much.
    """
    reach = _range(points) + _SAMPLED
    return away / (_UNUSUAL * (np.median(away / reach) * reach + _NOISE))


def _spread(points: np.ndarray, n: int, changed: np.ndarray, change: np.ndarray, focus: float) -> np.ndarray:
    """`n` rows of `points`: a share `focus` among the most `changed` rows, the rest over everything."""
    if len(points) <= n:
        return np.arange(len(points))
    # Farthest points of clouds drawn towards the sensor: their spacing widens with the range.
    drawn = points * (np.maximum(_range(points), 1.0) ** -_NEARER)[:, None]
    share = min(int(n * focus), len(changed))
    # What changed beyond need is mostly noise of sampling: the strongest changes go first.
    changed = changed[np.argsort(-change[changed], kind='stable')[: 2 * share]]
    chosen = changed[farthest_points(drawn.take(changed, axis=0), share)]
    free = np.ones(len(points), dtype=bool)
    free[chosen] = False
    rest = np.flatnonzero(free)
    return np.concatenate([chosen, rest[farthest_points(drawn.take(rest, axis=0), n - share)]])


def _range(points: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum('ij,ij->i', points, points))
