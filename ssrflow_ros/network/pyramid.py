"""The point sets of all levels of both frames, and their neighbour tables, computed once for all blocks.

Both frames go through the same layers, so they are one batch: all source frames, then all target frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..operators import Searched, farthest_point_order, gather, interpolate, interpolation_weights
from ..operators.padding import is_padding
from .config import NetworkConfig


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Frames, the points of their coarser levels in farthest-point order: each level is a prefix of the one before.

    order       (B, N) int64, input row of each point of level l0.
    points      per level (B, n_l, 3) float32 m.
    more        (B, N, C) what else is known of each point of l0, in metres; C may be 0.
    neighbours  per level but the last (B, n_{l+1}, K) int64, PointConv's: the K nearest of level l to each point of
                level l+1, itself first; of the last level each point's K nearest of its own.
    up_index, up_weights  per level but the last: 3-NN interpolation from level l+1 to level l.
    counts      per level (B,) int64, how many of its rows are points, the first ones; the rest is padding, which
                is nobody's neighbour and whose own results mean nothing. None: all of them.

    The sizes n_l follow from N, the counts from how many of the N are points, by the same rule
    (`NetworkConfig.level_sizes`): so a padded cloud has, level by level, the points that it has unpadded.
    """

    order: torch.Tensor
    points: tuple[torch.Tensor, ...]
    more: torch.Tensor
    neighbours: tuple[torch.Tensor, ...]
    up_index: tuple[torch.Tensor, ...]
    up_weights: tuple[torch.Tensor, ...]
    counts: tuple[torch.Tensor | None, ...]

    @classmethod
    def build(cls, cloud: torch.Tensor, config: NetworkConfig, count: torch.Tensor | None = None) -> 'Pyramid':
        """From a cloud (B, N, 3 + C) of points, metres, and what else is known of each, in any order.

        With `count` (B,) int64 only so many first rows are points.
        """
        size = config.level_sizes(cloud.shape[1])[1]
        order = _complete(farthest_point_order(cloud[..., :3], size, count), cloud.shape[1])
        return cls.of_ordered(gather(cloud, order), config, order, count)

    @classmethod
    def of_pair(
        cls,
        source: torch.Tensor,
        target: torch.Tensor,
        config: NetworkConfig,
        source_count: torch.Tensor | None = None,
        target_count: torch.Tensor | None = None,
    ) -> 'Pyramid':
        """Both frames as one batch, counts as in `build`: neither or both. The smaller frame is filled up."""
        sizes = source.shape[1], target.shape[1]
        if sizes[0] != sizes[1] and source_count is None:
            source_count, target_count = (torch.full((len(source),), size, device=source.device) for size in sizes)
        clouds = (F.pad(cloud, (0, 0, 0, max(sizes) - cloud.shape[1])) for cloud in (source, target))
        count = None if source_count is None or target_count is None else torch.cat([source_count, target_count])
        return cls.build(torch.cat([*clouds]), config, count)

    def halves(self) -> tuple['Pyramid', 'Pyramid']:
        """The source frames and the target frames of a pair's pyramid."""

        def half(i: int) -> Pyramid:
            def of(tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
                return tuple(tensor.chunk(2)[i] for tensor in tensors)

            order, more = of((self.order, self.more))
            counts = tuple(None if count is None else count.chunk(2)[i] for count in self.counts)
            tables = of(self.neighbours), of(self.up_index), of(self.up_weights)
            return Pyramid(order, of(self.points), more, *tables, counts)

        return half(0), half(1)

    def joined(self, target: 'Pyramid') -> 'Pyramid':
        """These source frames and as many target frames of the same size as one batch: `halves`, undone."""

        def both(ours: tuple, theirs: tuple) -> tuple:
            return tuple(one if one is None else torch.cat([one, other]) for one, other in zip(ours, theirs))

        order, more = both((self.order, self.more), (target.order, target.more))
        names = 'neighbours', 'up_index', 'up_weights', 'counts'
        return Pyramid(
            order, both(self.points, target.points), more, *(both(getattr(self, n), getattr(target, n)) for n in names)
        )

    @classmethod
    def of_ordered(
        cls,
        cloud: torch.Tensor,
        config: NetworkConfig,
        order: torch.Tensor | None = None,
        count: torch.Tensor | None = None,
    ) -> 'Pyramid':
        """From a cloud (B, N, 3 + C) that stands in farthest-point order already; `order` is what put it there."""
        points, more = cloud[..., :3].contiguous(), cloud[..., 3:]
        if order is None:
            order = torch.arange(points.shape[1], device=points.device).expand(points.shape[:2])
        levels = tuple(points[:, :size] for size in config.level_sizes(points.shape[1]))
        counts = tuple(None if count is None else (count // divisor).clamp_min(1) for divisor in config.divisors)
        searched = [Searched(level, count) for level, count in zip(levels, counts)]
        k = *[config.k_pointconv] * (len(levels) - 1), max(config.k_embedding, config.k_predictor)
        # From the coarsest on: a level that has been searched knows in which order to ask about its points.
        searches = [*zip(searched, [*searched[1:], searched[-1]], k)]
        neighbours = tuple([fine.nearest(to, k) for fine, to, k in searches[::-1]][::-1])
        up = [interpolation_weights(fine, coarse) for fine, coarse in zip(searched, searched[1:])]
        return cls(
            order,
            levels,
            more,
            neighbours,
            tuple(index for index, _ in up),
            tuple(weights for _, weights in up),
            counts,
        )

    def upsample(self, values: torch.Tensor, level: int) -> torch.Tensor:
        """`values` (B, n_{level+1}, C) of the next coarser level at the points of `level`: (B, n_level, C)."""
        return interpolate(values, *self.up(level))

    def up(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Index and weights (B, n_level, 3) of `upsample`."""
        return self.up_index[level], self.up_weights[level]

    def mask(self, level: int) -> torch.Tensor | None:
        """(B, 1, n_level) float32 to be added to scores over the points of `level`: 0, and -inf where padding is."""
        count = self.counts[level]
        if count is None:
            return None
        padding = is_padding(count, self.points[level].shape[1])[:, None]
        return torch.zeros_like(padding, dtype=torch.float32).masked_fill(padding, float('-inf'))


def swapped(of_both: torch.Tensor) -> torch.Tensor:
    """(2B, ...) of both frames -> the same of each one's partner."""
    return of_both.roll(len(of_both) // 2, 0)


def _complete(prefix: torch.Tensor, n: int) -> torch.Tensor:
    """The order (B, n) that begins with `prefix` (B, m), the other rows after it as they come."""
    rank = torch.full((len(prefix), n), n, device=prefix.device)
    rank.scatter_(1, prefix, torch.arange(prefix.shape[1], device=prefix.device).expand_as(prefix))
    return rank.argsort(dim=1, stable=True)
