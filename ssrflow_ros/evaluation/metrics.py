"""Scene flow metrics by the two protocols of the field; `METRICS` has units.

`flow_errors`     FlowNet3D protocol (FlyingThings3D, KITTI scene flow): the sensor's motion left in.
`ResidualErrors`  Argoverse 2 protocol (full LiDAR): ego-motion removed, scaled to 0.1 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..datasets.labelled_pair import BACKGROUND, CATEGORIES, DYNAMIC, PER

BUCKETS = np.append(np.linspace(0.0, 2.0, 51), np.inf)
"""Edges of the 51 speed buckets, metres per 0.1 s; bucket 0 is the static one."""
RANGES = np.array([0.0, 10, 20, 35, 50, 70, np.inf])
"""Edges of the table by range, metres from the sensor, in the plane."""
SPEEDS = np.array([0.0, 0.5, 1, 2, 5, 10, 20, np.inf])
"""Edges of the table by speed, m/s, ego-motion removed."""
SQUARE = 35.0
"""Half the side, metres, of the square around the sensor that published figures by Argoverse 2's protocol are about."""

_B = 'ego-motion removed, scaled to 0.1 s, over points'
METRICS: dict[str, tuple[str, str]] = {
    'epe3d': ('m', 'mean |predicted - true|'),
    'acc3ds': ('share', 'error < 0.05 m or < 5 %'),
    'acc3dr': ('share', 'error < 0.10 m or < 10 %'),
    'outliers': ('share', 'error > 0.30 m or > 10 %'),
    'three_way': ('m', f'{_B}: mean of foreground dynamic (>= 0.05 m), foreground static, background static'),
    'foreground_dynamic': ('m', f'{_B}: EPE of foreground of at least 0.05 m'),
    'foreground_static': ('m', f'{_B}: EPE of foreground of less than 0.05 m'),
    'background_static': ('m', f'{_B}: EPE of background of less than 0.05 m'),
    'bucket_static': ('m', f'{_B}: EPE of what moves less than 0.04 m, mean over categories'),
    'bucket_dynamic': (
        'share',
        f'{_B}: EPE / mean speed of 50 buckets of 0.04 m, mean over buckets, then over categories; zero flow has 1',
    ),
    'dynamic_iou': ('share', f'{_B}: intersection over union of what moves at least 0.05 m'),
}
"""Unit and protocol by name, for whoever prints or writes a number."""


@dataclass(frozen=True)
class FlowErrors:
    """The FlowNet3D protocol's metrics (FlowNet3D, HPLFlowNet): per point e = |pred - gt| m, r = e / (|gt| + 1e-4).

    epe3d     mean e, metres.            acc3ds  share of e < 0.05 or r < 0.05.
    acc3dr    share of e < 0.10 or r < 0.10.   outliers  share of e > 0.30 or r > 0.10.
    n         points that were compared.

    Of one sample; a data set's figure is the mean over its samples.
    """

    epe3d: float
    acc3ds: float
    acc3dr: float
    outliers: float
    n: int


def flow_errors(predicted: np.ndarray, truth: np.ndarray) -> FlowErrors:
    """Of displacements (N, 3) metres; nan where N = 0. A prediction that is not finite is an error."""
    if not np.isfinite(predicted).all():
        raise ValueError('predicted flow is not finite: score only rows that carry a prediction')
    if not len(truth):
        return FlowErrors(np.nan, np.nan, np.nan, np.nan, 0)
    error = np.linalg.norm(predicted - truth, axis=1)
    share = error / (np.linalg.norm(truth, axis=1) + 1e-4)
    return FlowErrors(
        float(error.mean()),
        float(((error < 0.05) | (share < 0.05)).mean()),
        float(((error < 0.1) | (share < 0.1)).mean()),
        float(((error > 0.3) | (share > 0.1)).mean()),
        len(truth),
    )


def moving_iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (N,) of moving points; nan where neither has any."""
    return float((predicted & truth).sum() / union) if (union := (predicted | truth).sum()) else float('nan')


class ThreeWay(NamedTuple):
    """EPE in metres per 0.1 s; `mean` is of the parts that there are, nan marks a part without points."""

    mean: float
    foreground_dynamic: float
    foreground_static: float
    background_static: float

    def by_name(self) -> dict[str, float]:
        """By the names of METRICS."""
        return dict(zip(('three_way', *self._fields[1:]), self))


class BucketNormalised(NamedTuple):
    """static m per 0.1 s and dynamic (zero flow: 1), means over categories; `by_category` the pairs of each."""

    static: float
    dynamic: float
    by_category: dict[str, tuple[float, float]]


class BinnedErrors:
    """Errors summed by group and bin (low <= value < high) over any number of frames: every point counts alike."""

    def __init__(self, edges: np.ndarray, groups: int):
        self.edges = np.asarray(edges, float)
        self.count, self._error, self._speed = np.zeros((3, groups, len(self.edges) - 1))

    def add(self, value: np.ndarray, group: np.ndarray, error: np.ndarray, speed: np.ndarray) -> None:
        """Note points (N,): what they are binned by, their group >= 0, and error and speed in one unit."""
        groups, bins = self.count.shape
        place = group * bins + np.searchsorted(self.edges, value, side='right') - 1
        for total, weights in ((self.count, None), (self._error, error), (self._speed, speed)):
            total += np.bincount(place, weights, groups * bins).reshape(groups, bins)

    def error(self, groups: slice = slice(None)) -> np.ndarray:
        """(B,) mean error over the points of some groups together; nan where there are none."""
        return _ratio(self._error[groups].sum(0), self.count[groups].sum(0))

    def normalised(self) -> np.ndarray:
        """(G, B) mean error, from bin 1 on divided by the mean speed; nan where there are no points."""
        mean = _ratio(self._error, self.count)
        mean[:, 1:] = _ratio(self._error, self._speed)[:, 1:]
        return mean


class ResidualErrors:
    """The Argoverse 2 protocol's metrics over frames; point-weighted, so a frame without movers adds no zero.

    square  half the side of the square around the sensor beyond which points are left out, m.
    """

    def __init__(self, square: float = np.inf):
        self._square = square
        self._three_way = BinnedErrors(np.array([0, DYNAMIC, np.inf]), len(CATEGORIES))
        self._buckets = BinnedErrors(BUCKETS, len(CATEGORIES))
        self.by_range = BinnedErrors(RANGES, 2)  # groups: static, dynamic
        self.by_speed = BinnedErrors(SPEEDS * PER, 1)
        self._both = self._either = 0

    def add(
        self, points: np.ndarray, predicted: np.ndarray, truth: np.ndarray, category: np.ndarray, dt: float
    ) -> None:
        """A frame: points, predicted and true displacement over `dt` s with ego-motion removed, all (N, 3) m.

        category  (N,) index into CATEGORIES, -1 to leave a point out. ValueError if a prediction is not finite.
        """
        if not np.isfinite(predicted).all():
            raise ValueError('predicted flow is not finite: score only rows that carry a prediction')
        kept = (category >= 0) & (np.abs(points[:, :2]).max(axis=1, initial=0) < self._square)
        scale = PER / abs(dt)
        predicted, truth = (scale * flow[kept].astype(np.float64) for flow in (predicted, truth))
        group = category[kept].astype(np.int64)
        error, speed = np.linalg.norm(predicted - truth, axis=1), np.linalg.norm(truth, axis=1)
        dynamic, said = speed >= DYNAMIC, np.linalg.norm(predicted, axis=1) >= DYNAMIC
        self._three_way.add(speed, group, error, speed)
        self._buckets.add(speed, group, error, speed)
        self.by_range.add(np.hypot(*points[kept, :2].T), dynamic.astype(np.int64), error, speed)
        self.by_speed.add(speed, np.zeros_like(group), error, speed)
        self._both += int((dynamic & said).sum())
        self._either += int((dynamic | said).sum())

    @property
    def n(self) -> int:
        """Points that were scored."""
        return int(self.by_speed.count.sum())

    def three_way(self) -> ThreeWay:
        """Foreground that moves, foreground that stands, background that stands."""
        background = self._three_way.error(slice(BACKGROUND, BACKGROUND + 1))
        foreground = self._three_way.error(slice(BACKGROUND + 1, None))
        parts = float(foreground[1]), float(foreground[0]), float(background[0])
        return ThreeWay(mean_of_known(parts), *parts)

    def static_and_dynamic(self) -> tuple[float, float]:
        """EPE of all points of less, and of at least, 0.05 m per 0.1 s, of whatever category."""
        static, dynamic = self._three_way.error()
        return float(static), float(dynamic)

    def bucket_normalised(self) -> BucketNormalised:
        """As the package bucketed-scene-flow-eval: over buckets, then over the categories that there are."""
        each = {
            name: (float(row[0]), mean_of_known(row[1:])) for name, row in zip(CATEGORIES, self._buckets.normalised())
        }
        static, dynamic = (mean_of_known(values) for values in zip(*each.values()))
        return BucketNormalised(static, dynamic, each)

    def dynamic_iou(self) -> float:
        """Of predicted and true dynamic points; nan where neither has any."""
        return self._both / self._either if self._either else float('nan')


def mean_of_known(values: ArrayLike) -> float:
    """Mean of what is not nan; nan if all is."""
    values = np.asarray(values, float)
    return float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float('nan')


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(count > 0, total / count, np.nan)
