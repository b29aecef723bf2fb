"""Visibility: what the sweeps saw where proposals stand, where they stood, and where before that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..steps.prepared import PreparedPair
from .groups import Clusters, group_shares

_ASKED = 4000  # points, of which it is asked whether the other sweep looked their way


class VisibilityFeatures(NamedTuple):
    """Of K clusters, shares of their points, (K,) each.

    vacated                 whose places in the other sweep this one sees through.
    hidden_from_target      that stand where something nearer hid them from the other sweep.
    place_hidden            whose places in the other sweep something nearer hides now.
    place_beside_occluder   whose places the other sweep saw past something nearer.
    at_target_return        that stand at a return of the other sweep.
    place_at_source_return  whose places in the other sweep lie at a return of this one.
    past_free, past_surely_free, past_return        that stand where the sensor had seen through half a second before,
                            surely so, or had found something; 0 where it is not known.
    earlier_free, earlier_return                    that would have stood then, had they moved so all the time, where
                            it had seen through, or found something; 0 likewise.
    overlap     share of all points in whose direction the other sweep saw anything: low where a sensor does not scan
                the same lines each time, and other parts of what stands seem to be the same, moved.
    """

    vacated: np.ndarray
    hidden_from_target: np.ndarray
    place_hidden: np.ndarray
    place_beside_occluder: np.ndarray
    at_target_return: np.ndarray
    place_at_source_return: np.ndarray
    past_free: np.ndarray
    past_surely_free: np.ndarray
    past_return: np.ndarray
    earlier_free: np.ndarray
    earlier_return: np.ndarray
    overlap: float


def visibility(prepared: PreparedPair, clusters: Clusters, displacement: np.ndarray) -> VisibilityFeatures:
    """Of clusters that moved by `displacement` (K, 2) m until the target."""
    source, other, past = prepared.range_images
    points, places = prepared.points, clusters.moved(displacement)
    earlier = clusters.moved(displacement * abs(prepared.past_age / prepared.pair.dt))
    here, now, then = other.at(clusters.points), source.at(places), other.at(places)
    past_here, past_then = past.at(clusters.points), past.at(earlier)

    answers = {
        'vacated': now.is_free(),
        'hidden_from_target': here.is_hidden(),
        'place_hidden': now.is_hidden(),
        'place_beside_occluder': then.is_beside_occluder(),
        'at_target_return': here.is_at_return(),
        'place_at_source_return': now.is_at_return(),
        'past_free': past_here.is_free(),
        'past_surely_free': past_here.is_free(about=True),
        'past_return': past_here.is_at_return(),
        'earlier_free': past_then.is_free(),
        'earlier_return': past_then.is_at_return(),
    }
    shares = dict(zip(answers, group_shares(np.stack([*answers.values()]), clusters.counts)))
    overlap = other.at(points[:: 1 + len(points) // _ASKED]).is_known().mean()
    return VisibilityFeatures(**shares, overlap=float(overlap))
