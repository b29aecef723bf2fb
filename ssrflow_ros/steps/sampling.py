"""Sampling: the points of both sweeps that the network sees.

Voxel thinning evens out the density of the beams, farthest point sampling then covers all there is,
lone objects included (a random choice loses them), near things more closely than far ones: what is near
matters more and is seen better. Half of the points go where the ego-aligned sweeps disagree more than they
mostly do: what did not move explains itself, what did needs points on it. What only came into view does not.
How many points there are in all follows from how much stands where the other sweep saw through.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
_STEPS = 8  # numbers of points between which a pair has the choice: few, as libraries keep code for each
_LEAST = 3  # steps of them that a pair is given where nothing is suspected
_SUSPECTS = 64  # suspected points for which it is given one step more
_MINIMUM = 512  # points that it is given however small the steps are: with so few, halls lose a fifth of movers


def sample_pair(
    source: np.ndarray,
    target: np.ndarray,
    n_points: int,
    seed: int = 0,
    focus: float = FOCUS,
    images: Sequence[RangeImage] | None = None,
) -> tuple[Sample, Sample]:
    """What the network sees in training of `source` (N, 3) and of `target` (M, 3): `n_points` of each, or fewer where
    thinning leaves fewer.

    Both clouds in the source's frame, ego-motion removed, metres. images None: source and target are all of it, seen
    from the origin, and there was nothing before. Deterministic for a given seed.
    """
    images = images or [RangeImage(points) for points in (source, target, source[:0])]
    return _sampled(ThinnedCloud(source, seed), ThinnedCloud(target, seed), n_points, images, focus, _STEPS)


def sample_thinned(
    source: ThinnedCloud, target: ThinnedCloud, n_points: int, images: Sequence[RangeImage]
) -> tuple[Sample, Sample]:
    """What the network sees of two clouds in the source's frame, ego-motion removed, thinned on one grid: what stands
    is then thinned alike in both, as in training.

    At most `n_points` of each, fewer where little is suspected or the thinned clouds hold fewer.

    images  range images of both, and of the source's sensor half a second before, to be asked about points of the
            source's frame.
    """
    return _sampled(source, target, n_points, images, FOCUS, _LEAST)


class _Side:
    """A thinned `cloud` beside the `other`, which `view` shows, and `past` what was seen half a second before.

    suspects  how many of its points have changed and stand where the other sensor saw through.
    """

    def __init__(self, cloud: ThinnedCloud, other: ThinnedCloud, view: RangeImage, past: RangeImage):
        self._cloud, self._other, self._view = cloud, other, view
        self._nearest, away = other.nearest(cloud.points)
        self._before = past.at(cloud.points)
        self._reach = _range(cloud.points)
        # What is slow changes little.
        self._change = _change(self._reach, away) + _TAKEN * self._before.is_free(about=True)
        changed = np.flatnonzero(self._change > 1.0)
        seen = view.at(rows_of(cloud.points, changed))
        self._changed = changed[~seen.is_hidden(_HIDDEN)]
        self.suspects = int(np.count_nonzero(seen.is_free()))

    def sample(self, n: int, focus: float) -> Sample:
        """At most `n` of its points."""
        points = self._cloud.points
        chosen = _spread(points, self._reach, n, self._changed, self._change, focus)
        few = rows_of(points, chosen)
        margins = [query.free_space_margin() for query in (self._view.at(few), self._before.take(chosen))]
        offsets = rows_of(self._other.points, self._nearest.take(chosen)) - few
        return Sample(self._cloud.rows[chosen], offsets, np.concatenate(margins, axis=1))


def _sampled(
    source: ThinnedCloud, target: ThinnedCloud, n_points: int, images: Sequence[RangeImage], focus: float, least: int
) -> tuple[Sample, Sample]:
    """Both samples, of at most `n_points` each, and of no fewer than `least` of the steps to them."""
    if min(len(source.points), len(target.points)) < _FEWEST:
        nothing = np.zeros(0, np.int64)
        first, second = (
            Sample(cloud.rows[some], np.zeros((len(some), 3), np.float32), np.zeros((len(some), 4), np.float32))
            for cloud in (source, target)
            for some in [_spread(cloud.points, _range(cloud.points), n_points, nothing, nothing, focus)]
        )
        return first, second
    source_image, target_image, past = images
    sides = _Side(source, target, target_image, past), _Side(target, source, source_image, past)
    suspects = max(side.suspects for side in sides)
    steps = min(least + -(-suspects // _SUSPECTS), _STEPS)
    n = min(max(-(-n_points * steps // _STEPS), _MINIMUM), n_points)
    return sides[0].sample(n, focus), sides[1].sample(n, focus)


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
