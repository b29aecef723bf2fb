"""Belief: how likely a proposed cluster moves as it was registered, and how far off that may be.

A small network over plain features and a few of their products, logistic models for what is simpler, and log-linear
models of the errors' variance, all fitted on simulated recordings that nothing else uses:
`python -m ssrflow_ros.evaluation.belief` writes MOVES and prints the numbers below anew, and
`python -m ssrflow_ros.evaluation.expectation` those of STEADY, STEADY_SHIFT and STREAM.
"""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..sweep import EgoMotion
from .fit import Fit
from .perceptron import Perceptron
from .sights import Sights

if TYPE_CHECKING:
    from .screening import Asked

# WORTH, TRUST, STEADY: log odds, see `worth_features`, `trust_features`, `steady_features`. SHIFT: log m², along each
# axis of the cost's curvature, and STEADY_SHIFT where something was expected. TURN: log rad². CLIMB: log (m/s)², off
# the ground's slope. CENTRE: log m², of the box's centre, along the view, across it, upwards. LONE: log odds that the
# network's motion of a point without object is better than none, errors of points that stand counted three times.
# STREAM: log odds besides, where a stream goes on.
WORTH = np.array([-3.97, 0.55, 0.63, 1.92, -0.52, 1.46, -1.18, -0.56, 2.07])
TRUST = np.array([-0.08, -0.96, -0.11, 0.03, 0.35, 0.43, -1.35, 1.66, -1.56, -5.87, 3.91, -0.16, -1.25])
STEADY = np.array([2.41, -0.64, 0.55, -5.25, 4.88, -0.42, 0.83, 0.11])
SHIFT = np.array([2.59, 0.51, 0.91, -0.12, -0.59, 0.07, 0.97, 0.65, -0.93])
STEADY_SHIFT = np.array([1.15, 0.25, 0.57, -0.05, -0.28, 0.11, 0.56, 0.35, -0.43, 1.27])
TURN = np.array([-3.28, 1.49, 0.41, -1.32])
CLIMB = np.array([-2.67, 0.73])
CENTRE = np.array([[-4.0, 0.05, 0.27, 1.49], [-2.21, 0.05, 0.02, 0.66], [0.29, -0.34, 0.53, -0.35]])
STREAM = np.array([-1.65, 1.52, 0.51])
LONE = np.array([0.13, 0.08, -0.15, 0.92, 0.27, 1.37, -0.28])

MOVES_FILE = Path(__file__).resolve().parents[1] / 'weights' / 'belief.npz'
MOVES = Perceptron.load(MOVES_FILE)     # log odds of `movement_features`

LEAST_WORTH = float(np.log(0.05))     # log odds, below which a proposal is not even registered
_MANY = 500              # points, beyond which more say nothing: walls have thousands
_TALLEST = 3.0           # m above 2.5, likewise
_STANDING = 0.02         # m: a sensor that went less says nothing by its heading


def probability(features: np.ndarray, more: np.ndarray | float = 0.0) -> np.ndarray:
    """(K,) of `movement_features`, and `more` log odds from elsewhere."""
    return _share(MOVES(features) + more)


def stream_features(known: np.ndarray, followed: int, goes_on: bool) -> np.ndarray:
    """(K, F) of clusters that are `known` (K,) or not: something seemed to move alike in the last pair. The last is of
    how many objects are `followed` besides: where much moves already a new thing is likelier to, too. All 0 where no
    stream `goes_on`."""
    others = np.maximum(followed - known.astype(int), 0)
    return goes_on * np.stack([np.ones(len(known)), known, np.log1p(others)], axis=1)


def worth_features(n: np.ndarray, taken: np.ndarray, before: np.ndarray, guess: np.ndarray, height: np.ndarray,
                   framed: np.ndarray, fast: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """(K, F) of what is known before registration; guess (K,) m by the network, height (K,) m, the others as below."""
    return np.stack([np.ones(len(n)), np.log(np.minimum(n, _MANY)), np.sqrt(taken), np.log(guess + 0.02),
                     np.maximum(height - 2.5, 0.0), fast, np.log(unlike + 0.02), framed, np.sqrt(before)],
                    axis=1)


def movement_features(fit: Fit, n: np.ndarray, ask: Asked, seen: Sights, ego: EgoMotion) -> np.ndarray:
    """(K, F) features of K clusters of n (K,) points, and products of those that mean more together.

    What is seen through windows, gaps, between leaves changes with every step of the sensor, and seems to move; as it
    does wherever something comes into view or is lost to it. What is seen past something slides across the view as the
    sensor goes, and where beams fall on a smooth surface goes along with it.
    """
    taken, left, framed, fast, unlike, overlap = ask.taken, seen.left, ask.framed, ask.fast, ask.unlike, seen.overlap
    length, guess, measured, off = (np.linalg.norm(motion, axis=1) for motion in (
        fit.shift, fit.network, fit.measured, fit.measured - fit.network))
    alike = np.einsum('ij,ij->i', fit.shift, fit.network) / np.maximum(length * guess, 1e-6) * (guess > 0.05)
    many, cost, better = np.log(np.minimum(n, _MANY) / 50), np.log(fit.cost + 0.01) + 2, (
        np.sqrt(fit.cost) - np.sqrt(fit.cost_still))
    tall, free = np.clip(fit.size[:, 2] - 2.5, 0.0, _TALLEST), np.log(np.maximum(taken, left) + 0.01) + 2
    length, guess, measured, off, unlike = (np.log(value + least) + 1 for value, least in (
        (length, 0.02), (guess, 0.02), (measured, 0.02), (off, 0.05), (unlike, 0.02)))
    taken, both, left, doubtful = np.sqrt(taken), np.sqrt(taken * left), np.sqrt(left), np.sqrt(fit.against)
    away, across, along = _bearing(fit, ego)
    elsewhere = np.log(1.02 - overlap)
    return np.stack([
        np.ones(len(n)), many, cost, better, taken, both, left, free, alike, length, guess, measured, off, tall, fast,
        unlike, many * tall, taken ** 2, better * alike, off * fast, many * cost, many * taken, length * free,
        both * unlike, left ** 2, off * unlike, doubtful, fit.against, doubtful * left, doubtful * free, framed,
        _went(ego.travelled, len(n)), *np.sqrt(seen.past).T, across, across * framed, across * many, across * taken,
        *np.sqrt(seen.pair).T, along, np.full(len(n), elsewhere), elsewhere * off, elsewhere * many, elsewhere * taken,
        elsewhere * across, np.log(np.linalg.norm(fit.centre, axis=1) + 2), *np.log(fit.size + 0.1).T, away], axis=1)


def _bearing(fit: Fit, ego: EgoMotion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine and sine, without its sign, of the angle between each motion and the line of sight, and cosine of that
    between it and the sensor's own, 0 where the sensor stands; (K,) each."""
    length, (x, y) = np.linalg.norm(fit.shift, axis=1) + 1e-6, fit.centre.T
    unit = length * np.maximum(np.hypot(x, y), 0.1)
    away, across = fit.shift[:, 0] * x + fit.shift[:, 1] * y, np.abs(fit.shift[:, 0] * y - fit.shift[:, 1] * x)
    own = ego.into_source(np.zeros((1, 3)))[0, :2]      # where the sensor is by the target's time
    along = fit.shift @ own / (length * max(float(np.linalg.norm(own)), 1e-6))
    return away / unit, across / unit, along if ego.travelled >= _STANDING else np.zeros_like(along)


def lone_features(likely: np.ndarray, company: np.ndarray, taken: np.ndarray, left: np.ndarray,
                  before: np.ndarray, travelled: float) -> np.ndarray:
    """(m, F) of points without object: `likely` (m,) probability of the best proposal that held each, `company` (m,)
    points of its square metre, itself included; taken, left (m,) bool and `travelled` as in
    `movement_features`; before (m,) bool: stands where the sensor saw through half a second before."""
    return np.stack([np.ones(len(likely)), np.log(likely + 0.01), np.log(company), taken, left, before,
                     _went(travelled, len(likely))], axis=1)


def _went(travelled: float, count: int) -> np.ndarray:
    return np.full(count, np.log(travelled + 0.03))


def principal(curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal curvatures (K, 2), 1/m², of (K, 2, 2), and their axes (K, 2, 2), columns."""
    curvature, axes = np.linalg.eigh(curvature)
    return np.maximum(curvature, 0.02), axes


def trust_features(curvature: np.ndarray, measured: np.ndarray, network: np.ndarray, costs: tuple[np.ndarray, ...],
                   against: tuple[np.ndarray, ...], n: np.ndarray, size: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(K, 2, F), for each axis of the curvature, how far to trust a `measured` displacement (K, 2) m against the
    network's, (K, 2) m; costs (K,) of the one, the other, and of rest; `against` (K,) of the one and the other, as in
    `Fit`; size (K,) and range (K,) m."""
    flattest, axes = principal(curvature)
    off = measured - network
    along = np.abs(np.einsum('kij,ki->kj', axes, off))
    return _by_axis([np.ones(len(n)), *(np.log(cost + 0.01) for cost in costs), np.log(n), np.log(size + 0.2),
                     np.log(np.linalg.norm(off, axis=1) + 0.03), np.log(np.linalg.norm(network, axis=1) + 0.05),
                     np.log(reach + 2), *map(np.sqrt, against)], [np.log(flattest), np.log(along + 0.03)])


def trusted(curvature: np.ndarray, measured: np.ndarray, network: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(K, 2) m, between the displacement that was measured and the network's, as far as `features` tell to trust it."""
    return _between(curvature, measured, network, features @ TRUST)


def steady_features(curvature: np.ndarray, expected: np.ndarray, found: np.ndarray, costs: tuple[np.ndarray, ...],
                    against: tuple[np.ndarray, ...], size: np.ndarray, unsure: np.ndarray) -> np.ndarray:
    """(K, 2, F), for each axis of the curvature, how far to trust an `expected` displacement (K, 2) m against the one
    that was `found`, (K, 2) m; costs and `against` (K,) of the one and the other, size (K,) m, and `unsure` (K, 2) m:
    what lies between measured and network."""
    axes = principal(curvature)[1]
    along = np.abs(np.einsum('kij,ki->kj', axes, expected - found))
    return _by_axis([np.ones(len(size)), *(np.log(cost + 0.01) for cost in costs), *map(np.sqrt, against),
                     np.log(size + 0.2), np.log(np.linalg.norm(unsure, axis=1) + 0.03)], [np.log(along + 0.03)])


def steadied(curvature: np.ndarray, expected: np.ndarray, found: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(K, 2) m, between the displacement that was expected and the one found, as far as `features` tell to trust it."""
    return _between(curvature, expected, found, features @ STEADY)


def _between(curvature: np.ndarray, one: np.ndarray, other: np.ndarray, odds: np.ndarray) -> np.ndarray:
    axes, share = principal(curvature)[1], _share(odds)
    return other + np.einsum('kij,kj,klj,kl->ki', axes, share, axes, one - other)


def _share(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def _by_axis(shared: list[np.ndarray], own: list[np.ndarray]) -> np.ndarray:
    """(K, 2, F) of features (K,) that both axes share and of each one's own, (K, 2)."""
    return np.stack([*(np.repeat(column[:, None], 2, axis=1) for column in shared), *own], axis=-1)


def shift_features(fit: Fit, moves: np.ndarray, n: np.ndarray, size: np.ndarray, reach: np.ndarray
                   ) -> tuple[np.ndarray, np.ndarray]:
    """(K, 2, F) for the errors of the steady displacement along each axis of the curvature, and these axes (K, 2, 2);
    moves (K,) probability; size (K,) and range (K,) m. The last tells how far what was expected is off."""
    flattest, axes = principal(fit.curvature)
    length, unsure = (np.linalg.norm(motion, axis=1) for motion in (fit.steady, fit.measured - fit.network))
    off = np.abs(np.einsum('kij,ki->kj', axes, fit.expected - fit.shift))
    return _by_axis([np.ones(len(n)), np.log(fit.cost + 0.01), doubt(moves), np.log(n), np.log(size + 0.2),
                     np.log(reach + 2), np.log(length + 0.05), np.log(unsure + 0.03)],
                    [np.log(flattest), np.log(off + 0.03)]), axes


DOUBT = 2       # where `doubt` is among the `shift_features`


def doubt(moves: np.ndarray) -> np.ndarray:
    """(K,) of probabilities (K,)."""
    return np.log(1.02 - moves)


def shift_covariance(fit: Fit, moves: np.ndarray, n: np.ndarray, size: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(K, 2, 2) m² of the steady displacement."""
    features, axes = shift_features(fit, moves, n, size, reach)
    known = np.isfinite(features[..., -1])
    log = np.where(known, np.nan_to_num(features) @ STEADY_SHIFT, features[..., :-1] @ SHIFT)
    return np.einsum('kij,kj,klj->kil', axes, np.exp(log), axes)


def turn_features(cost: np.ndarray, n: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(K, F)."""
    return np.stack([np.ones(len(n)), np.log(cost + 0.01), np.log(n), np.log(size + 0.2)], axis=-1)


def centre_features(n: float, size: np.ndarray, reach: float) -> np.ndarray:
    """(F,) of one box (3,) m at `reach` m."""
    return np.array([1.0, np.log(n), np.log(size[:2].max() + 0.2), np.log(reach + 2)])


def view_axes(centre: np.ndarray) -> np.ndarray:
    """(3, 3) rows: away from the sensor, across to the left, up."""
    ahead = centre[:2] / max(float(np.linalg.norm(centre[:2])), 1e-6)
    return np.array([[ahead[0], ahead[1], 0], [-ahead[1], ahead[0], 0], [0, 0, 1]])


def climb_features(speed: np.ndarray) -> np.ndarray:
    """(..., F) for the error of taking a mover at `speed` m/s as going along the ground."""
    return np.stack([np.ones_like(speed), np.log(speed + 0.5)], axis=-1)
