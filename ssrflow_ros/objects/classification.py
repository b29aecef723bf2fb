"""Classification: how likely a cluster moves, by how well it was registered, what was seen, and where it goes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..sweep import EgoMotion
from .features import Columns
from .fusion import Fusion
from .long_baseline import LongBaseline
from .models import logistic
from .motion_classifier import MotionClassifier
from .prefilter import MANY, ScreenedProposals
from .registration import Registration
from .visibility import VisibilityFeatures

_SHARES_SEEN = (
    'past_free',
    'past_surely_free',
    'past_return',
    'earlier_free',
    'earlier_return',
    'hidden_from_target',
    'place_hidden',
    'place_beside_occluder',
    'at_target_return',
    'place_at_source_return',
)
_TALLEST = 3.0  # m above 2.5, beyond which more says nothing
_STANDING = 0.02  # m: a sensor that went less says nothing by its heading


class Classification(NamedTuple):
    """Of K clusters: log odds (K,) that they move as was found, by this pair and an earlier sweep, and `in_stream`
    (K,), told of the stream; columns (K,) of the features, those of the stream None where none goes on."""

    log_odds: np.ndarray
    in_stream: np.ndarray
    motion_features: Columns
    past_features: Columns
    stream_features: Columns | None

    @property
    def probability(self) -> np.ndarray:
        """(K,) without what is known of the stream's objects."""
        return logistic(self.log_odds)


def classify(motion: Columns, past: Columns, stream: Columns | None, classifier: MotionClassifier) -> Classification:
    """How likely clusters move, by their `motion_features`, `past_features` and `stream_features`."""
    of_pair = classifier.motion(motion)
    past = {**motion, **past, 'log_odds': of_pair}
    log_odds = np.where(past['known'], classifier.past(past), of_pair)
    in_stream = log_odds if stream is None else log_odds + classifier.stream(stream)
    return Classification(log_odds, in_stream, motion, past, stream)


def motion_features(
    registered: Registration, fused: Fusion, screened: ScreenedProposals, seen: VisibilityFeatures, ego: EgoMotion
) -> Columns:
    """Columns (K,) of K clusters.

    What is seen through windows, gaps, between leaves changes with every step of the sensor, and seems to move; as it
    does wherever something comes into view or is lost to it. What is seen past something slides across the view as the
    sensor goes, and where beams fall on a smooth surface goes along with it.
    """
    length, network, measured, off = (
        np.linalg.norm(motion, axis=1)
        for motion in (
            fused.displacement,
            registered.network,
            registered.measured,
            registered.measured - registered.network,
        )
    )
    agreement = (
        np.einsum('ij,ij->i', fused.displacement, registered.network)
        / np.maximum(length * network, 1e-6)
        * (network > 0.05)
    )
    away, across, along = _bearing(registered.centre, fused.displacement, ego)
    free, vacated = screened.in_free_space, seen.vacated
    size_x, size_y, size_z = np.log(registered.size + 0.1).T
    return {
        'points': np.log(np.minimum(screened.sizes, MANY) / 50),
        'cost': np.log(fused.cost + 0.01) + 2,
        'gain': np.sqrt(fused.cost) - np.sqrt(registered.cost_still),
        'free': np.sqrt(free),
        'vacated': np.sqrt(vacated),
        'free_and_vacated': np.sqrt(free * vacated),
        'most_free': np.log(np.maximum(free, vacated) + 0.01) + 2,
        'agreement': agreement,
        'length': _log(length, 0.02),
        'network_length': _log(network, 0.02),
        'measured_length': _log(measured, 0.02),
        'disagreement': _log(off, 0.05),
        'network_spread': _log(screened.network_spread, 0.02),
        'tallness': np.clip(registered.size[:, 2] - 2.5, 0.0, _TALLEST),
        'moving_share': screened.moving_share,
        'unmatched': screened.unmatched,
        'beside_occluder': screened.beside_occluder,
        'contradicted': np.sqrt(fused.contradicted),
        'contradicted_share': fused.contradicted,
        **dict(zip(_SHARES_SEEN, np.sqrt([getattr(seen, name) for name in _SHARES_SEEN]))),
        'unseen': np.log(1.02 - seen.overlap),
        'travelled': log_travelled(ego),
        'away': away,
        'across': across,
        'along_sensor': along,
        'range': np.log(np.linalg.norm(registered.centre, axis=1) + 2),
        'size_x': size_x,
        'size_y': size_y,
        'size_z': size_z,
    }


def past_features(baseline: LongBaseline, unmatched: np.ndarray) -> Columns:
    """Columns (K,) of clusters beside whose points the earlier sweep has none by the share `unmatched` (K,); they tell
    something where `known`."""
    still = np.sqrt(baseline.cost_still)
    return {
        'known': baseline.known,
        'past_cost': np.log(baseline.cost + 0.01) + 2,
        'past_gain': np.sqrt(baseline.cost) - still,
        'past_gain_alike': np.sqrt(baseline.cost_alike) - still,
        'past_cost_alike': np.log(baseline.cost_alike + 0.01) + 2,
        'past_cost_still': np.log(baseline.cost_still + 0.01) + 2,
        'past_length': _log(np.linalg.norm(np.nan_to_num(baseline.displacement), axis=1), 0.02),
        'past_unmatched': unmatched,
    }


def stream_features(unlike: np.ndarray, followed: int) -> Columns:
    """Columns (K,) of clusters that differ from what is expected as `unlike` (K,) says, as of `Tracks.unlike`. And of
    how many objects are `followed` besides: where much moves already a new thing is likelier to, too."""
    known = np.isfinite(unlike)
    return {'known': known, 'unlike': np.where(known, unlike, 0.0), 'log_others': np.log1p(followed - known)}


def log_travelled(ego: EgoMotion) -> float:
    """How far the sensor went."""
    return np.log(ego.travelled + 0.03)


def _log(metres: np.ndarray, least: float) -> np.ndarray:
    return np.log(metres + least) + 1


def _bearing(centre: np.ndarray, displacement: np.ndarray, ego: EgoMotion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine and sine, without its sign, of the angle between each motion and the line of sight, and cosine of that
    between it and the sensor's own, 0 where the sensor stands; (K,) each."""
    length, (x, y) = np.linalg.norm(displacement, axis=1) + 1e-6, centre.T
    unit = length * np.maximum(np.hypot(x, y), 0.1)
    away, across = (
        displacement[:, 0] * x + displacement[:, 1] * y,
        np.abs(displacement[:, 0] * y - displacement[:, 1] * x),
    )
    turn, shift = ego.target_from_source[:3, :3], ego.target_from_source[:3, 3]
    own = -(shift @ turn)[:2]  # where the sensor is by the target's time
    along = displacement @ own / (length * max(float(np.hypot(*own)), 1e-6))
    return away / unit, across / unit, along if ego.travelled >= _STANDING else np.zeros_like(along)
