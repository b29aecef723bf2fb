"""Objects: what moves by itself, how, and how surely.

    propose -> screen -> register -> believe -> describe -> follow

Proposals are groups of points that may move together, and screening drops those that are nearly sure to
stand; registration finds how far each of the others moved; belief weighs what speaks for it. What is believed
becomes an object, and its points get its motion. Of the points that are left, those few move as the network
says for which that was the better answer on average.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..settings import Settings
from ..sweep import MovingObject, PreparedPair
from . import belief
from .fit import Fit
from .proposals import propose
from .registration import reach, register
from .screening import worth_asking
from .sights import sights
from .tiles import Blocks, shares, unexplained
from .tracks import Tracks

_HEADING_SPEED = 1.5     # m/s, faster ones face where they go
_ENOUGH = 0.5            # share of a proposal's points that no better one has taken
_SQUARE, _SQUARES = 1.0, 256    # m, in which points are each other's company; on a map that goes on anew beyond
_LONE_SPEED = 1.0        # m/s, below which the network says too often of single points that they move


@dataclass(frozen=True, eq=False)
class Candidates:
    """K proposals, weighed.

    groups    rows of each.   fit  their registration.   features (K, F) of their belief.
    moves     (K,) probability that they move so.   covariance (K, 2, 2) m² of the displacement.
    turn_variance (K,) rad².   size (K,) m, longer side; reach (K,) m from the sensor.
    worth     (K, F) features by which they were found worth asking.
    may       (K,) whether they may be believed at all.   stream (K, F) features of what speaks for it in a stream.
    """

    groups: list[np.ndarray]
    fit: Fit
    features: np.ndarray
    moves: np.ndarray
    covariance: np.ndarray
    turn_variance: np.ndarray
    size: np.ndarray
    reach: np.ndarray
    worth: np.ndarray
    may: np.ndarray
    stream: np.ndarray


class ObjectFinder:
    """Finds the moving objects of one stream's pairs."""

    def __init__(self):
        self.tracks = Tracks()

    def __call__(self, prepared: PreparedPair, residual: np.ndarray, settings: Settings
                 ) -> tuple[np.ndarray, np.ndarray, tuple[MovingObject, ...]]:
        """Displacement (N, 3) m of the source's points, ids (N,) int32 of their objects, -1 for none, the objects.

        Nearly all points without an object stand still. residual (N, 3) m by the network.
        """
        pair, rows = prepared.pair, prepared.rows
        found, ids = np.zeros_like(residual), np.full(len(residual), -1, np.int32)
        self.tracks.advance(pair, prepared.ego_motion)
        seen = self.weigh(prepared, residual, settings)
        points, objects, free = prepared.points, [], np.ones(len(rows), bool)
        believed, doubtful = self._believed(seen, settings.belief) if seen else ((), ())
        for k in believed:
            group = seen.groups[k][free[seen.groups[k]]]
            if len(group) < max(settings.object_points, _ENOUGH * len(seen.groups[k])):
                continue
            free[group] = False
            ids[rows[group]] = len(objects)
            arm = points[group, :2] - seen.fit.centre[k]
            found[rows[group]] = rigid_displacement(arm, seen.fit.steady[k], seen.fit.turn[k], prepared.slope)
            objects.append(_describe(len(objects), points[group], seen, k, pair.dt, prepared.slope))
        lone, features = self.lone(prepared, residual.take(rows, axis=0), free, seen, settings)
        lone = rows[lone[features @ belief.LONE > 0]]
        found[lone] = residual[lone]
        return found, ids, self.tracks.follow(
            objects, [(seen.fit.centre[k], seen.fit.shift[k] / pair.dt, seen.size[k]) for k in doubtful])

    def weigh(self, prepared: PreparedPair, residual: np.ndarray, settings: Settings) -> Candidates | None:
        """All that may move, and what speaks for it; arguments as of a call. None if nothing may."""
        pair, ego, target = prepared.pair, prepared.ego_motion, prepared.target
        view, other, _ = prepared.views
        points, motion = prepared.points, residual.take(prepared.rows, axis=0)
        fast = _length(motion) >= settings.moving_speed * abs(pair.dt)
        taken, before, vacated = prepared.taken, prepared.before, prepared.vacated
        free = taken | before
        doubtful = np.flatnonzero(fast & ~free)
        free[doubtful] = view.at(points.take(doubtful, axis=0) + motion.take(doubtful, axis=0)).is_free()
        groups = propose(points, motion / pair.dt, fast, free, vacated, settings)
        ask = worth_asking(groups, points, motion, fast, taken, before, vacated, view, reach(pair.dt))
        if not ask.groups:
            return None
        static = np.ones(len(points), bool)
        static[np.concatenate(ask.groups)] = False
        new = target.take(unexplained(target, points.take(np.flatnonzero(static), axis=0)), axis=0)
        few = points.take(ask.few, axis=0)

        def moved(shift: np.ndarray) -> np.ndarray:
            return np.column_stack([few[:, :2] + np.repeat(shift, ask.asked, axis=0).astype(few.dtype), few[:, 2]])

        def against(shift: np.ndarray) -> np.ndarray:
            return shares(other.at(moved(shift)).is_free(), ask.asked)

        def expected(centre: np.ndarray) -> np.ndarray:
            return self.tracks.expected(centre) * (pair.dt if settings.steady else np.nan)

        fit = register(few, ask.asked, Blocks(new), motion.take(ask.few, axis=0), pair.dt, against, expected)
        n = np.array([len(group) for group in ask.groups])
        earlier = moved(fit.shift * abs(prepared.past_age / pair.dt))
        seen = sights(prepared.views, points, few, moved(fit.shift), earlier, ask.asked)
        features = belief.movement_features(fit, n, ask, seen, ego)
        moves = belief.probability(features)
        size = fit.size[:, :2].max(axis=1)
        away = np.linalg.norm(fit.centre, axis=1)
        # A cost of 1: nothing in the other sweep lies where it would be.
        may = (fit.cost < 1) & (np.linalg.norm(fit.steady, axis=1) >= settings.moving_speed * abs(pair.dt))
        known = may & self.tracks.expects(fit.centre, fit.shift / pair.dt)
        return Candidates(ask.groups, fit, features, moves, belief.shift_covariance(fit, moves, n, size, away),
                          np.exp(belief.turn_features(fit.cost, n, size) @ belief.TURN), size, away, ask.worth, may,
                          belief.stream_features(known, self.tracks.followed, self.tracks.goes_on))

    def _believed(self, seen: Candidates, least: float) -> tuple[list[int], list[int]]:
        """Numbers of the candidates that move, the surest first, and of those that would, were they not new."""
        moves = belief.probability(seen.features, seen.stream @ belief.STREAM)
        moving = seen.may & (moves >= least)
        doubtful = seen.may & (seen.moves >= least) & ~moving
        return [k for k in np.argsort(-moves, kind='stable') if moving[k]], np.flatnonzero(doubtful).tolist()

    def lone(self, prepared: PreparedPair, motion: np.ndarray, free: np.ndarray,
             seen: Candidates | None, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Rows (m,) of those of the points (n, 3) m that have no object, `free` (n,), and move by the network's motion
        (n, 3) m, and their features (m, F) of its being better than none."""
        points, view, travelled = prepared.points, prepared.views[0], prepared.ego_motion.travelled
        least = max(settings.moving_speed, _LONE_SPEED) * abs(prepared.pair.dt)
        lone = np.flatnonzero(free & (_length(motion) >= least))
        likely = np.zeros(len(points))
        for group, moves in zip(seen.groups, seen.moves) if seen else ():
            likely[group] = np.maximum(likely[group], moves)
        x, y = (np.floor(points.T[:2] / _SQUARE).astype(np.int32) & (_SQUARES - 1))
        square = x * _SQUARES + y
        company = np.bincount(square, minlength=_SQUARES ** 2).take(square.take(lone))
        here = points.take(lone, axis=0)
        left = view.at(here + motion.take(lone, axis=0)).is_free()
        return lone, belief.lone_features(likely.take(lone), company, prepared.taken.take(lone), left,
                                          prepared.before.take(lone), travelled)


def _length(motion: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum('ij,ij->i', motion, motion))


def rigid_displacement(arm: np.ndarray, shift: np.ndarray, turn: float, slope: np.ndarray) -> np.ndarray:
    """(n, 3) displacement of points at `arm` (n, 2) m from the centre that is moved by `shift` and turned, along a
    ground of that `slope`."""
    x, y = arm.T
    cos, sin = np.cos(turn) - 1, np.sin(turn)
    moved = np.column_stack([shift[0] + cos * x - sin * y, shift[1] + sin * x + cos * y])
    return np.column_stack([moved, moved @ slope])


def _describe(number: int, points: np.ndarray, seen: Candidates, k: int, dt: float, slope: np.ndarray) -> MovingObject:
    """The points (n, 3) of candidate `k` as an object."""
    points = points.astype(float)
    velocity = np.array([*seen.fit.steady[k] / dt, 0.0])
    fast = np.hypot(velocity[0], velocity[1]) > _HEADING_SPEED
    yaw = float(np.arctan2(velocity[1], velocity[0])) if fast else _longest_side(points[:, :2])
    axes = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    turned = points @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = (low + high) / 2 @ axes
    turn_rate = float(seen.fit.turn[k] / dt)
    arm = centre[:2] - seen.fit.centre[k]
    velocity[:2] += turn_rate * np.array([-arm[1], arm[0]])
    along = np.vstack([np.eye(2), slope])       # from the level to the ground
    velocity = along @ velocity[:2]
    view = belief.view_axes(centre)
    spread = np.exp(belief.CENTRE @ belief.centre_features(len(points), high - low, float(np.hypot(*centre[:2]))))
    covariance = along @ seen.covariance[k] @ along.T / dt ** 2
    covariance[2, 2] += np.exp(belief.climb_features(np.hypot(*velocity[:2])) @ belief.CLIMB)
    return MovingObject(
        number, centre, high - low, yaw, velocity, len(points), yaw_rate=turn_rate,
        position_covariance=view.T @ np.diag(spread) @ view, velocity_covariance=covariance,
        yaw_rate_variance=float(seen.turn_variance[k]) / dt ** 2)


def _longest_side(points: np.ndarray) -> float:
    """Direction of the greatest spread of (n, 2), rad in (-pi/2, pi/2]."""
    spread = np.cov(points.T) if len(points) > 1 else np.eye(2)
    direction = np.linalg.eigh(spread)[1][:, 1]
    return float(np.arctan(direction[1] / direction[0])) if direction[0] else np.pi / 2
