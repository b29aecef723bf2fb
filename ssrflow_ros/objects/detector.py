"""The detector of moving objects, to be read first: what moves by itself, how, and how surely.

    observe -> propose -> prefilter -> register -> fuse with network and tracks -> classify -> describe -> follow

Proposals are groups of points that may move together, and the prefilter drops those that are nearly sure to stand;
registration finds how far each of the others moved by the other sweep, which is fused with what the network says and
a track lets expect; the classifier weighs what speaks for it. What is likely to move becomes an object, and its points
get its motion. Of the points that are left, those few move as the network says for which that was the better answer on
average.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..kernels.returns import put_rows, rows_of
from ..settings import Settings
from ..steps.prepared import Detections, PreparedPair
from ..sweep import Basis, MovingObject
from .accumulated import SeenBodies, laid_onto
from .between_beams import slides
from .classification import Classification, classify, motion_features, past_features, stream_features
from .covariance import MotionErrors, motion_errors
from .description import describe
from .features import Columns
from .fusion import Fusion, PastFusion, TrackedFusion, fuse_with_network, fuse_with_past, fuse_with_tracks, judged
from .groups import Clusters, greatest_of_each, group_means
from .long_baseline import long_baseline
from .models import logistic
from .motion_classifier import MotionClassifier
from .observation import ObservedPoints, observe
from .planar import PlanarMotion
from .prefilter import ScreenedProposals, prefilter
from .proposals import propose
from .registration import Registration, register
from .static_world import unexplained
from .tracks import Tracks
from .unassigned import unassigned_points
from .visibility import visibility
from .whole_box import SeenBoxes, SeenEnds

_FASTEST = 35.0  # m/s
_REACH = 1.0, 5.0  # m, least and most that is searched
_ENOUGH = 0.5  # share of a proposal's points that no likelier one has taken
_STAYS = 0.95  # probability that what was lost in a pair goes on as it did
_ACCELERATION = 3.0  # m/s², standard deviation of what is not expected
_SURELY = 7.0  # log odds, from which what lies between beams does not matter
_LONG = 3.0  # m, from which what moves alike and lies within is a piece; people side by side are not so long
_PIECE = 0.9  # share of a piece's points that lie within, and of the whole's that it has at most
_ALIKE, _ALIKE_SHARE = 1.0, 0.3  # m/s, or share of the speed, by which a piece's motion may differ


@dataclass(frozen=True, eq=False)
class Candidates:
    """K proposals of a pair of `dt` s with all that is known of them; may_move (K,) bool: they may be objects."""

    proposals: ScreenedProposals
    registered: Registration
    of_past: PastFusion
    tracked: TrackedFusion
    may_move: np.ndarray
    classified: Classification
    errors: MotionErrors
    dt: float

    @property
    def fused(self) -> Fusion:
        """Of the pair and of the earlier sweep."""
        return self.of_past.fused

    def motion(self, which: np.ndarray) -> PlanarMotion:
        """Of the candidates `which` (k,), as tracks steadied them."""
        return PlanarMotion(
            self.registered.centre[which], self.tracked.displacement[which], self.registered.turn[which]
        )


class ObjectDetector:
    """Finds the moving objects of one stream's pairs.

    classifier  the fitted models, loaded once by whoever builds this.
    """

    def __init__(self, classifier: MotionClassifier):
        self.classifier = classifier
        self.tracks = Tracks()

    def __call__(self, prepared: PreparedPair, residual: np.ndarray | None, settings: Settings) -> Detections:
        """Nearly all points without an object stand still.

        residual  (N, 3) m by the network; None where it was not asked: then what has a track is taken to go on, until
                  it is registered, and nothing new is found but by free space.
        """
        taken = prepared.pair.source.taken
        basis = Basis.REGISTRATION if residual is None else Basis.NETWORK
        self.tracks.advance(prepared.pair, prepared.ego_motion)
        expected = self.tracks.inside(prepared.points)
        if residual is None:
            residual = np.zeros_like(prepared.pair.source.points)
            rows, way = self.tracks.displacement(expected, prepared.pair.dt)
            put_rows(residual, prepared.rows.take(rows), way)
        observed = observe(prepared, residual, settings)
        candidates = self.candidates(prepared, observed, expected, settings)

        displacement, ids = np.zeros_like(residual), np.full(len(residual), -1, np.int32)
        calibration = self.classifier.calibration
        likely = np.full(len(observed.points), calibration.no_proposal, np.float32)
        is_free = np.ones(len(observed.points), bool)
        objects, bodies = list[MovingObject](), None
        if candidates is not None:
            surely, of_points, of_others = (
                calibration.of(curve, candidates.classified.in_stream)
                for curve in (calibration.object, calibration.object_point, calibration.other_point)
            )
            others, proposals = np.where(candidates.may_move, of_others, 0.0), candidates.proposals
            least, count = calibration.no_proposal, len(likely)
            likely = greatest_of_each(others, proposals.rows, proposals.sizes, least, count).astype(np.float32)
            moving = selected(candidates, settings.min_motion_probability)
            which, rows, counts = assigned(candidates, moving, is_free, settings.object_points)
            if len(which):
                points, motion = rows_of(observed.points, rows), candidates.motion(which)
                bodies = SeenBodies(points, counts, motion, prepared.slope)
                of_source = prepared.rows.take(rows)
                ids[of_source] = np.repeat(np.arange(len(which)), counts)
                put_rows(displacement, of_source, motion.of(points, counts, prepared.slope).astype(np.float32))
                likely[rows] = np.repeat(of_points[which], counts)
                when = np.zeros(len(which)) if taken is None else group_means(taken.take(of_source), counts)
                objects = describe(
                    bodies, candidates.errors, which, surely[which], when, basis, prepared.pair.dt, self.classifier
                )

        rows, features = self.unassigned(prepared, observed, is_free, candidates, settings)
        log_odds = self.classifier.unassigned(features)
        better, alone = log_odds > 0, prepared.rows[rows[log_odds > 0]]
        displacement[alone] = residual[alone]
        likely[rows[better]] = calibration.of(calibration.lone_point, log_odds[better])
        probability = prepared.ground * np.float32(calibration.ground)
        probability[prepared.rows] = likely
        whole = list(self.tracks.follow(objects, bodies))
        if bodies is not None:
            ends = SeenEnds.of(SeenBoxes.of(whole), bodies.points, bodies.counts, prepared.range_images[0])
            lengths = [self.tracks.length(item.track_id) for item in whole]
            whole = self.classifier.boxes.completed(whole, ends, lengths)
            self.tracks.keep(whole)
        predicted = tuple(_predicted(*lost) for lost in self.tracks.lost())
        return Detections(displacement, ids, tuple(whole), probability, predicted)

    def candidates(
        self, prepared: PreparedPair, observed: ObservedPoints, inside: np.ndarray, settings: Settings
    ) -> Candidates | None:
        """All that may move, and what speaks for it; None if nothing may.

        inside  (n,) which track's box holds each point, as of `Tracks.inside`.
        """
        dt, tracks, classifier = prepared.pair.dt, self.tracks, self.classifier
        source_image, target_image, _ = prepared.range_images
        reach = min(max(_FASTEST * abs(dt), _REACH[0]), _REACH[1])

        proposals = prefilter(
            propose(observed, inside, dt, settings),
            observed,
            inside,
            source_image,
            prepared.beams[0],
            prepared.rows,
            reach,
            classifier,
        )
        if proposals is None:
            return None
        clusters, sizes = proposals.clusters, proposals.sizes

        target, past = unexplained((prepared.target, prepared.past), observed.points, proposals.rows)
        registered = register(clusters, proposals.network, target, reach, dt)

        expected = tracks.expected(registered.centre) * (dt if settings.steady else np.nan)
        wholes = Clusters(rows_of(observed.points, proposals.rows), sizes)
        of_pair = fuse_with_network(registered, wholes, clusters, target, target_image, classifier)
        baseline = long_baseline(clusters, of_pair.displacement, past, dt, prepared.past_age)
        of_past = fuse_with_past(registered, of_pair, baseline, clusters, target_image, classifier)
        fused = of_past.fused
        accumulated = laid_onto(clusters, registered.centre, tracks.accumulated(registered.centre), expected, dt)
        tracked = fuse_with_tracks(registered, fused, accumulated, expected, clusters, target_image, classifier)

        # The classifier is asked about that: one pair may say nothing of a long side of which the track knows all.
        steady = judged(registered, fused, tracked.displacement, clusters, target_image)

        # A cost of 1: nothing in the other sweep lies where it would be.
        may_move = (fused.cost < 1) & (np.linalg.norm(tracked.displacement, axis=1) >= settings.moving_speed * abs(dt))
        unlike = np.where(may_move, tracks.unlike(registered.centre, fused.displacement / dt), np.inf)

        seen = visibility(prepared, clusters, steady.displacement)
        of_motion = motion_features(registered, steady, proposals, seen, prepared.ego_motion)
        of_stream = stream_features(unlike, tracks.followed) if tracks.goes_on else None
        since_then = past_features(baseline, proposals.past_unmatched)
        classified = classify(of_motion, since_then, of_stream, classifier)

        # What this pair alone believes is asked, too: where it slides, its points are likely to stand, object or not.
        likely = logistic(np.maximum(classified.log_odds, classified.in_stream)) >= settings.min_motion_probability
        asked = np.flatnonzero(may_move & likely & (classified.in_stream < _SURELY))
        if len(asked):
            may_move[asked] = ~slides(prepared, clusters.of(asked), steady.displacement[asked])

        errors = motion_errors(registered, fused, tracked, classified.probability, sizes, classifier)
        return Candidates(proposals, registered, of_past, tracked, may_move, classified, errors, dt)

    def unassigned(
        self,
        prepared: PreparedPair,
        observed: ObservedPoints,
        is_free: np.ndarray,
        candidates: Candidates | None,
        settings: Settings,
    ) -> tuple[np.ndarray, Columns]:
        """Rows (m,) of the points that have no object, `is_free` (n,), and move by the network, and their features."""
        likeliest = np.zeros(len(observed.points))
        if candidates is not None:
            of_each, proposals = candidates.classified.probability, candidates.proposals
            likeliest = greatest_of_each(of_each, proposals.rows, proposals.sizes, 0.0, len(likeliest))
        return unassigned_points(prepared, observed, is_free, likeliest, settings)


def _predicted(item: MovingObject, seconds: float, missed: int) -> MovingObject:
    """What was followed and was not found in so many pairs: hidden, or too little of it to be told."""
    drift = item.velocity_covariance + np.eye(3) * (_ACCELERATION * seconds / 2) ** 2
    return dataclasses.replace(
        item,
        id=-1,
        n_points=0,
        basis=Basis.PREDICTION,
        probability=item.probability * _STAYS**missed,
        position_covariance=item.position_covariance + drift * seconds**2,
    )


def selected(candidates: Candidates, least: float) -> list[int]:
    """Numbers of the candidates that move with a probability of `least`, the surest first."""
    probability = logistic(candidates.classified.in_stream)
    moves = candidates.may_move & (probability >= least)
    order = [k for k in np.argsort(-probability, kind='stable') if moves[k]]
    pieces = pieces_of_long(candidates, order)
    order.sort(key=lambda k: k in pieces)
    return order


def pieces_of_long(candidates: Candidates, moving: list[int]) -> set[int]:
    """Those of the `moving` candidates that are pieces of a long one and move like it: of a vehicle some pieces are
    surer than the whole."""
    longer_side, pieces = candidates.registered.longer_side, set[int]()
    groups, displacement = [candidates.proposals.groups[k] for k in moving], candidates.tracked.displacement[moving]
    if not groups:
        return pieces
    sizes, inside = np.array([len(rows) for rows in groups]), np.zeros(1 + np.concatenate(groups).max(), bool)
    most = np.maximum(_ALIKE * abs(candidates.dt), _ALIKE_SHARE * np.linalg.norm(displacement, axis=1))
    for whole in np.flatnonzero(longer_side[moving] >= _LONG).tolist():
        alike = np.linalg.norm(displacement - displacement[whole], axis=1) < most
        inside[groups[whole]] = True
        for piece in np.flatnonzero(alike & (sizes < _PIECE * sizes[whole])).tolist():
            if inside[groups[piece]].mean() > _PIECE:
                pieces.add(moving[piece])
        inside[groups[whole]] = False
    return pieces


def assigned(
    candidates: Candidates, moving: list[int], is_free: np.ndarray, fewest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which (k,) of the `moving` candidates keep the points that are free, (n,) bool, and then are no more: the rows of
    these, one candidate after the other, and how many of each (k,). One that has lost half of them to surer ones, or
    has fewer than `fewest`, is dropped."""
    which, kept = list[int](), list[np.ndarray]()
    for k in moving:
        group = candidates.proposals.groups[k]
        rows = group[is_free[group]]
        if len(rows) >= max(fewest, _ENOUGH * len(group)):
            is_free[rows] = False
            which.append(k)
            kept.append(rows)
    rows = np.concatenate([*kept, np.empty(0, np.int64)])
    return np.array(which, np.int64), rows, np.array([len(of_one) for of_one in kept], np.int64)
