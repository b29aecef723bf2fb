"""Visibility: what the sweeps saw of single points, and where proposals stand, stood, and stood before that."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..settings import Settings
from ..steps.evidence import View
from ..sweep import PreparedPair
from .groups import Clusters, group_means

_ASKED = 4000            # points, of which it is asked whether the other sweep looked their way


class ObservedPoints(NamedTuple):
    """What is known of each of a prepared pair's points (n, 3) m before any belong together.

    displacement        (n, 3) m by the network.   moving (n,) bool: that is at least `moving_speed`.
    in_free_space       (n,) bool: stands where the other sweep saw through; in_past_free_space (n,) bool: where the
                        sensor surely had half a second before.
    suspicious          (n,) bool: either, or the network moves it to a place through which this sweep sees.
    vacated_space       (v, 3) m, points of the other sweep through whose places this one sees.
    """

    points: np.ndarray
    displacement: np.ndarray
    moving: np.ndarray
    in_free_space: np.ndarray
    in_past_free_space: np.ndarray
    suspicious: np.ndarray
    vacated_space: np.ndarray


def observe(prepared: PreparedPair, displacement: np.ndarray, settings: Settings) -> ObservedPoints:
    """displacement (N, 3) m by the network, of all points of the source."""
    points, displacement = prepared.points, displacement.take(prepared.rows, axis=0)
    moving = lengths(displacement) >= settings.moving_speed * abs(prepared.pair.dt)
    suspicious = prepared.taken | prepared.before
    asked = np.flatnonzero(moving & ~suspicious)
    suspicious[asked] = prepared.views[0].at(points.take(asked, axis=0) + displacement.take(asked, axis=0)).is_free()
    return ObservedPoints(points, displacement, moving, prepared.taken, prepared.before, suspicious, prepared.vacated)


def lengths(vectors: np.ndarray) -> np.ndarray:
    """(n,) of vectors (n, d)."""
    return np.sqrt(np.einsum('ij,ij->i', vectors, vectors))


def seen_through(view: View, clusters: Clusters, displacement: np.ndarray) -> np.ndarray:
    """(K,) share of each cluster's points through whose places, moved by `displacement` (K, 2) m, the sensor saw."""
    return group_means(view.at(clusters.moved(displacement)).is_free(), clusters.counts)


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
    view, other, past = prepared.views
    points, places = prepared.points, clusters.moved(displacement)
    earlier = clusters.moved(displacement * abs(prepared.past_age / prepared.pair.dt))
    here, now, then = other.at(clusters.points), view.at(places), other.at(places)
    past_here, past_then = past.at(clusters.points), past.at(earlier)
    return VisibilityFeatures(*(group_means(answer, clusters.counts) for answer in (
        now.is_free(), here.is_hidden(), now.is_hidden(), then.is_framed(), here.is_taken(), now.is_taken(),
        past_here.is_free(), past_here.is_free(about=True), past_here.is_taken(), past_then.is_free(),
        past_then.is_taken())), float(other.at(points[::1 + len(points) // _ASKED]).is_known().mean()))
