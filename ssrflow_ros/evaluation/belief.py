"""Fit what `steps/belief.py` knows: `python -m ssrflow_ros.evaluation.belief [--recordings N]`.

Plays simulated recordings, the sensors in turn, from seeds that neither training nor any report uses, weighs all
proposals, compares them with the truth, writes `weights/belief.npz`, the network that believes, and prints the other
fitted numbers, to be pasted into `steps/belief.py`. To be run again with new weights of the flow network. They are
weighed thrice: how far registration is trusted comes first, for what is believed builds on it, and what is said of
points without object builds on both.
"""
from __future__ import annotations

import argparse
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ..errors import EgoMotionError, SSRFlowError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..simulator import SENSORS, LabelledSweep, simulate
from ..steps import belief
from ..steps.objects import Candidates, ObjectFinder, rigid_displacement
from ..steps.perceptron import Perceptron
from ..sweep import PreparedPair, SweepPair
from .perceptron import fit_perceptron

_SEED, _QUIET_SEED = 4_000_000, 6_000_000
SLOWEST = 0.25           # m/s of a mover
_DYNAMIC = 0.5           # m/s, slower proposals are not asked for
_STILL = 0.025           # m, what has moved less tells nothing of trust
OWN = 0.6                # share of a proposal's points that are one mover's, from which its motion can be told
HEAVIEST = 64            # points, beyond which a proposal counts no more: the few near ones would decide for all
_STANDS = 3.0            # times that an error of a point which stands counts
_FEWEST = 30             # points that move, or stand: fewer of a pair count no more each
SCORED = 0.3             # probability, from which errors are fitted: what is less likely becomes no object


@dataclass(frozen=True, eq=False)
class Played:
    """One pair as the step sees it, and the truth about its points.

    residual  (N, 3) m by the network.   owner  (n,) number of the mover of each of `prepared.rows`, -1 for none.
    motion    (n, 3) m of them until the target, ego-motion removed.   boxes as in LabelledSweep.
    """

    prepared: PreparedPair
    residual: np.ndarray
    owner: np.ndarray
    motion: np.ndarray
    boxes: np.ndarray

    def weigh(self, settings: Settings) -> Candidates | None:
        """With the numbers of `steps/belief.py` as they are now."""
        return ObjectFinder().weigh(self.prepared, self.residual, settings)

    def lone(self, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the points without object that move by the network: features (m, F), whether its motion is better than
        none (m,), and what depends on it (m,), m of the pair's mean errors."""
        finder, dt = ObjectFinder(), self.prepared.pair.dt
        free = finder(self.prepared, self.residual, settings)[1][self.prepared.rows] < 0
        motion = self.residual[self.prepared.rows]
        lone, features = finder.lone(self.prepared, motion, free,
                                     finder.weigh(self.prepared, self.residual, settings), settings)
        speed = np.linalg.norm(self.motion, axis=1) / abs(dt)
        gain = speed[lone] - np.linalg.norm(motion - self.motion, axis=1)[lone] / abs(dt)
        moves = speed >= _DYNAMIC
        weight = np.where(moves, 1 / max(moves.sum(), _FEWEST), _STANDS / max((~moves).sum(), _FEWEST))
        return features, gain > 0, weight[lone] * np.abs(gain)


def fit_share(samples: list[tuple], before: np.ndarray) -> np.ndarray:
    """Weights with which the displacement between two is nearest to the true one, in the mean; of samples as in
    `Samples.trust`, each with the one displacement, whose share they tell, and the other.

    Held to the weights `before`, but for those that were 0: they answer for cases that are rare in simulation, as a
    car that is seen perfectly.
    """
    held = np.where(before, 1e-2, 1e-4)
    features, axes, one, other, true, weight = (np.array(column, float) for column in zip(*samples))
    scale, weight = _spread(features.reshape(-1, features.shape[-1])), weight / weight.sum()
    before, features, off = before * scale, features / scale, np.einsum('kij,ki->kj', axes, one - other)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        share = expit(features @ weights)
        error = other - true + np.einsum('kij,kj->ki', axes, share * off)
        length = np.sqrt((error ** 2).sum(axis=1) + 1e-8)
        slope = np.einsum('kij,ki->kj', axes, error / length[:, None]) * off * share * (1 - share)
        return ((weight * length).sum() + (held * (weights - before) ** 2).sum(),
                np.einsum('k,kj,kjf->f', weight, slope, features) + 2 * held * (weights - before))
    return minimize(loss, before, jac=True, method='L-BFGS-B').x / scale


@dataclass
class Samples:
    """Features, outcomes and errors of all proposals."""

    trust: list = field(default_factory=list)      # (features (2, F), axes (2, 2), measured, network, true, weight)
    worth: list = field(default_factory=list)      # (features, outcome)
    moves: list = field(default_factory=list)      # (features, outcome)
    # The last entry of those below: features of the movement, which tell the probability.
    shift: list = field(default_factory=list)      # (features (2, F), squared errors (2,), ...)
    turn: list = field(default_factory=list)       # (features, squared error, ...)
    centre: list = field(default_factory=list)     # (features, squared errors (3,), ...)
    climb: list = field(default_factory=list)      # (features, squared error, ...)

    def add(self, seen: Candidates, pair: Played) -> None:
        """The proposals of a pair, as weighed."""
        points, dt, slope = pair.prepared.points, pair.prepared.pair.dt, pair.prepared.slope
        owner, motion, boxes = pair.owner, pair.motion, pair.boxes
        n = np.array([len(group) for group in seen.groups])
        curvature, axes = belief.principal(seen.fit.curvature)
        shift = belief.shift_features(seen.fit, seen.moves, n, seen.size, seen.reach)[0][..., :-1]
        turn = belief.turn_features(seen.fit.cost, n, seen.size)
        for k, group in enumerate(seen.groups):
            owners, counts = np.unique(owner[group], return_counts=True)
            number, share = owners[np.argmax(counts)], counts.max() / n[k]
            true = motion[group].mean(axis=0)
            if number >= 0 and share >= OWN and np.hypot(*true[:2]) >= _STILL:
                self.trust.append((seen.fit.trust[k], axes[k], seen.fit.measured[k], seen.fit.network[k], true[:2],
                                   np.sqrt(min(n[k], HEAVIEST))))
            moves, right = judged(seen, k, points, owner, motion, slope, dt)
            off = seen.fit.shift[k] - true[:2]
            asked = seen.fit.cost[k] < 1 and np.hypot(*seen.fit.shift[k]) >= _DYNAMIC * abs(dt)
            self.worth.append((seen.worth[k], float(right and asked)))
            if not asked:
                continue
            self.moves.append((seen.features[k], float(right)))
            if not moves:
                continue
            sure = seen.features[k]
            self.shift.append((shift[k], (axes[k].T @ off) ** 2, sure))
            cluster = points[group].astype(float)
            arm, rest = cluster[:, :2] - cluster[:, :2].mean(axis=0), motion[group, :2] - true[:2]
            turned = ((arm[:, 0] * rest[:, 1] - arm[:, 1] * rest[:, 0]).sum()
                      / ((arm ** 2).sum() + 0.05 * len(arm)))
            self.turn.append((turn[k], (seen.fit.turn[k] - turned) ** 2, sure))
            self.climb.append((belief.climb_features(np.hypot(*seen.fit.shift[k]) / abs(dt)),
                               ((true[2] - slope @ seen.fit.shift[k]) / dt) ** 2, sure))
            low, high = cluster.min(axis=0), cluster.max(axis=0)
            centre = (low + high) / 2
            away = belief.view_axes(centre) @ (centre - boxes[number, :3])
            of_centre = belief.centre_features(n[k], high - low, float(np.hypot(*centre[:2])))
            self.centre.append((of_centre, away ** 2, sure))

    def fit(self) -> dict[str, np.ndarray | Perceptron]:
        """The numbers of `steps/belief.py`, by name, and MOVES."""
        moves = fit_perceptron(*(np.array(column) for column in zip(*self.moves)))

        def likely(rows: list) -> list[np.ndarray]:
            features, squared, movement = (np.array(column) for column in zip(*rows))
            probability = expit(moves(movement))
            if rows is self.shift:
                features[..., belief.DOUBT] = belief.doubt(probability)[:, None]
            return [features[probability >= SCORED], squared[probability >= SCORED]]

        shift, squared = likely(self.shift)
        centre, away = likely(self.centre)
        return {'MOVES': moves, 'SHIFT': log_variance(shift.reshape(-1, shift.shape[-1]), squared.ravel()),
                'TURN': log_variance(*likely(self.turn)), 'CLIMB': log_variance(*likely(self.climb)),
                'CENTRE': np.array([log_variance(centre, column) for column in away.T])}


def judged(seen: Candidates, k: int, points: np.ndarray, owner: np.ndarray, motion: np.ndarray, slope: np.ndarray,
           dt: float) -> tuple[bool, bool]:
    """Whether candidate `k` is mostly of one mover, and answering with its motion nearer to the truth than none; points
    (n, 3) m of the pair, owner (n,) and motion (n, 3) m as of `Played`."""
    group = seen.groups[k]
    owners, counts = np.unique(owner[group], return_counts=True)
    moves = (owners[np.argmax(counts)] >= 0 and 2 * counts.max() >= len(group)
             and np.linalg.norm(motion[group].mean(axis=0)) >= SLOWEST * abs(dt))
    arm = points[group, :2] - seen.fit.centre[k]
    said = rigid_displacement(arm, seen.fit.shift[k], seen.fit.turn[k], slope)
    return moves, moves and _length(motion[group] - said) < _length(motion[group])


def _length(motion: np.ndarray) -> float:
    return float(np.linalg.norm(motion, axis=1).mean())


def logistic(features: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None,
             known: np.ndarray | float = 0.0) -> np.ndarray:
    """Weights of the most likely logistic model, barely held back; a sample counts `weight` times, and has the log
    odds that are `known` besides."""
    sign, scale = 2 * outcome - 1, _spread(features)
    features = sign[:, None] * features / scale
    weight = np.full(len(sign), 1 / len(sign)) if weight is None else weight / weight.sum()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = features @ weights + sign * known
        return (weight @ np.logaddexp(0, -odds) + 1e-4 * (weights ** 2).sum(),
                2e-4 * weights - features.T @ (weight * expit(-odds)))
    return minimize(loss, np.zeros(len(scale)), jac=True, method='L-BFGS-B').x / scale


def _spread(features: np.ndarray) -> np.ndarray:
    """(F,) by which features (n, F) are divided for the search; a constant one stays as it is."""
    spread = features.std(axis=0)
    return np.where(spread > 1e-6, spread, 1.0)


def log_variance(features: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Weights of the most likely log-linear variance of zero-mean errors; their mean NEES then is 1."""
    scale, squared = features.std(axis=0), squared + 1e-6

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log = np.clip(features @ weights, -20, 20)
        nees = squared * np.exp(-log)
        return ((log + nees).mean() + 1e-4 * ((weights * scale) ** 2).sum(),
                features.T @ (1 - nees) / len(nees) + 2e-4 * weights * scale ** 2)
    start = np.zeros(features.shape[1])
    start[0] = np.log(squared.mean())
    return minimize(loss, start, jac=True, method='L-BFGS-B').x


def play(method: SceneFlow, newer: LabelledSweep, older: LabelledSweep, past: LabelledSweep | None = None) -> Played:
    """One pair, as a live node sees it that had seen `past` half a second before."""
    stream = method.stream()
    if past:
        try:
            stream.prepare(SweepPair(older.sweep, past.sweep))
        except EgoMotionError:
            pass        # a stream that has lost its way
    prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
    rows = prepared.rows
    residual = stream.estimate(prepared).network_velocity * np.float32(prepared.pair.dt)
    return Played(prepared, residual, newer.object_id[rows], newer.motion_previous[rows], newer.boxes)


def recording(number: int, quiet: bool = False) -> list[LabelledSweep]:
    """The newest sweep, the one before it, and, of three recordings in four, the one half a second before that:
    a stream has none at its beginning. Of any world, or of a street in which next to nothing moves."""
    gap = 5 if number // len(SENSORS) % 4 else 0
    seed, scene = (_QUIET_SEED, 'quiet_street') if quiet else (_SEED, None)
    return list(simulate(seed + number, gap + 2, list(SENSORS)[number % len(SENSORS)], scene,
                         kept={0, gap, gap + 1}))[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=240, help='of two sweeps; 4 MB of memory for each')
    parser.add_argument('--quiet', type=int, default=48, help='more of them, of streets in which next to nothing moves')
    parser.add_argument('--weights', default=Settings().weights)
    args = parser.parse_args()
    from tqdm import tqdm
    method, pairs = SceneFlow(Settings(weights=args.weights)), []
    asked = [(number, quiet) for quiet in (False, True) for number in range(args.quiet if quiet else args.recordings)]
    for number, quiet in tqdm(asked, disable=None):
        try:
            pairs.append(play(method, *recording(number, quiet)))
        except SSRFlowError:
            continue        # refused: nothing is published there
    for line in fit(pairs, method.settings):
        print(line)
    belief.MOVES.save(belief.MOVES_FILE)
    print(f'# written: {belief.MOVES_FILE}')


def fit(pairs: list[Played], settings: Settings) -> Iterator[str]:
    """Lines of `steps/belief.py`, whose numbers are the new ones from then on."""
    first = weigh(pairs, settings, -np.inf)
    belief.TRUST, belief.WORTH = fit_share(first.trust, belief.TRUST), logistic(*map(np.array, zip(*first.worth)))
    samples = weigh(pairs, settings, belief.LEAST_WORTH)
    yield f'# {len(samples.moves)} proposals, {np.mean([right for _, right in samples.moves]):.0%} of them right'
    fitted = {'WORTH': belief.WORTH, 'TRUST': belief.TRUST, **samples.fit()}
    belief.MOVES = fitted.pop('MOVES')
    fitted['LONE'] = logistic(*map(np.concatenate, zip(*(pair.lone(settings) for pair in pairs))))
    for name, weights in fitted.items():
        yield f'{name} = np.array({np.round(weights, 2).tolist()})'


def weigh(pairs: list[Played], settings: Settings, least_worth: float) -> Samples:
    """All proposals, with the numbers of `steps/belief.py` as they are now, but the one that is given."""
    samples = Samples()
    with asking(least_worth):
        for pair in pairs:
            if (seen := pair.weigh(settings)) is not None:
                samples.add(seen, pair)
    return samples


@contextmanager
def asking(least_worth: float) -> Iterator[None]:
    """Meanwhile proposals are registered from these log odds on."""
    before, belief.LEAST_WORTH = belief.LEAST_WORTH, least_worth
    try:
        yield
    finally:
        belief.LEAST_WORTH = before


if __name__ == '__main__':
    main()
