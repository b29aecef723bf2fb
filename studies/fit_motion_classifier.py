"""Fit the motion classifier anew: `python -m studies.fit_motion_classifier [--recordings N]`, from the source tree.

Plays simulated recordings, the sensors in turn, from seeds that neither training nor any report uses, weighs all
proposals, compares them with the truth, and writes a classifier, of which what belongs to streams is as it was:
`fit_expectation.py` fits that. To be run again with new weights of the flow network. Proposals are weighed thrice: how
far registration is trusted comes first, for the classifier builds on it, and what is said of points without object
builds on both. The shipped models are of

    python -m studies.fit_motion_classifier --recordings 577 --quiet 115
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection

import numpy as np
from scipy.special import expit

from ssrflow_ros.errors import EgoMotionError, SSRFlowError
from ssrflow_ros.objects.covariance import climb_features, turn_features
from ssrflow_ros.objects.detector import Candidates, ObjectDetector
from ssrflow_ros.objects.features import FEATURES, stacked
from ssrflow_ros.objects.models import Linear
from ssrflow_ros.objects.motion_classifier import SHIPPED, MotionClassifier
from ssrflow_ros.objects.observation import observe
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, LabelledSweep, simulate
from ssrflow_ros.steps.prepared import PreparedPair
from ssrflow_ros.sweep import SweepPair

from .fitting import fit_log_variance, fit_logistic, fit_perceptron, fit_share
from .truth import network_displacement, truth_of

_SEED, _QUIET_SEED = 4_000_000, 6_000_000
SLOWEST = 0.25  # m/s of a mover
_DYNAMIC = 0.5  # m/s, slower proposals are not asked for
_STILL = 0.025  # m, what has moved less tells nothing of trust
OWN = 0.6  # share of a proposal's points that are one mover's, from which its motion can be told
HEAVIEST = 64  # points, beyond which a proposal counts no more: the few near ones would decide for all
_STANDS = 3.0  # times that an error of a point which stands counts
_FEWEST = 30  # points that move, or stand: fewer of a pair count no more each
SCORED = 0.3  # probability, from which errors are fitted: what is less likely becomes no object


@dataclass(frozen=True, eq=False)
class Played:
    """One pair as the detector sees it, and the truth about its points.

    residual  (N, 3) m by the network.   owner (n,), motion (n, 3) m as of `Truth`.
    """

    prepared: PreparedPair
    residual: np.ndarray
    owner: np.ndarray
    motion: np.ndarray

    def candidates(self, classifier: MotionClassifier, settings: Settings) -> Candidates | None:
        """As a detector with that classifier sees them."""
        observed, detector = observe(self.prepared, self.residual, settings), ObjectDetector(classifier)
        return detector.candidates(self.prepared, observed, detector.tracks.inside(observed.points), settings)

    def unassigned(self, classifier: MotionClassifier, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the points without object that move by the network: features (m, F), whether its motion is better than
        none (m,), and what depends on it (m,), m of the pair's mean errors."""
        detector, dt = ObjectDetector(classifier), self.prepared.pair.dt
        is_free = detector(self.prepared, self.residual, settings).ids[self.prepared.rows] < 0
        rows, features = ObjectDetector(classifier).unassigned(
            self.prepared,
            observe(self.prepared, self.residual, settings),
            is_free,
            self.candidates(classifier, settings),
            settings,
        )
        motion = self.residual[self.prepared.rows]
        speed = np.linalg.norm(self.motion, axis=1) / abs(dt)
        gain = speed[rows] - np.linalg.norm(motion - self.motion, axis=1)[rows] / abs(dt)
        moves = speed >= _DYNAMIC
        weight = np.where(moves, 1 / max(moves.sum(), _FEWEST), _STANDS / max((~moves).sum(), _FEWEST))
        return stacked(features, FEATURES['unassigned']), gain > 0, weight[rows] * np.abs(gain)


@dataclass
class Samples:
    """Features, outcomes and errors of all proposals, by the model that they are for."""

    # (features (2, F), axes (2, 2), measured, network, true, weight)
    measured_share: list = field(default_factory=list)
    prefilter: list = field(default_factory=list)  # (features, outcome)
    motion: list = field(default_factory=list)  # (features, outcome)
    # The last entry of those below: features of the motion, which tell the probability.
    displacement_variance: list = field(default_factory=list)  # (features (2, F), squared errors (2,), ...)
    turn_variance: list = field(default_factory=list)  # (features, squared error, ...)
    climb_variance: list = field(default_factory=list)  # (features, squared error, ...)

    def add(self, candidates: Candidates, pair: Played) -> None:
        """The proposals of a pair, as weighed."""
        registered, fused, groups = candidates.registered, candidates.fused, candidates.proposals.groups
        dt, sizes = pair.prepared.pair.dt, candidates.proposals.sizes
        features = {
            'measured_share': fused.features,
            'prefilter': candidates.proposals.features,
            'motion': candidates.classified.motion_features,
            'displacement_variance': candidates.errors.features,
            'turn_variance': turn_features(fused.cost, sizes, registered.longer_side),
        }
        of = {model: stacked(columns, FEATURES[model]) for model, columns in features.items()}
        for k, group in enumerate(groups):
            owners, counts = np.unique(pair.owner[group], return_counts=True)
            number, share = owners[np.argmax(counts)], counts.max() / sizes[k]
            true = pair.motion[group].mean(axis=0)
            if number >= 0 and share >= OWN and np.hypot(*true[:2]) >= _STILL:
                self.measured_share.append(
                    (
                        of['measured_share'][k],
                        registered.axes[k],
                        registered.measured[k],
                        registered.network[k],
                        true[:2],
                        np.sqrt(min(sizes[k], HEAVIEST)),
                    )
                )
            moves, right = judged(candidates, k, pair.prepared, pair.owner, pair.motion)
            asked = fused.cost[k] < 1 and np.hypot(*fused.displacement[k]) >= _DYNAMIC * abs(dt)
            self.prefilter.append((of['prefilter'][k], float(right and asked)))
            if asked:
                self.motion.append((of['motion'][k], float(right)))
            if asked and moves:
                self._add_errors(k, group, candidates, pair, true, of)

    def _add_errors(
        self,
        k: int,
        group: np.ndarray,
        candidates: Candidates,
        pair: Played,
        true: np.ndarray,
        of: dict[str, np.ndarray],
    ) -> None:
        """Of candidate `k`, of which the rows are given, by its `true` displacement (3,) m."""
        registered, displacement, sure = candidates.registered, candidates.fused.displacement[k], of['motion'][k]
        dt, points = pair.prepared.pair.dt, pair.prepared.points[group].astype(float)
        off = displacement - true[:2]
        self.displacement_variance.append((of['displacement_variance'][k], (registered.axes[k].T @ off) ** 2, sure))
        arm, rest = points[:, :2] - points[:, :2].mean(axis=0), pair.motion[group, :2] - true[:2]
        turned = (arm[:, 0] * rest[:, 1] - arm[:, 1] * rest[:, 0]).sum() / ((arm**2).sum() + 0.05 * len(arm))
        self.turn_variance.append((of['turn_variance'][k], (registered.turn[k] - turned) ** 2, sure))
        self.climb_variance.append(
            (
                stacked(climb_features(np.hypot(*displacement) / abs(dt)), FEATURES['climb_variance']),
                ((true[2] - pair.prepared.slope @ displacement) / dt) ** 2,
                sure,
            )
        )

    def fitted(self) -> dict[str, object]:
        """The models that build on no other, and the network of the motion, by name."""
        motion = fit_perceptron(*(np.array(column) for column in zip(*self.motion)), FEATURES['motion'])

        def likely(rows: list, doubt: int | None = None) -> tuple[np.ndarray, np.ndarray]:
            features, squared, movement = (np.array(column) for column in zip(*rows))
            probability = expit(motion.of_stacked(movement))
            if doubt is not None:
                features[..., doubt] = np.log(1.02 - probability)[:, None]
            return features[probability >= SCORED], squared[probability >= SCORED]

        names = FEATURES['displacement_variance']
        shift, squared = likely(self.displacement_variance, names.index('log_doubt'))
        return {
            'motion': motion,
            **{
                model: Linear(FEATURES[model], weights)
                for model, weights in {
                    'displacement_variance': fit_log_variance(shift.reshape(-1, len(names)), squared.ravel()),
                    'turn_variance': fit_log_variance(*likely(self.turn_variance)),
                    'climb_variance': fit_log_variance(*likely(self.climb_variance)),
                }.items()
            },
        }


def judged(
    candidates: Candidates, k: int, prepared: PreparedPair, owner: np.ndarray, motion: np.ndarray
) -> tuple[bool, bool]:
    """Whether candidate `k` is mostly of one mover, and answering with its motion by this pair alone nearer to the
    truth than none; owner (n,) and motion (n, 3) m as of `Played`."""
    group, dt = candidates.proposals.groups[k], prepared.pair.dt
    owners, counts = np.unique(owner[group], return_counts=True)
    moves = (
        owners[np.argmax(counts)] >= 0
        and 2 * counts.max() >= len(group)
        and np.linalg.norm(motion[group].mean(axis=0)) >= SLOWEST * abs(dt)
    )
    which = np.array([k])
    answer = candidates.motion(which)._replace(displacement=candidates.fused.displacement[which])
    said = answer.of(prepared.points[group], np.array([len(group)]), prepared.slope)
    return moves, moves and _length(motion[group] - said) < _length(motion[group])


def _length(motion: np.ndarray) -> float:
    return float(np.linalg.norm(motion, axis=1).mean())


def play(method: SceneFlow, newer: LabelledSweep, older: LabelledSweep, past: LabelledSweep | None = None) -> Played:
    """One pair, as a live node sees it that had seen `past` half a second before."""
    stream = method.stream()
    if past:
        try:
            stream.prepare(SweepPair(older.sweep, past.sweep))
        except EgoMotionError:
            pass  # a stream that has lost its way
    prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
    residual = network_displacement(prepared, stream.estimate(prepared))
    return Played(prepared, residual, *truth_of(prepared, newer, newer.motion_previous))


def recording(number: int, quiet: bool = False) -> list[LabelledSweep]:
    """The newest sweep, the one before it, and, of three recordings in four, the one half a second before that:
    a stream has none at its beginning. Of any world, or of a street in which next to nothing moves."""
    gap = 5 if number // len(SENSORS) % 4 else 0
    seed, scene = (_QUIET_SEED, 'quiet_street') if quiet else (_SEED, None)
    return list(simulate(seed + number, gap + 2, list(SENSORS)[number % len(SENSORS)], scene, kept={0, gap, gap + 1}))[
        ::-1
    ]


def weigh(pairs: list[Played], classifier: MotionClassifier, settings: Settings) -> Samples:
    """All proposals, as that classifier weighs them."""
    samples = Samples()
    for pair in pairs:
        if (candidates := pair.candidates(classifier, settings)) is not None:
            samples.add(candidates, pair)
    return samples


def fit(
    pairs: list[Played], classifier: MotionClassifier, settings: Settings, keep: Collection[str] = ()
) -> MotionClassifier:
    """A classifier fitted on these pairs, from one to begin with, of which some models are kept as they are."""

    def changed(models: dict[str, object]) -> MotionClassifier:
        return dataclasses.replace(classifier, **{name: model for name, model in models.items() if name not in keep})

    everything = dataclasses.replace(classifier, least_log_odds=-np.inf)
    first = weigh(pairs, everything, settings)
    classifier = changed(
        {
            'measured_share': Linear(
                FEATURES['measured_share'], fit_share(first.measured_share, classifier.measured_share.weights)
            ),
            'prefilter': Linear(FEATURES['prefilter'], fit_logistic(*map(np.array, zip(*first.prefilter)))),
        }
    )
    samples = weigh(pairs, classifier, settings)
    print(f'{len(samples.motion)} proposals, {np.mean([right for _, right in samples.motion]):.0%} of them right')
    classifier = changed(samples.fitted())
    alone = fit_logistic(*map(np.concatenate, zip(*(pair.unassigned(classifier, settings) for pair in pairs))))
    return changed({'unassigned': Linear(FEATURES['unassigned'], alone)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=240, help='of two sweeps; 4 MB of memory for each')
    parser.add_argument('--quiet', type=int, default=48, help='more of them, of streets in which next to nothing moves')
    parser.add_argument('--weights', default=Settings().weights)
    parser.add_argument('--keep', nargs='*', default=(), choices=list(FEATURES), help='models that stay as they are')
    parser.add_argument('-o', '--output', type=Path, default=SHIPPED)
    args = parser.parse_args()
    from tqdm import tqdm

    method, pairs = SceneFlow(Settings(weights=args.weights)), []
    asked = [(number, quiet) for quiet in (False, True) for number in range(args.quiet if quiet else args.recordings)]
    for number, quiet in tqdm(asked, disable=None):
        try:
            pairs.append(play(method, *recording(number, quiet)))
        except SSRFlowError:
            continue  # refused: nothing is published there
    fit(pairs, method.classifier, method.settings, args.keep).save(args.output)
    print(f'written: {args.output}')


if __name__ == '__main__':
    main()
