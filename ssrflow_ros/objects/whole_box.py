"""Whole boxes: how far a thing reaches beyond each end of what is seen of it.

A LiDAR sees the sides that face it, as far as nothing nearer hides them. One small network says of each of the four
ends of what is seen how far the thing reaches beyond it: by the sizes that are seen, how that end is turned to the
sensor, where the points lie, and whether beams went through the space beyond it. Of a long thing that was seen whole
before, its track knows. Fitted by `python -m studies.fit_boxes`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Sequence

import numpy as np

from ..atomic_write import atomic_write
from ..errors import WeightsError
from ..kernels.bodies import points_near_ends
from ..steps.range_image import RangeImage
from ..sweep import MovingObject
from .features import Columns
from .models import Linear, Perceptron
from .planar import level_axes

SHIPPED = Path(__file__).resolve().parents[1] / 'weights' / 'boxes.json'
"""The file of the package."""
_PROBED = 0.15, 0.4, 0.8, 1.5, 3.0  # m beyond an end, where it is asked whether beams went through
_HEIGHTS = 0.3, 0.7  # share of the height that is seen, at which it is asked
_THINNEST = 0.3  # m, of what is seen: a side as flat as a board is hardly ever seen, and tells no more
_NEAR, _NEAR_SHARE = 0.3, 0.15  # m from an end, and share of its side, within which points are counted
FEATURES = {
    # Log m by which the whole reaches beyond an end of what is seen.
    'beyond': (
        'is_front',
        'is_rear',
        'is_side',
        'view',
        'away',
        'view_other',
        'away_other',
        'log_side',
        'log_other',
        'log_height',
        'log_points',
        'log_range',
        'log_speed',
        'log_side*log_side',
        'log_other*log_other',
        'log_height*log_height',
        'log_side*log_other',
        'log_side*log_height',
        'log_other*log_height',
        'away*away',
        'view*view',
        'away*log_side',
        'is_side*log_side',
        'is_side*log_other',
        'is_side*log_height',
        'is_side*away',
        'is_side*view',
        'near_points',
        'near_share',
        'mean_distance',
        'top',
        'span',
        *(f'{place}_{number}' for place in ('corner', 'middle') for number in range(len(_PROBED))),
    ),
    # Log m² of the whole box's centre: away from the sensor, across and up.
    'centre_variance': ('constant', 'log_points', 'log_size', 'log_range', 'log_beyond'),
}
"""Names of the features of each model, in the order of their weights (3 rows of the latter, one a direction)."""
_LONG = 3.0  # m that a track must have seen, from which its length is known: what is shorter bends and swings
# m, beyond an end at most: a rear that is 2.5 m wide may be a bus's, or a car beside a car.
_FARTHEST = 6.0


@dataclass(frozen=True, eq=False)
class BoxModels:
    """The fitted models of boxes, each asked with the columns that `FEATURES` names."""

    beyond: Perceptron
    centre_variance: Linear

    @classmethod
    def load(cls, path: Path = SHIPPED) -> BoxModels:
        """As `save` wrote it. Raises WeightsError for a file that cannot be read, or has other features."""
        try:
            parts = json.loads(path.read_text(encoding='utf-8'))
            return cls(*(_model(kind, parts[name], FEATURES[name]) for name, kind in _KINDS.items()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f'{path}: no models of boxes can be read ({str(error).splitlines()[0]:.100}): install the package '
                'again, or fit them with python -m studies.fit_boxes'
            ) from error

    def save(self, path: Path) -> None:
        """Names and weights, whole or not at all."""
        parts = {
            model: {
                name: value if name == 'names' else np.round(np.asarray(value, float), 4).tolist()
                for name, value in vars(of).items()
            }
            for model, of in vars(self).items()
        }
        with atomic_write(path) as unfinished:
            Path(unfinished).write_text(json.dumps(parts) + '\n', encoding='utf-8')

    def completed(self, items: Sequence[MovingObject], ends: SeenEnds, lengths: Sequence[float]) -> list[MovingObject]:
        """The objects `items`, in a frame whose z is up and whose origin is the sensor's, with the boxes of all of them
        instead of those of the points seen, where they are at the sweep's stamp, and the covariances of their centres.

        ends     what is seen at the ends of their boxes.
        lengths  m, along which the track of each has surely seen it before, 0 for none.
        """
        if not items:
            return []
        seen, known = SeenBoxes.of(items), np.array(lengths)
        beyond = np.exp(np.minimum(self.beyond(end_features(seen, ends)), np.log(_FARTHEST))).reshape(-1, 2, 2)
        missing = np.where(known >= _LONG, known - seen.size[:, 0], 0.0)
        more = np.maximum(missing - beyond[:, 0].sum(axis=1), 0.0)
        doubt = beyond[:, 0] ** 2  # a log is told: the more is beyond an end, the less is sure of it
        beyond[:, 0] += (more / doubt.sum(axis=1))[:, None] * doubt
        taken = np.array([item.taken for item in items])
        onward = -taken[:, None] * seen.along_sides(seen.velocity)  # its points were measured then
        off = (beyond[:, :, 1] - beyond[:, :, 0]) / 2 + onward
        centre = seen.centre + np.einsum('kij,kj->ki', seen.axes[:, :, :2], off)
        sides = beyond.sum(axis=2)
        size = seen.size + np.column_stack([sides, np.zeros(len(items))])
        features = centre_features(seen.n_points, size, centre, np.linalg.norm(sides, axis=1))
        view, variance = view_axes(centre), np.exp(self.centre_variance(features))
        covariance = np.einsum('kji,kj,kjl->kil', view, variance, view)
        hidden = beyond + onward[:, :, None] * [-1.0, 1.0]
        return [
            item.but(centre=centre[k], size=size[k], hidden=hidden[k], position_covariance=covariance[k])
            for k, item in enumerate(items)
        ]


class SeenBoxes(NamedTuple):
    """Of K objects with the boxes of their points, in a frame whose z is up: centre, size, velocity (K, 3), axes
    (K, 3, 3) and n_points (K,), as of `MovingObject`."""

    centre: np.ndarray
    size: np.ndarray
    velocity: np.ndarray
    axes: np.ndarray
    n_points: np.ndarray

    @classmethod
    def of(cls, items: Sequence[MovingObject]) -> SeenBoxes:
        centre, size, velocity, yaw, n_points = (
            np.array([getattr(item, name) for item in items])
            for name in ('centre', 'size', 'velocity', 'yaw', 'n_points')
        )
        return cls(centre, size, velocity, level_axes(np.cos(yaw), np.sin(yaw)).transpose(0, 2, 1), n_points)

    def along_sides(self, vectors: np.ndarray) -> np.ndarray:
        """(K, 2) of vectors (K, 3), along the length and the width."""
        return np.einsum('ki,kij->kj', vectors, self.axes[:, :, :2])


class SeenEnds(NamedTuple):
    """What is seen at the ends of the boxes of K objects, against the length and along it, against the width and along
    it: `points` (K, 4, 5) as of `points_near_ends`; `margins` (K, 4, 2, D) m, by which beams passed beyond places that
    lie D distances beyond each end, at its corner towards the sensor and in its middle, as of `free_space_margin`."""

    points: np.ndarray
    margins: np.ndarray

    @classmethod
    def of(cls, seen: SeenBoxes, points: np.ndarray, counts: np.ndarray, image: RangeImage) -> SeenEnds:
        """Of objects with points (n, 3) float32 m, `counts` (K,) of each, one after the other, in the `image` of the
        sweep that shows them."""
        yaw = np.arctan2(seen.axes[:, 1, 0], seen.axes[:, 0, 0])
        near = points_near_ends(points, counts, seen.centre, yaw, seen.size, _NEAR, _NEAR_SHARE)
        shape = len(counts), 4, 2, len(_PROBED), len(_HEIGHTS)
        inside = np.zeros((*shape, 3))  # of the places, in the axes of the boxes
        half, toward = seen.size / 2, -_away(seen)
        for end in range(4):
            side, sign = end // 2, (-1.0, 1.0)[end % 2]
            inside[:, end, :, :, :, side] = sign * (half[:, side, None] + _PROBED)[:, None, :, None]
            inside[:, end, 0, :, :, 1 - side] = (toward * half[:, :2])[:, 1 - side, None, None]
        inside[..., 2] = (np.array(_HEIGHTS) - 0.5) * seen.size[:, 2, None, None, None, None]
        places = np.einsum('kij,k...j->k...i', seen.axes, inside) + seen.centre[:, None, None, None, None]
        margins = image.at(places.reshape(-1, 3)).free_space_margin()[:, 1]
        return cls(near, margins.reshape(shape).mean(axis=-1))


def end_features(seen: SeenBoxes, ends: SeenEnds) -> Columns:
    """Columns (K, 4) of the ends, against the length and along it, against the width and along it."""
    length, width, height = np.log(np.maximum(seen.size, _THINNEST)).T[:, :, None]
    reach = np.hypot(seen.centre[:, 0], seen.centre[:, 1])
    view, away = seen.along_sides(seen.centre) / np.maximum(reach, 1e-6)[:, None], _away(seen)
    columns = {
        'is_front': np.array([0.0, 1.0, 0.0, 0.0]),
        'is_rear': np.array([1.0, 0.0, 0.0, 0.0]),
        'is_side': np.array([0.0, 0.0, 1.0, 1.0]),
        'view': _outwards(view),
        'away': _outwards(away),
        'view_other': np.abs(view).repeat(2, axis=1)[:, ::-1],
        'away_other': np.abs(away).repeat(2, axis=1)[:, ::-1],
        'log_side': np.hstack([length, length, width, width]),
        'log_other': np.hstack([width, width, length, length]),
        'log_height': height,
        'log_points': np.log(seen.n_points)[:, None],
        'log_range': np.log(reach + 2)[:, None],
        'log_speed': np.log(np.hypot(seen.velocity[:, 0], seen.velocity[:, 1]) + 0.5)[:, None],
        **dict(zip(('near_points', 'near_share', 'mean_distance', 'top', 'span'), np.moveaxis(ends.points, -1, 0))),
    }
    for place, margins in zip(('corner', 'middle'), np.moveaxis(ends.margins, 2, 0)):
        columns |= {f'{place}_{number}': np.tanh(margins[..., number]) for number in range(len(_PROBED))}
    return columns


def _away(seen: SeenBoxes) -> np.ndarray:
    """(K, 2) in [-1, 1]: which way lengths and widths lead away from the sensor; in between beside it."""
    return np.clip(2 * seen.along_sides(seen.centre) / np.maximum(seen.size[:, :2], 0.1), -1.0, 1.0)


def _outwards(sides: np.ndarray) -> np.ndarray:
    """(K, 4) at the ends of what is (K, 2) along the sides."""
    return sides.repeat(2, axis=1) * [-1.0, 1.0, -1.0, 1.0]


def centre_features(count: np.ndarray, size: np.ndarray, centre: np.ndarray, beyond: np.ndarray) -> Columns:
    """Columns (K,) for the errors of the `centre` (K, 3) m of whole boxes of `size` (K, 3) m of which `count` (K,)
    points are seen, and which reach `beyond` (K,) m farther."""
    return {
        'log_points': np.log(count),
        'log_size': np.log(size[:, :2].max(axis=1) + 0.2),
        'log_range': np.log(np.hypot(centre[:, 0], centre[:, 1]) + 2),
        'log_beyond': np.log(beyond + 0.1),
    }


def view_axes(centre: np.ndarray) -> np.ndarray:
    """(K, 3, 3) rows of centres (K, 3): away from the sensor, across to the left, up."""
    ahead = centre[:, :2] / np.maximum(np.linalg.norm(centre[:, :2], axis=1), 1e-6)[:, None]
    return level_axes(ahead[:, 0], ahead[:, 1])


_KINDS: dict[str, type] = {'beyond': Perceptron, 'centre_variance': Linear}


def _model(kind: type, parts: dict[str, Any], names: tuple[str, ...]) -> Any:
    fields = {name: np.array(value, float) for name, value in parts.items() if name != 'names'}
    fitted = fields['into'].T if kind is Perceptron else fields['weights']
    if tuple(parts['names']) != names or fitted.ndim != 2 or fitted.shape[1] != len(names):
        raise ValueError('fitted on other features than are computed here')
    return kind(names, **fields)
