"""Fit what the motion classifier knows of streams: `python -m studies.fit_expectation [--recordings N]`.

Plays simulated recordings as a live node does, half of them on a machine that leaves sweeps out, compares what was
found of each mover, and what its ends, an earlier sweep and its track told, with the truth, and writes a classifier
with other `ends_share`, `past_share`, `accumulated_share`, `expected_share`, `tracked_displacement_variance`, `past`
and `stream`. To be run after
`fit_motion_classifier.py`, on whose models it builds; and twice, for what tracks tell rests on these models itself. The
shipped ones are of

    python -m studies.fit_expectation --recordings 100 --quiet 39

but for `expected_share`, which is of 150 and 60 recordings with 4096 points: it yields to a lorry that brakes. `stream`
was fitted once more on these recordings, the others kept (`--keep`).
`past_share`, and the weight that the prefilter gives to `past_unmatched`, are of 35 recordings of 8 sweeps (seeds from
4,600,000), after the rest; `past` after those, on the answers of the wide network, of

    python -m studies.fit_expectation --recordings 308 --quiet 123 --keep ends_share past_share accumulated_share
        expected_share tracked_displacement_variance stream

of which ten recordings were refused whole.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Iterator

import numpy as np

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.classification import Classification
from ssrflow_ros.objects.covariance import displacement_features
from ssrflow_ros.objects.detector import Candidates, ObjectDetector
from ssrflow_ros.objects.features import FEATURES, stacked
from ssrflow_ros.objects.fusion import TrackedFusion, steadied
from ssrflow_ros.objects.motion_classifier import SHIPPED, MotionClassifier
from ssrflow_ros.objects.observation import ObservedPoints
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import LabelledSweep, simulate
from ssrflow_ros.simulator.disturbances import Weather, weathered
from ssrflow_ros.steps.prepared import PreparedPair
from ssrflow_ros.sweep import SweepPair

from .fit_motion_classifier import HEAVIEST, OWN, SCORED, SLOWEST, judged
from .fitting import fit_log_variance, fit_logistic, fit_perceptron, fit_share
from .truth import truth_of

_SEED, _QUIET_SEED, _WEATHERED_SEED = 4_600_000, 6_500_000, 4_700_000
_DRY = Weather()
_WEATHER = (
    *(Weather(dust=2), Weather(rain=0.02), Weather(dust=3)),
    *(Weather(snow=3000), Weather(dust=1), Weather(second_returns=0.08)),
)
_STEPS = 1, 2, 1, 3, 1, 4  # sweeps from one pair to the next, of the recordings in turn
_PAIRS = 7
_MODELS = (
    *('ends_share', 'past_share', 'accumulated_share', 'expected_share'),
    *('tracked_displacement_variance', 'past', 'stream'),
)
_DOUBT = 0.3  # log odds, by which a stream believes less than is likeliest: else quiet streets have more false objects


@dataclass(frozen=True, eq=False)
class Expected:
    """What a stream found and expected of K proposals in one of its pairs, and the truth.

    rows   (M,) those of the candidates whose motion can be told; true (M, 2) m their displacement, moves (M,) bool: it
           is a mover's.
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
        for k in np.flatnonzero(candidates.classified.probability >= SCORED):
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

    def steadied(self, classifier: MotionClassifier) -> TrackedFusion:
        """As that classifier fuses what was found with what tracks told."""
        c, tracked = self.candidates, self.candidates.tracked
        return steadied(
            c.registered,
            c.fused,
            tracked.accumulated,
            tracked.accumulated_features,
            tracked.expected,
            tracked.expected_features,
            classifier,
        )

    def ends_shares(self, classifier: MotionClassifier) -> Iterator[tuple]:
        """Samples of `fit_share`, what the ends say being the one and what was found without them the other."""
        if (ends := self.candidates.fused.ends) is None:
            return iter(())
        return self._shares(stacked(ends.features, FEATURES['ends_share']), ends.told, ends.without)

    def past_shares(self, classifier: MotionClassifier) -> Iterator[tuple]:
        """Likewise, what was measured since an earlier sweep being the one and what was found of the pair the other."""
        past = self.candidates.of_past
        if not past.features:
            return iter(())
        return self._shares(stacked(past.features, FEATURES['past_share']), past.told, past.found)

    def accumulated_shares(self, classifier: MotionClassifier) -> Iterator[tuple]:
        """Likewise, what was accumulated being the one and what was found of the pair alone the other."""
        tracked = self.steadied(classifier)
        features = stacked(tracked.accumulated_features, FEATURES['accumulated_share'])
        return self._shares(features, tracked.accumulated, self.candidates.fused.displacement)

    def expected_shares(self, classifier: MotionClassifier) -> Iterator[tuple]:
        """Likewise, what was expected being the one and what was found before the other."""
        tracked = self.steadied(classifier)
        features = stacked(tracked.expected_features, FEATURES['expected_share'])
        return self._shares(features, tracked.expected, tracked.found)

    def _shares(self, features: np.ndarray, one: np.ndarray, other: np.ndarray) -> Iterator[tuple]:
        for k, true in zip(self.rows, self.true):
            if np.isfinite(one[k, 0]):
                weight = np.sqrt(min(len(self.candidates.proposals.groups[k]), HEAVIEST))
                yield features[k], self.candidates.registered.axes[k], one[k], other[k], true, weight

    def errors(self, classifier: MotionClassifier) -> tuple[np.ndarray, np.ndarray]:
        """Features (M, 2, F) and squared errors (M, 2) m² of the displacement of what moves, as that classifier fuses
        it."""
        c, tracked = self.candidates, self.steadied(classifier)
        features = displacement_features(c.registered, c.fused, tracked, c.classified.probability, c.proposals.sizes)
        known = self.moves & np.isfinite(tracked.expected[self.rows, 0])
        rows = self.rows[known]
        off = np.einsum('kij,ki->kj', c.registered.axes[rows], tracked.displacement[rows] - self.true[known])
        return stacked(features, FEATURES['tracked_displacement_variance'])[rows], off**2


class _Watched(ObjectDetector):
    seen: Candidates | None = None

    def candidates(
        self, prepared: PreparedPair, observed: ObservedPoints, inside: np.ndarray, settings: Settings
    ) -> Candidates | None:
        self.seen = super().candidates(prepared, observed, inside, settings)
        return self.seen


Pairs = Iterator[tuple[LabelledSweep, LabelledSweep]]
"""Of one recording, each the older sweep and the newer."""


def recordings(count: int, quiet: int, in_weather: int) -> Iterator[Pairs]:
    """So many of any world, of streets in which next to nothing moves, and of any world in rain, snow or dust, or with
    second returns."""
    for number in range(count):
        yield _pairs(_SEED, number)
    for number in range(quiet):
        yield _pairs(_QUIET_SEED, number, scene='quiet_street')
    for number in range(in_weather):
        yield _pairs(_WEATHERED_SEED, number, weather=_WEATHER[number // len(_STEPS) % len(_WEATHER)])


def _pairs(seed: int, number: int, scene: str | None = None, weather: Weather = _DRY) -> Pairs:
    step = _STEPS[number % len(_STEPS)]
    first = range(0, _PAIRS * step, step)
    kept = sorted({place + more for place in first for more in (0, 1)})
    recording = simulate(seed + number, kept[-1] + 1, scene=scene, kept=kept)
    sweeps = dict(zip(kept, weathered(recording, weather, number)))
    return ((sweeps[place], sweeps[place + 1]) for place in first)


def play(method: SceneFlow, pairs: Pairs) -> Iterator[Expected]:
    """What one recording expected."""
    stream = method.stream()
    stream.detector = detector = _Watched(method.classifier)
    for older, newer in pairs:
        try:
            prepared = stream.prepare(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            continue  # refused: nothing is published there
        stream.estimate(prepared)
        if detector.seen is not None:
            yield Expected.of(detector.seen, prepared, *truth_of(prepared, newer, newer.motion_previous))


def fit(pairs: list[Expected], classifier: MotionClassifier, keep: Collection[str] = ()) -> MotionClassifier:
    """That classifier with its models of streams fitted on these pairs, of which some are kept as they are."""
    for model, shares in (
        ('ends_share', Expected.ends_shares),
        ('past_share', Expected.past_shares),
        ('accumulated_share', Expected.accumulated_shares),
        ('expected_share', Expected.expected_shares),
    ):
        samples = [sample for pair in pairs for sample in shares(pair, classifier)]
        print(f'{model}: {len(samples)} proposals')
        if samples and model not in keep:
            before = getattr(classifier, model).weights
            classifier = classifier.with_weights(**{model: fit_share(samples, before)})
    features, squared = (np.concatenate(part) for part in zip(*(pair.errors(classifier) for pair in pairs)))
    fitted = {
        'tracked_displacement_variance': fit_log_variance(features.reshape(-1, features.shape[-1]), squared.ravel())
    }
    asked = [pair for pair in pairs if len(pair.asked)]
    right = np.concatenate([pair.right for pair in asked])
    past, stream, known, of_pair = (
        np.concatenate([of_one[pair.asked] for pair, of_one in zip(asked, of_each)])
        for of_each in zip(*(_columns(pair.candidates.classified) for pair in asked))
    )
    if known.any() and 'past' not in keep:
        learnt = fit_perceptron(past[known], right[known], FEATURES['past'])
        classifier = dataclasses.replace(classifier, past=learnt)
    log_odds = np.where(known, classifier.past.of_stacked(past), of_pair)
    doubt = np.where(np.array(FEATURES['stream']) == 'constant', _DOUBT, 0.0)
    fitted['stream'] = fit_logistic(stream, right, known=log_odds) - doubt
    return classifier.with_weights(**{model: weights for model, weights in fitted.items() if model not in keep})


def _columns(told: Classification) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features of `past` and `stream`, (K, F) each, whether an earlier sweep is known (K,), and log odds (K,) without
    it."""
    past, stream = told.past_features, told.stream_features
    assert stream is not None, 'of every pair in which something is asked'
    return stacked(past, FEATURES['past']), stacked(stream, FEATURES['stream']), past['known'], past['log_odds']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=120, help=f'of {_PAIRS} pairs')
    parser.add_argument('--quiet', type=int, default=40, help='more of them, of streets in which next to nothing moves')
    parser.add_argument('--weathered', type=int, default=0, help='more of them, in rain, snow, dust, or twice returned')
    parser.add_argument('--weights', default=Settings().weights)
    parser.add_argument('--keep', nargs='*', default=(), choices=_MODELS, help='models that stay as they are')
    parser.add_argument('-o', '--output', type=Path, default=SHIPPED)
    args = parser.parse_args()
    from tqdm import tqdm

    method = SceneFlow(Settings(weights=args.weights))
    played = tqdm(recordings(args.recordings, args.quiet, args.weathered), disable=None)
    pairs = [pair for one in played for pair in play(method, one)]
    fit(pairs, method.classifier, args.keep).save(args.output)
    print(f'written: {args.output}')


if __name__ == '__main__':
    main()
