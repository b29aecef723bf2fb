"""Sampling: the points of both sweeps that the network sees.

Voxel thinning evens out the density of the beams, farthest point sampling then covers all there is,
lone objects included (a random choice loses them), near things more closely than far ones: what is near
matters more and is seen better. Half of the points go where the ego-aligned sweeps disagree more than they
mostly do: what did not move explains itself, what did needs points on it. What only came into view does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import team
from ..kernels.farthest_point import farthest_points
from ..kernels.returns import rows_of
from .prepared import Sample
from .range_image import RangeImage
from .thinned_cloud import ThinnedCloud

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
    """What the network sees of `source` (N, 3) and of `target` (M, 3): `sample_thinned` of whole clouds.

    Both clouds in the source's frame, ego-motion removed, metres. images None: source and target are all of it, seen
    from the origin, and there was nothing before. Deterministic for a given seed.
    """
    images = images or [RangeImage(points) for points in (source, target, source[:0])]
    return sample_thinned(ThinnedCloud(source, seed), ThinnedCloud(target, seed), n_points, images, focus)


def sample_thinned(
    source: ThinnedCloud, target: ThinnedCloud, n_points: int, images: Sequence[RangeImage], focus: float = FOCUS
) -> tuple[Sample, Sample]:
    """What the network sees of two clouds in the source's frame, ego-motion removed, thinned on one grid: what stands
    is then thinned alike in both, as in training.

    `n_points` of each, or fewer where the thinned clouds hold fewer.

    images  range images of both, and of the source's sensor half a second before, to be asked about points of the
            source's frame.
    """
    points, others = source.points, target.points
    if min(len(points), len(others)) < _FEWEST:
        nothing = np.zeros(0, np.int64)
        first, second = (
            Sample(cloud.rows[some], np.zeros((len(some), 3), np.float32), np.zeros((len(some), 4), np.float32))
            for cloud in (source, target)
            for some in [_spread(cloud.points, _range(cloud.points), n_points, nothing, nothing, focus)]
        )
        return first, second
    source_image, target_image, past = images

    def sample(of: tuple[ThinnedCloud, ThinnedCloud, RangeImage]) -> Sample:
        cloud, other, view = of
        points, (nearest, away) = cloud.points, other.nearest(cloud.points)
        before = past.at(points)
        reach = _range(points)
        change = _change(reach, away) + _TAKEN * before.is_free(about=True)  # what is slow changes little
        changed = np.flatnonzero(change > 1.0)
        hidden = view.at(rows_of(points, changed)).is_hidden(_HIDDEN)
        chosen = _spread(points, reach, n_points, changed[~hidden], change, focus)
        few = rows_of(points, chosen)
        margins = [query.free_space_margin() for query in (view.at(few), before.take(chosen))]
        return Sample(
            cloud.rows[chosen], rows_of(other.points, nearest.take(chosen)) - few, np.concatenate(margins, axis=1)
        )

    first, second = team.each(
        min(len(points), len(others)), sample, [(source, target, target_image), (target, source, source_image)]
    )
    return first, second


def _change(reach: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(N,) of the distances (N,) m of points at the ranges (N,) m to the nearest point of the other cloud: 1 where they
    begin to be unusual.

    Neighbouring beams diverge, so two samplings of one wall differ more the farther it is, and more with fewer beams;
    as most of a scene stands, the median over it tells how much.
    """
    reach = reach + _SAMPLED
    return away / (_UNUSUAL * (np.median(away / reach) * reach + _NOISE))


def _spread(
    points: np.ndarray, reach: np.ndarray, n: int, changed: np.ndarray, change: np.ndarray, focus: float
) -> np.ndarray:
    """`n` rows of `points` at the ranges `reach` m: a share `focus` among the most `changed` rows, the rest over
    everything."""
    if len(points) <= n:
        return np.arange(len(points))
    # Farthest points of clouds drawn towards the sensor: their spacing widens with the range.
    drawn = points * (np.maximum(reach, 1.0) ** -_NEARER)[:, None]
    share = min(int(n * focus), len(changed))
    # What changed beyond need is mostly noise of sampling: the strongest changes go first.
    changed = changed[np.argsort(-change[changed], kind='stable')[: 2 * share]]
    chosen = changed[farthest_points(rows_of(drawn, changed), share)]
    free = np.ones(len(points), dtype=bool)
    free[chosen] = False
    rest = np.flatnonzero(free)
    return np.concatenate([chosen, rest[farthest_points(rows_of(drawn, rest), n - share)]])


def _range(points: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum('ij,ij->i', points, points))
