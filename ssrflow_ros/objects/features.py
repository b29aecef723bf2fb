"""The one list of what each fitted model of the detector looks at, and the one place where features are stacked."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Mapping

import numpy as np

Columns = Mapping[str, Any]
"""Features by name: arrays that can be broadcast to one shape."""

_VARIANCE = (
    'constant',
    'log_cost',
    'log_doubt',
    'log_points',
    'log_size',
    'log_range',
    'log_length',
    'log_disagreement',
    'log_curvature',
)

_SHARE = (
    'constant',
    'log_cost',
    'log_cost_found',
    'contradicted',
    'contradicted_found',
    'log_size',
    'log_disagreement',
    'log_apart',
)

_MOTION = (
    'constant',
    'points',
    'cost',
    'gain',
    'free',
    'free_and_vacated',
    'vacated',
    'most_free',
    'agreement',
    'length',
    'network_length',
    'measured_length',
    'disagreement',
    'tallness',
    'moving_share',
    'network_spread',
    'points*tallness',
    'free*free',
    'gain*agreement',
    'disagreement*moving_share',
    'points*cost',
    'points*free',
    'length*most_free',
    'free_and_vacated*network_spread',
    'vacated*vacated',
    'disagreement*network_spread',
    'contradicted',
    'contradicted_share',
    'contradicted*vacated',
    'contradicted*most_free',
    'beside_occluder',
    'travelled',
    'past_free',
    'past_surely_free',
    'past_return',
    'earlier_free',
    'earlier_return',
    'across',
    'across*beside_occluder',
    'across*points',
    'across*free',
    'hidden_from_target',
    'place_hidden',
    'place_beside_occluder',
    'at_target_return',
    'place_at_source_return',
    'along_sensor',
    'unseen',
    'unseen*disagreement',
    'unseen*points',
    'unseen*free',
    'unseen*across',
    'range',
    'size_x',
    'size_y',
    'size_z',
    'away',
    'unmatched',
    'unmatched*points',
)

FEATURES: dict[str, tuple[str, ...]] = {
    # Log odds that a proposal becomes a right object: `prefilter.py`.
    'prefilter': (
        'constant',
        'log_points',
        'in_free_space',
        'log_network_length',
        'tallness',
        'moving_share',
        'log_network_spread',
        'beside_occluder',
        'in_past_free_space',
        'unmatched',
        'past_unmatched',
    ),
    # Log odds of trusting what was measured against the network, the ends of a long side against both, what was
    # measured since an earlier sweep against these, what was accumulated of a track against that, and what the track
    # lets expect against all: `fusion.py`.
    'measured_share': (
        'constant',
        'log_cost_measured',
        'log_cost_network',
        'log_cost_still',
        'log_points',
        'log_size',
        'log_disagreement',
        'log_network_length',
        'log_range',
        'contradicted_measured',
        'contradicted_network',
        'log_curvature',
        'log_apart',
    ),
    'ends_share': ('constant', 'log_misfit', 'log_length', 'log_curvature', 'log_apart'),
    'past_share': (
        'constant',
        'log_cost_past',
        'log_cost_past_found',
        'log_cost_past_still',
        'log_cost',
        'log_cost_found',
        'contradicted',
        'log_size',
        'log_points',
        'log_length',
        'log_ratio',
        'log_curvature',
        'log_apart',
    ),
    'accumulated_share': _SHARE,
    'expected_share': _SHARE,
    # Log odds that a cluster moves as was found: `classification.py`. `a*b` is the product of two columns.
    'motion': _MOTION,
    # The same where an earlier sweep is known: by what that shows, too, and by the log odds without it.
    'past': (
        *_MOTION,
        'past_cost',
        'past_gain',
        'past_gain_alike',
        'past_cost_alike',
        'past_cost_still',
        'past_length',
        'past_unmatched',
        'log_odds',
    ),
    # Log odds besides, where a stream goes on: `classification.py`.
    'stream': ('constant', 'known', 'unlike', 'log_others'),
    # Log odds that the network's motion of a point without object is better than none: `unassigned.py`.
    'unassigned': (
        'constant',
        'log_probability',
        'log_company',
        'in_free_space',
        'leaves_free_space',
        'in_past_free_space',
        'travelled',
    ),
    # Log m² of a displacement, alone and beside a track; log rad² of a turn; log (m/s)² upwards off the ground's slope:
    # `covariance.py`.
    'displacement_variance': _VARIANCE,
    'tracked_displacement_variance': (*_VARIANCE, 'log_off_track'),
    'turn_variance': ('constant', 'log_cost', 'log_points', 'log_size'),
    'climb_variance': ('constant', 'log_speed'),
}
"""Names of the features of each model, in the order of their weights."""


def stacked(columns: Columns, names: tuple[str, ...]) -> np.ndarray:
    """(..., F) of the `columns` by name; a constant 1 is known, and `a*b` is the product of two of them."""
    known = {'constant': 1.0, **columns}
    values = [known[first] * known[second] if second else known[first] for first, second in _factors(names)]
    out = np.empty((*np.broadcast_shapes(*{np.shape(value) for value in values}), len(names)))
    for k, value in enumerate(values):
        out[..., k] = value
    return out


@lru_cache
def _factors(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Of each name the first factor and the second, '' for none."""
    return [(first, second) for first, _, second in (name.partition('*') for name in names)]
