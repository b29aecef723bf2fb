"""Whole boxes: how far a thing reaches beyond what is seen of it, and how far off its centre is then.

A LiDAR sees the sides that face it. How much is hidden behind them is told by log-linear models of what is seen; of a
long thing that was seen whole before, its track knows. Fitted by `python -m studies.fit_boxes`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def completed(self, item: MovingObject, length: float = 0.0) -> MovingObject:
        """The object `item`, in a frame whose z is up and whose origin is the sensor's, with the box of all of it
        instead of that of the points seen, where it is at the sweep's stamp, and the covariance of its centre.

        length  m, along which its track has surely seen it before, 0 for none.
        """
        beyond = np.exp(np.minimum(self.hidden(hidden_features(item)), np.log(_MOST_HIDDEN)))
        if length >= _LONG:
            beyond[0] = max(length - item.size[0], 0.0) / 2
        away = away_from_sensor(item) * beyond
        onward = -item.taken * (item.velocity @ item.axes[:, :2])  # its points were measured then
        centre = item.centre + item.axes[:, :2] @ (away + onward)
        size = item.size + [*(2 * beyond), 0.0]
        features = centre_features(item.n_points, size, centre, float(np.linalg.norm(away)))
        view = view_axes(centre)
        return dataclasses.replace(
            item,
            centre=centre,
            size=size,
            hidden=np.column_stack([beyond - away - onward, beyond + away + onward]),
            position_covariance=view.T @ np.diag(np.exp(self.centre_variance(features))) @ view,
        )


def hidden_features(item: MovingObject) -> Columns:
    """Single numbers of an object with the box of its points."""
    length, width, height = np.log(item.size + 0.1)
    reach = float(np.hypot(*item.centre[:2]))
    along, across = np.abs(item.centre @ item.axes[:, :2]) / max(reach, 1e-6)
    return {
        'log_length': length,
        'log_width': width,
        'log_height': height,
        'view_along': along,
        'view_across': across,
        'log_speed': np.log(np.hypot(*item.velocity[:2]) + 0.5),
        'log_points': np.log(item.n_points),
        'log_range': np.log(reach + 2),
    }


def away_from_sensor(item: MovingObject) -> np.ndarray:
    """(2,) in [-1, 1]: which way its length and its width lead away from the sensor; in between beside it."""
    return np.clip(2 * (item.centre @ item.axes[:, :2]) / np.maximum(item.size[:2], 0.1), -1.0, 1.0)


def centre_features(count: float, size: np.ndarray, centre: np.ndarray, shift: float) -> Columns:
    """Single numbers for the errors of the `centre` (3,) m of a whole box of `size` (3,) m of which `count` points are
    seen, whose centre is `shift` m off theirs."""
    return {
        'log_points': np.log(count),
        'log_size': np.log(size[:2].max() + 0.2),
        'log_range': np.log(float(np.hypot(*centre[:2])) + 2),
        'log_hidden': np.log(shift + 0.1),
    }


def view_axes(centre: np.ndarray) -> np.ndarray:
    """(3, 3) rows: away from the sensor, across to the left, up."""
    ahead = centre[:2] / max(float(np.linalg.norm(centre[:2])), 1e-6)
    return level_axes(*ahead)


def _linear(parts: Any, names: tuple[str, ...]) -> Linear:
    weights = np.array(parts['weights'], float)
    if tuple(parts['names']) != names or weights.ndim != 2 or weights.shape[1] != len(names):
        raise ValueError('fitted on other features than are computed here')
    return Linear(names, weights)
