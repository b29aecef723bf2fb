"""Fit what `steps/belief.py` knows of streams: `python -m ssrflow_ros.evaluation.expectation [--recordings N]`.

Plays simulated recordings as a live node does, half of them on a machine that leaves sweeps out, and compares what was
found of each mover, and what its track let expect, with the truth. Prints STEADY, STEADY_SHIFT and STREAM, to be pasted
into `steps/belief.py`. To be run after `evaluation.belief`, whose numbers it builds on; and twice, for what is expected
rests on these numbers itself.
"""
from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from typing import Iterator

import numpy as np

from ..errors import SSRFlowError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..simulator import simulate
from ..steps import belief
from ..steps.fit import Fit
from ..steps.objects import Candidates, ObjectFinder
from ..sweep import PreparedPair, SweepPair
from .belief import HEAVIEST, OWN, SCORED, SLOWEST, fit_share, judged, log_variance, logistic

_SEED, _QUIET_SEED = 4_600_000, 6_500_000
_STEPS = 1, 2, 1, 3, 1, 4    # sweeps from one pair to the next, of the recordings in turn
_PAIRS = 7


@dataclass(frozen=True, eq=False)
class Expected:
    """What a stream expected of K proposals in one of its pairs, and the truth.

    seen  the candidates of the pair, `rows` (K,) those of them that were expected; true (K, 2) m their displacement,
    moves (K,) bool: it is a mover's.
    asked (A,) those that may be believed, where the stream goes on, right (A,) bool: answering with their motion is
    nearer to the truth than none.
    """

    seen: Candidates
    rows: np.ndarray
    true: np.ndarray
    moves: np.ndarray
    asked: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, seen: Candidates, prepared: PreparedPair, owner: np.ndarray, motion: np.ndarray) -> 'Expected':
        """owner (n,) number of the mover of each point that was asked, motion (n, 3) m."""
        dt = prepared.pair.dt
        asked = np.flatnonzero(seen.may & seen.stream.any(axis=1))
        right = [judged(seen, k, prepared.points, owner, motion, prepared.slope, dt)[1] for k in asked]
        rows, true, moves = [], [], []
        for k in np.flatnonzero(np.isfinite(seen.fit.expected[:, 0]) & (seen.moves >= SCORED)):
            group = seen.groups[k]
            owners, counts = np.unique(owner[group], return_counts=True)
            number = owners[np.argmax(counts)]
            if counts.max() >= OWN * len(group):
                mean = motion[group[owner[group] == number]].mean(axis=0)
                rows.append(k)
                true.append(mean[:2])
                moves.append(number >= 0 and np.linalg.norm(mean) >= SLOWEST * abs(dt))
        return cls(seen, np.array(rows, int), np.array(true).reshape(-1, 2), np.array(moves, bool),
                   asked, np.array(right, bool))

    def shares(self) -> Iterator[tuple]:
        """Samples of `fit_share`, what was expected being the one and what was found the other."""
        fit, axes = self.seen.fit, belief.principal(self.seen.fit.curvature)[1]
        for k, true in zip(self.rows, self.true):
            weight = np.sqrt(min(len(self.seen.groups[k]), HEAVIEST))
            yield fit.steadiness[k], axes[k], fit.expected[k], fit.shift[k], true, weight

    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """Features (M, 2, F) and squared errors (M, 2) m² of the displacement that STEADY, as it is now, gives to what
        moves."""
        fit, n = self.steadied(), np.array([len(group) for group in self.seen.groups])
        features, axes = belief.shift_features(fit, self.seen.moves, n, self.seen.size, self.seen.reach)
        rows = self.rows[self.moves]
        off = np.einsum('kij,ki->kj', axes[rows], fit.steady[rows] - self.true[self.moves])
        return features[rows], off ** 2

    def steadied(self) -> Fit:
        fit = self.seen.fit
        expected = np.where(np.isfinite(fit.expected), fit.expected, fit.shift)
        return dataclasses.replace(fit, steady=belief.steadied(fit.curvature, expected, fit.shift, fit.steadiness))


class _Watched(ObjectFinder):
    seen: Candidates | None = None

    def weigh(self, prepared: PreparedPair, residual: np.ndarray, settings: Settings) -> Candidates | None:
        self.seen = super().weigh(prepared, residual, settings)
        return self.seen


def play(method: SceneFlow, number: int, quiet: bool = False) -> Iterator[Expected]:
    """What one recording expected, of any world or of a street in which next to nothing moves."""
    stream = method.stream()
    stream.objects = finder = _Watched()
    first = range(0, _PAIRS * (step := _STEPS[number % len(_STEPS)]), step)
    kept = sorted({place + more for place in first for more in (0, 1)})
    seed, scene = (_QUIET_SEED, 'quiet_street') if quiet else (_SEED, None)
    sweeps = dict(zip(kept, simulate(seed + number, kept[-1] + 1, scene=scene, kept=kept)))
    for older, newer in ((sweeps[place], sweeps[place + 1]) for place in first):
        try:
            prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            continue        # refused: nothing is published there
        stream.estimate(prepared)
        if finder.seen is not None:
            rows = prepared.rows
            yield Expected.of(finder.seen, prepared, newer.object_id[rows], newer.motion_previous[rows])


def fit(pairs: list[Expected]) -> Iterator[str]:
    """Lines of `steps/belief.py`, whose numbers are the new ones from then on."""
    samples = [sample for pair in pairs for sample in pair.shares()]
    movers = np.concatenate([pair.moves for pair in pairs])
    yield f'# {len(samples)} proposals that were expected, {movers.mean():.0%} of them movers'
    belief.STEADY = fit_share(samples, np.zeros(len(belief.STEADY)))
    features, squared = (np.concatenate(part) for part in zip(*(pair.errors() for pair in pairs)))
    belief.STEADY_SHIFT = log_variance(features.reshape(-1, features.shape[-1]), squared.ravel())
    stream, right, odds = map(np.concatenate, zip(*(
        (pair.seen.stream[pair.asked], pair.right, belief.MOVES(pair.seen.features[pair.asked])) for pair in pairs)))
    belief.STREAM = logistic(stream, right, known=odds)
    for name in ('STEADY', 'STEADY_SHIFT', 'STREAM'):
        yield f'{name} = np.array({np.round(getattr(belief, name), 2).tolist()})'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=120, help=f'of {_PAIRS} pairs')
    parser.add_argument('--quiet', type=int, default=40, help='more of them, of streets in which next to nothing moves')
    parser.add_argument('--weights', default=Settings().weights)
    args = parser.parse_args()
    from tqdm import tqdm
    method = SceneFlow(Settings(weights=args.weights))
    asked = [(number, quiet) for quiet in (False, True) for number in range(args.quiet if quiet else args.recordings)]
    for line in fit([pair for one in tqdm(asked, disable=None) for pair in play(method, *one)]):
        print(line)


if __name__ == '__main__':
    main()
