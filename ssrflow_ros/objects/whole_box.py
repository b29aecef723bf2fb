"""Whole boxes: how far a thing reaches beyond what is seen of it, and how far off its centre is then.

A LiDAR sees the sides that face it. How much is hidden behind them is told by log-linear models of what is seen; of a
long thing that was seen whole before, its track knows. Fitted by `python -m studies.fit_boxes`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Sequence

import numpy as np

from ..atomic_write import atomic_write
from ..errors import WeightsError
from ..sweep import MovingObject
from .features import Columns
from .models import Linear
from .planar import level_axes

SHIPPED = Path(__file__).resolve().parents[1] / 'weights' / 'boxes.json'
"""The file of the package."""
FEATURES = {
    # Log m by which the centre of the whole lies beyond that of what is seen, along and across, away from the sensor.
    'hidden': (
        'constant',
        'log_length',
        'log_width',
        'log_height',
        'view_along',
        'view_across',
        'log_speed',
        'log_points',
        'log_range',
        'log_length*log_length',
        'log_width*log_width',
        'log_height*log_height',
        'log_length*log_width',
        'log_length*log_height',
        'log_width*log_height',
    ),
    # Log m² of the whole box's centre: away from the sensor, across and up.
    'centre_variance': ('constant', 'log_points', 'log_size', 'log_range', 'log_hidden'),
}
"""Names of the features of each model, in the order of their weights (3 or 2 rows of them, one a direction)."""
_LONG = 3.0  # m that a track must have seen, from which its length is known: what is shorter bends and swings
# m, by which a centre is moved at most: a rear that is 2.5 m wide may be a bus's, or a car beside a car.
_MOST_HIDDEN = 3.0


@dataclass(frozen=True, eq=False)
class BoxModels:
    """The fitted models of boxes, each asked with the columns that `FEATURES` names."""

    hidden: Linear
    centre_variance: Linear

    @classmethod
    def load(cls, path: Path = SHIPPED) -> BoxModels:
        """As `save` wrote it. Raises WeightsError for a file that cannot be read, or has other features."""
        try:
            parts = json.loads(path.read_text(encoding='utf-8'))
            return cls(**{model: _linear(parts[model], names) for model, names in FEATURES.items()})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f'{path}: no models of boxes can be read ({str(error).splitlines()[0]:.100}): install the package '
                'again, or fit them with python -m studies.fit_boxes'
            ) from error

    def save(self, path: Path) -> None:
        """Names and weights, whole or not at all."""
        parts = {
            model: {'names': of.names, 'weights': np.round(of.weights, 4).tolist()} for model, of in vars(self).items()
        }
        with atomic_write(path) as unfinished:
            Path(unfinished).write_text(json.dumps(parts, indent=1) + '\n', encoding='utf-8')

    def completed(self, items: Sequence[MovingObject], lengths: Sequence[float]) -> list[MovingObject]:
        """The objects `items`, in a frame whose z is up and whose origin is the sensor's, with the boxes of all of them
        instead of those of the points seen, where they are at the sweep's stamp, and the covariances of their centres.

        lengths  m, along which the track of each has surely seen it before, 0 for none.
        """
        if not items:
            return []
        seen, known = SeenBoxes.of(items), np.array(lengths)
        beyond = np.exp(np.minimum(self.hidden(hidden_features(seen)), np.log(_MOST_HIDDEN)))
        beyond[:, 0] = np.where(known >= _LONG, np.maximum(known - seen.size[:, 0], 0.0) / 2, beyond[:, 0])
        away = away_from_sensor(seen) * beyond
        taken = np.array([item.taken for item in items])
        onward = -taken[:, None] * seen.along_sides(seen.velocity)  # its points were measured then
        centre = seen.centre + np.einsum('kij,kj->ki', seen.axes[:, :, :2], away + onward)
        size = seen.size + np.column_stack([2 * beyond, np.zeros(len(items))])
        features = centre_features(seen.n_points, size, centre, np.linalg.norm(away, axis=1))
        view, variance = view_axes(centre), np.exp(self.centre_variance(features))
        covariance = np.einsum('kji,kj,kjl->kil', view, variance, view)
        hidden = np.stack([beyond - away - onward, beyond + away + onward], axis=-1)
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


def hidden_features(seen: SeenBoxes) -> Columns:
    """Columns (K,)."""
    length, width, height = np.log(seen.size + 0.1).T
    reach = np.hypot(seen.centre[:, 0], seen.centre[:, 1])
    along, across = np.abs(seen.along_sides(seen.centre)).T / np.maximum(reach, 1e-6)
    return {
        'log_length': length,
        'log_width': width,
        'log_height': height,
        'view_along': along,
        'view_across': across,
        'log_speed': np.log(np.hypot(seen.velocity[:, 0], seen.velocity[:, 1]) + 0.5),
        'log_points': np.log(seen.n_points),
        'log_range': np.log(reach + 2),
    }


def away_from_sensor(seen: SeenBoxes) -> np.ndarray:
    """(K, 2) in [-1, 1]: which way lengths and widths lead away from the sensor; in between beside it."""
    return np.clip(2 * seen.along_sides(seen.centre) / np.maximum(seen.size[:, :2], 0.1), -1.0, 1.0)


def centre_features(count: np.ndarray, size: np.ndarray, centre: np.ndarray, shift: np.ndarray) -> Columns:
    """Columns (K,) for the errors of the `centre` (K, 3) m of whole boxes of `size` (K, 3) m of which `count` (K,)
    points are seen, whose centres are `shift` (K,) m off theirs."""
    return {
        'log_points': np.log(count),
        'log_size': np.log(size[:, :2].max(axis=1) + 0.2),
        'log_range': np.log(np.hypot(centre[:, 0], centre[:, 1]) + 2),
        'log_hidden': np.log(shift + 0.1),
    }


def view_axes(centre: np.ndarray) -> np.ndarray:
    """(K, 3, 3) rows of centres (K, 3): away from the sensor, across to the left, up."""
    ahead = centre[:, :2] / np.maximum(np.linalg.norm(centre[:, :2], axis=1), 1e-6)[:, None]
    return level_axes(ahead[:, 0], ahead[:, 1])


def _linear(parts: Any, names: tuple[str, ...]) -> Linear:
    weights = np.array(parts['weights'], float)
    if tuple(parts['names']) != names or weights.ndim != 2 or weights.shape[1] != len(names):
        raise ValueError('fitted on other features than are computed here')
    return Linear(names, weights)
