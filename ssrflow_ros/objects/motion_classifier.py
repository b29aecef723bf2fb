"""The motion classifier: every fitted number of the detector, by named features, in one file.

`features.py` holds the one list of what each model looks at. A model is asked with columns by these names. The file
holds the names beside the weights, and a file whose names are others is refused: weights never meet features that they
were not fitted on.

The shipped file was made by `python -m studies.fit_motion_classifier` and `python -m studies.fit_expectation`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..atomic_write import atomic_write
from ..errors import WeightsError
from .calibration import Calibration
from .features import FEATURES
from .models import Linear, Perceptron
from .whole_box import BoxModels

SHIPPED = Path(__file__).resolve().parents[1] / 'weights' / 'motion_classifier.npz'
"""The file of the package."""
_CURE = 'install the package again, or fit one with python -m studies.fit_motion_classifier'


@dataclass(frozen=True, eq=False)
class MotionClassifier:
    """The fitted models, each asked with the columns that `FEATURES` names.

    calibration     of the probabilities that are reported; it decides nothing.
    boxes           of how much of a thing is hidden; likewise.
    least_log_odds  of the prefilter, below which a proposal is not even registered.
    """

    prefilter: Linear
    measured_share: Linear
    ends_share: Linear
    past_share: Linear
    accumulated_share: Linear
    expected_share: Linear
    motion: Perceptron
    past: Perceptron
    stream: Linear
    unassigned: Linear
    displacement_variance: Linear
    tracked_displacement_variance: Linear
    turn_variance: Linear
    climb_variance: Linear
    calibration: Calibration
    boxes: BoxModels
    least_log_odds: float = float(np.log(0.02))

    @classmethod
    def load(cls, path: Path = SHIPPED, calibration: str = '') -> MotionClassifier:
        """As `save` wrote it, with the `calibration` in that file, '' for the shipped one.

        Raises WeightsError for a file that cannot be read, or has other features.
        """
        try:
            with open(path, 'rb') as file:
                loaded = np.load(file)
                if not isinstance(loaded, np.lib.npyio.NpzFile):
                    raise ValueError('a single array')
                parts = dict(loaded)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise WeightsError(f'{path}: no motion classifier can be read ({error}): {_CURE}') from error
        models: dict[str, Any] = {model: _model(path, model, parts) for model in FEATURES}
        return cls(**models, calibration=Calibration.load(calibration), boxes=BoxModels.load())

    def save(self, path: Path) -> None:
        """Names and weights of every model, whole or not at all."""
        parts: dict[str, Any] = {
            f'{model}.{part}': np.asarray(value)
            for model in FEATURES
            for part, value in vars(getattr(self, model)).items()
        }
        with atomic_write(path) as unfinished, open(unfinished, 'wb') as file:
            np.savez(file, **parts)

    def with_weights(self, **weights: np.ndarray) -> MotionClassifier:
        """The same with other weights of some linear models, by name."""
        models: dict[str, Any] = {model: Linear(FEATURES[model], values) for model, values in weights.items()}
        return dataclasses.replace(self, **models)


def _model(path: Path, model: str, parts: dict[str, np.ndarray]) -> Linear | Perceptron:
    kind = Perceptron if model in ('motion', 'past') else Linear
    try:
        fields = {entry.name: parts[f'{model}.{entry.name}'] for entry in dataclasses.fields(kind)}
    except KeyError as error:
        raise WeightsError(f'{path}: {error.args[0]} is missing: {_CURE}') from error
    names = tuple(map(str, fields.pop('names')))
    if names != FEATURES[model]:
        odd = ', '.join(sorted(set(names) ^ set(FEATURES[model]))) or 'their order'
        raise WeightsError(f"{path}: '{model}' was fitted on other features than are computed here ({odd}): {_CURE}")
    fitted = fields['into'].T if kind is Perceptron else fields['weights']
    if fitted.shape[-1:] != (len(names),):
        raise WeightsError(f"{path}: '{model}' has weights of shape {fitted.shape} for {len(names)} features: {_CURE}")
    return kind(names, **fields)
