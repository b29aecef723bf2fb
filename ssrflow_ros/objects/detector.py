"""The detector of moving objects, to be read first: what moves by itself, how, and how surely.

    proposals -> prefilter -> register -> classify -> fuse with tracks -> describe

Proposals are groups of points that may move together, and the prefilter drops those that are nearly sure to stand;
registration finds how far each of the others moved by the other sweep, which is fused with what the network says;
the classifier weighs what speaks for it. What is likely to move becomes an object, and its points get its motion. Of
the points that are left, those few move as the network says for which that was the better answer on average.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple

import numpy as np

from ..settings import Settings
from ..sweep import MovingObject, PreparedPair
from .covariance import displacement_covariance, displacement_features, turn_features
from .description import describe
from .features import Columns
from .fusion import Fusion, TrackedFusion, fuse_with_network, fuse_with_tracks
from .models import logistic
from .motion_classifier import MotionClassifier
from .motion_features import motion_features, stream_features
from .planar import PlanarMotion
from .prefilter import ScreenedProposals, prefilter
from .proposals import propose
from .registration import Registration, reach, register
from .tiles import unexplained
from .tracks import Suspect, Tracks
from .unassigned import unassigned_points
from .visibility import ObservedPoints, observe, visibility

_ENOUGH = 0.5            # share of a proposal's points that no likelier one has taken


class Detections(NamedTuple):
    """displacement (N, 3) m of the source's points, ids (N,) int32 of their objects, -1 for none, the objects."""

    displacement: np.ndarray
    ids: np.ndarray
    objects: tuple[MovingObject, ...]


@dataclass(frozen=True, eq=False)
class Candidates:
    """K proposals, registered and weighed.

    may_move     (K,) whether they may be objects at all.
    log_odds     (K,) that they move as was found, by this pair alone; in_stream (K,) the same, told of the stream.
    motion_features, stream_features  columns (K,) of which; the latter None where no stream goes on.
    error_features, covariance (K, 2, 2) m²  of the displacement that a track steadied.
    turn_variance  (K,) rad².
    """

    proposals: ScreenedProposals
    registered: Registration
    fused: Fusion
    tracked: TrackedFusion
    may_move: np.ndarray
    log_odds: np.ndarray
    in_stream: np.ndarray
    motion_features: Columns
    stream_features: Columns | None
    error_features: Columns
    covariance: np.ndarray
    turn_variance: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """(K,) that they move as was found, by this pair alone."""
        return logistic(self.log_odds)

    def motion(self, k: int) -> PlanarMotion:
        """Of candidate `k`, as a track steadied it."""
        return PlanarMotion(self.registered.centre[k], self.tracked.displacement[k], self.registered.turn[k])

    def suspect(self, k: int, dt: float) -> Suspect:
        """Candidate `k` as a thing that is expected in the next pair."""
        return Suspect(self.registered.centre[k], self.fused.displacement[k] / dt, self.registered.longer_side[k])


class ObjectDetector:
    """Finds the moving objects of one stream's pairs.

    classifier  the fitted models, loaded once by whoever builds this.
    """

    def __init__(self, classifier: MotionClassifier):
        self.classifier = classifier
        self.tracks = Tracks()

    def __call__(self, prepared: PreparedPair, residual: np.ndarray, settings: Settings) -> Detections:
        """Nearly all points without an object stand still. residual (N, 3) m by the network."""
        self.tracks.advance(prepared.pair, prepared.ego_motion)
        observed = observe(prepared, residual, settings)
        candidates = self.candidates(prepared, observed, settings)
        moving, doubtful = selected(candidates, settings.belief)
        displacement, ids, objects = np.zeros_like(residual), np.full(len(residual), -1, np.int32), []
        is_free = np.ones(len(observed.points), bool)
        for k, rows in assigned(candidates, moving, is_free, settings.object_points):
            points, motion = observed.points[rows], candidates.motion(k)
            ids[prepared.rows[rows]] = len(objects)
            displacement[prepared.rows[rows]] = motion.of(points, prepared.slope)
            objects.append(describe(len(objects), points, motion, candidates.covariance[k],
                                    candidates.turn_variance[k], prepared.pair.dt, prepared.slope, self.classifier))
        rows, features = self.unassigned(prepared, observed, is_free, candidates, settings)
        alone = prepared.rows[rows[self.classifier.unassigned(features) > 0]]
        displacement[alone] = residual[alone]
        suspects = [candidates.suspect(k, prepared.pair.dt) for k in doubtful]
        return Detections(displacement, ids, self.tracks.follow(objects, suspects))

    def candidates(self, prepared: PreparedPair, observed: ObservedPoints, settings: Settings) -> Candidates | None:
        """All that may move, and what speaks for it; None if nothing may."""
        dt, ego, classifier = prepared.pair.dt, prepared.ego_motion, self.classifier
        source_view, target_view, _ = prepared.views
        least = settings.moving_speed * abs(dt)

        proposals = prefilter(propose(observed, dt, settings), observed, source_view, reach(dt), classifier)
        if proposals is None:
            return None
        clusters, sizes = proposals.clusters, proposals.sizes
        target = unexplained(prepared.target, observed.points, proposals.groups)
        registered = register(clusters, proposals.network, target, dt)
        fused = fuse_with_network(registered, clusters, target_view, classifier)

        seen = visibility(prepared, clusters, fused.displacement)
        of_motion = motion_features(registered, fused, proposals, seen, ego)
        log_odds = classifier.motion(of_motion)

        expected = self.tracks.expected(registered.centre) * (dt if settings.steady else np.nan)
        tracked = fuse_with_tracks(registered, fused, expected, clusters, target_view, classifier)
        # A cost of 1: nothing in the other sweep lies where it would be.
        may_move = (fused.cost < 1) & (np.linalg.norm(tracked.displacement, axis=1) >= least)
        known = may_move & self.tracks.expects(registered.centre, fused.displacement / dt)
        of_stream = stream_features(known, self.tracks.followed) if self.tracks.goes_on else None
        in_stream = log_odds if of_stream is None else log_odds + classifier.stream(of_stream)

        of_error = displacement_features(registered, fused, tracked, logistic(log_odds), sizes)
        of_turn = turn_features(fused.cost, sizes, registered.longer_side)
        return Candidates(
            proposals, registered, fused, tracked, may_move, log_odds, in_stream, of_motion, of_stream, of_error,
            displacement_covariance(of_error, registered.axes, classifier), np.exp(classifier.turn_variance(of_turn)))

    def unassigned(self, prepared: PreparedPair, observed: ObservedPoints, is_free: np.ndarray,
                   candidates: Candidates | None, settings: Settings) -> tuple[np.ndarray, Columns]:
        """Rows (m,) of the points that have no object, `is_free` (n,), and move by the network, and their features."""
        likeliest = np.zeros(len(observed.points))
        if candidates is not None:
            for group, probability in zip(candidates.proposals.groups, candidates.probability):
                likeliest[group] = np.maximum(likeliest[group], probability)
        return unassigned_points(prepared, observed, is_free, likeliest, settings)


def selected(candidates: Candidates | None, least: float) -> tuple[list[int], list[int]]:
    """Numbers of the candidates that move with a probability of `least`, the surest first, and of those that would,
    were they not new."""
    if candidates is None:
        return [], []
    probability = logistic(candidates.in_stream)
    moves = candidates.may_move & (probability >= least)
    doubtful = candidates.may_move & (candidates.probability >= least) & ~moves
    return [k for k in np.argsort(-probability, kind='stable') if moves[k]], np.flatnonzero(doubtful).tolist()


def assigned(candidates: Candidates | None, moving: list[int], is_free: np.ndarray, fewest: int
             ) -> Iterator[tuple[int, np.ndarray]]:
    """Each of the `moving` candidates and the rows of its points, as far as they are free, (n,) bool, which they are no
    more then. One that has lost half of them to surer ones, or has fewer than `fewest`, is dropped."""
    for k in moving:
        group = candidates.proposals.groups[k]
        rows = group[is_free[group]]
        if len(rows) >= max(fewest, _ENOUGH * len(group)):
            is_free[rows] = False
            yield k, rows
