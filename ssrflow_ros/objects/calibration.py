"""Calibration: probabilities that mean what they say, of an object and of each point.

Log odds of the motion classifier order what is likely to move; how often what has them does move is told by curves,
fitted on simulated recordings that no other fit has seen (`python -m studies.fit_calibration`). One's own drive may
shift them: `ssrflow bag --recalibrate`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_write import atomic_write, signature
from ..errors import WeightsError
from .models import logistic

SHIPPED = Path(__file__).resolve().parents[1] / 'weights' / 'calibration.json'
"""The file of the package."""
_MOST = 1e-4  # what is surer than that is not told apart


@dataclass(frozen=True, eq=False)
class Curve:
    """How often what has `log_odds` (k,), rising, does move: `probability` (k,); straight between, level beyond."""

    log_odds: np.ndarray
    probability: np.ndarray

    def __call__(self, log_odds: np.ndarray) -> np.ndarray:
        return np.interp(log_odds, self.log_odds, self.probability)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Curves of what is reported and of its points.

    object         that an object is one thing which moves, by its log odds.
    object_point   that a point of an object moves, by those of the object.
    lone_point     that a point moves which is said to move without an object, by its own log odds.
    other_point    that any other point moves, by the log odds of the likeliest proposal that it lies in.
    no_proposal, ground    that a point moves which lies in no proposal, or is taken as ground.
    scale, offset  of the log odds of all of these but the last two, by one's own drive; 1 and 0: none.
    """

    object: Curve
    object_point: Curve
    lone_point: Curve
    other_point: Curve
    no_proposal: float
    ground: float
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def load(cls, path: str | Path = '') -> Calibration:
        """As `save` wrote it; '' stands for the shipped one. Raises WeightsError for a file that is none."""
        path = Path(path).expanduser() if path else SHIPPED
        try:
            parts = json.loads(path.read_text(encoding='utf-8'))
            parts.pop('made', None)
            known = {entry.name: entry for entry in dataclasses.fields(cls)}
            made: dict[str, Any] = {
                name: _curve(value) if known[name].type == 'Curve' else _number(value) for name, value in parts.items()
            }
            return cls(**made)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            cause = (str(error).splitlines() or [''])[0] or type(error).__name__
            raise WeightsError(
                f'{path}: no calibration can be read ({cause:.100}): '
                'write one with "ssrflow bag --recalibrate", or leave the setting empty'
            ) from error

    def save(self, path: Path, overwrite: bool = False) -> None:
        """Whole or not at all."""
        parts = {'made': signature('bag')} | {
            name: {part: np.round(column, 5).tolist() for part, column in vars(value).items()}
            if isinstance(value, Curve)
            else round(value, 6)
            for name, value in vars(self).items()
        }
        with atomic_write(path, 'bag', overwrite) as unfinished:
            Path(unfinished).write_text(json.dumps(parts, indent=1) + '\n', encoding='utf-8')

    def of(self, curve: Curve, log_odds: np.ndarray) -> np.ndarray:
        """Probabilities (K,) by a `curve` of this calibration, of log odds (K,)."""
        probability = curve(log_odds)
        if (self.scale, self.offset) == (1.0, 0.0):
            return probability
        return logistic(self.scale * logit(probability) + self.offset)

    def shifted(self, scale: float, offset: float) -> Calibration:
        """The same, of whose log odds another drive says that they are to be scaled, and shifted."""
        return dataclasses.replace(self, scale=scale * self.scale, offset=scale * self.offset + offset)


def logit(probability: np.ndarray) -> np.ndarray:
    """Log odds of probabilities."""
    bounded = np.clip(probability, _MOST, 1 - _MOST)
    return np.log(bounded / (1 - bounded))


def _curve(value: Any) -> Curve:
    curve = Curve(*(np.array(value[entry.name], float) for entry in dataclasses.fields(Curve)))
    x, y = curve.log_odds, curve.probability
    if not (x.ndim == 1 and x.shape == y.shape and len(x) and np.isfinite(x).all() and (np.diff(x) > 0).all()):
        raise ValueError('a curve whose log odds do not rise')
    if not ((y >= 0) & (y <= 1)).all() or (np.diff(y) < 0).any():
        raise ValueError('a curve whose probabilities fall, or are none')
    return curve


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ValueError(f'{value!r:.40} is no number')
    return float(value)
