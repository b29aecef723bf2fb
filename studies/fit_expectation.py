"""Fit what the motion classifier knows of streams: `python -m studies.fit_expectation [--recordings N]`.

Plays simulated recordings as a live node does, half of them on a machine that leaves sweeps out, compares what was
found of each mover, and what its track let expect, with the truth, and writes a classifier with other
`expected_share`, `tracked_displacement_variance` and `stream`. To be run after `fit_motion_classifier.py`, on whose
models it builds; and twice, for what is expected rests on these models itself. The shipped ones are of

    python -m studies.fit_expectation --recordings 150 --quiet 60
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.covariance import displacement_features
from ssrflow_ros.objects.detector import Candidates, ObjectDetector
from ssrflow_ros.objects.features import FEATURES, stacked
from ssrflow_ros.objects.fusion import between
from ssrflow_ros.objects.motion_classifier import SHIPPED, MotionClassifier
from ssrflow_ros.objects.observation import ObservedPoints
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.steps.prepared import PreparedPair
from ssrflow_ros.sweep import SweepPair

from .fit_motion_classifier import HEAVIEST, OWN, SCORED, SLOWEST, judged
from .fitting import fit_log_variance, fit_logistic, fit_share

_SEED, _QUIET_SEED = 4_600_000, 6_500_000
_STEPS = 1, 2, 1, 3, 1, 4  # sweeps from one pair to the next, of the recordings in turn
_PAIRS = 7


@dataclass(frozen=True, eq=False)
class Expected:
    """What a stream expected of K proposals in one of its pairs, and the truth.

    rows   (M,) those of the candidates that were expected; true (M, 2) m their displacement, moves (M,) bool: it is a
           mover's.
    asked  (A,) those that may move, where the stream goes on, right (A,) bool: answering with their motion is nearer
           to the truth than none.
    """

    candidates: Candidates
    rows: np.ndarray
    true: np.ndarray
    moves: np.ndarray
    asked: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates, prepared: PreparedPair, owner: np.ndarray, motion: np.ndarray) -> Expected:
        """owner (n,) number of the mover of each point that was asked, motion (n, 3) m."""
        asked = np.flatnonzero(candidates.may_move & (candidates.classified.stream_features is not None))
        right = [judged(candidates, k, prepared, owner, motion)[1] for k in asked]
        rows, true, moves = [], [], []
        expected = np.isfinite(candidates.tracked.expected[:, 0]) & (candidates.classified.probability >= SCORED)
        for k in np.flatnonzero(expected):
            group = candidates.proposals.groups[k]
            owners, counts = np.unique(owner[group], return_counts=True)
            number = owners[np.argmax(counts)]
            if counts.max() >= OWN * len(group):
                mean = motion[group[owner[group] == number]].mean(axis=0)
                rows.append(k)
                true.append(mean[:2])
                moves.append(number >= 0 and np.linalg.norm(mean) >= SLOWEST * abs(prepared.pair.dt))
        return cls(
            candidates,
            np.array(rows, int),
            np.array(true).reshape(-1, 2),
            np.array(moves, bool),
            asked,
            np.array(right, bool),
        )

    def shares(self) -> Iterator[tuple]:
        """Samples of `fit_share`, what was expected being the one and what was found the other."""
        registered, fused, tracked = self.candidates.registered, self.candidates.fused, self.candidates.tracked
        features = stacked(tracked.features, FEATURES['expected_share'])
        for k, true in zip(self.rows, self.true):
            weight = np.sqrt(min(len(self.candidates.proposals.groups[k]), HEAVIEST))
            yield features[k], registered.axes[k], tracked.expected[k], fused.displacement[k], true, weight

    def displacement(self, classifier: MotionClassifier) -> np.ndarray:
        """(K, 2) m, as that classifier fuses what was found with what was expected."""
        tracked, found = self.candidates.tracked, self.candidates.fused.displacement
        expected = np.where(np.isfinite(tracked.expected), tracked.expected, found)
        return between(self.candidates.registered.axes, expected, found, classifier.expected_share(tracked.features))

    def errors(self, classifier: MotionClassifier) -> tuple[np.ndarray, np.ndarray]:
        """Features (M, 2, F) and squared errors (M, 2) m² of the displacement of what moves, as that classifier fuses
        it."""
        c, displacement = self.candidates, self.displacement(classifier)
        features = displacement_features(
            c.registered,
            c.fused,
            c.tracked._replace(displacement=displacement),
            c.classified.probability,
            c.proposals.sizes,
        )
        rows = self.rows[self.moves]
        off = np.einsum('kij,ki->kj', c.registered.axes[rows], displacement[rows] - self.true[self.moves])
        return stacked(features, FEATURES['tracked_displacement_variance'])[rows], off**2


class _Watched(ObjectDetector):
    seen: Candidates | None = None

    def candidates(self, prepared: PreparedPair, observed: ObservedPoints, settings: Settings) -> Candidates | None:
        self.seen = super().candidates(prepared, observed, settings)
        return self.seen


def play(method: SceneFlow, number: int, quiet: bool = False) -> Iterator[Expected]:
    """What one recording expected, of any world or of a street in which next to nothing moves."""
    stream = method.stream()
    stream.detector = detector = _Watched(method.classifier)
    first = range(0, _PAIRS * (step := _STEPS[number % len(_STEPS)]), step)
    kept = sorted({place + more for place in first for more in (0, 1)})
    seed, scene = (_QUIET_SEED, 'quiet_street') if quiet else (_SEED, None)
    sweeps = dict(zip(kept, simulate(seed + number, kept[-1] + 1, scene=scene, kept=kept)))
    for older, newer in ((sweeps[place], sweeps[place + 1]) for place in first):
        try:
            prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            continue  # refused: nothing is published there
        stream.estimate(prepared)
        if detector.seen is not None:
            rows = prepared.given.take(prepared.rows)
            yield Expected.of(detector.seen, prepared, newer.object_id[rows], newer.motion_previous[rows])


def fit(pairs: list[Expected], classifier: MotionClassifier) -> MotionClassifier:
    """That classifier with its models of streams fitted on these pairs."""
    samples = [sample for pair in pairs for sample in pair.shares()]
    movers = np.concatenate([pair.moves for pair in pairs])
    print(f'{len(samples)} proposals that were expected, {movers.mean():.0%} of them movers')
    classifier = classifier.with_weights(expected_share=fit_share(samples, np.zeros(len(FEATURES['expected_share']))))
    features, squared = (np.concatenate(part) for part in zip(*(pair.errors(classifier) for pair in pairs)))
    stream, right, log_odds = map(
        np.concatenate,
        zip(
            *(
                (
                    stacked(pair.candidates.classified.stream_features, FEATURES['stream'])[pair.asked],
                    pair.right,
                    pair.candidates.classified.log_odds[pair.asked],
                )
                for pair in pairs
                if len(pair.asked)
            )
        ),
    )
    return classifier.with_weights(
        tracked_displacement_variance=fit_log_variance(features.reshape(-1, features.shape[-1]), squared.ravel()),
        stream=fit_logistic(stream, right, known=log_odds),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=120, help=f'of {_PAIRS} pairs')
    parser.add_argument('--quiet', type=int, default=40, help='more of them, of streets in which next to nothing moves')
    parser.add_argument('--weights', default=Settings().weights)
    parser.add_argument('-o', '--output', type=Path, default=SHIPPED)
    args = parser.parse_args()
    from tqdm import tqdm

    method = SceneFlow(Settings(weights=args.weights))
    asked = [(number, quiet) for quiet in (False, True) for number in range(args.quiet if quiet else args.recordings)]
    pairs = [pair for one in tqdm(asked, disable=None) for pair in play(method, *one)]
    fit(pairs, method.classifier).save(args.output)
    print(f'written: {args.output}')


if __name__ == '__main__':
    main()
