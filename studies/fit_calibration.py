"""Fit the calibration of the published probabilities, and draw how right they are: `python -m studies.fit_calibration`.

Plays simulated recordings, the sensors in turn, every fifth turn on a quiet street, from seeds that no other fit uses;
fits curves that never fall (isotonic regression) to what moves, writes them, and says of recordings that were not
fitted how far off they are, sensor family by sensor family. `--keep FOLDER` keeps what was played, to go on later.
To be run again with a new motion classifier.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Iterable

import numpy as np
from scipy.optimize import isotonic_regression

from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.evaluation.calibration_error import Bins, binned
from ssrflow_ros.objects.calibration import SHIPPED, Calibration, Curve, logit
from ssrflow_ros.objects.models import logistic
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, LabelledSweep, simulate
from ssrflow_ros.sweep import FlowField, SweepPair

_FEW = ('mid360', 'avia')  # sensors that show few objects, and so are played more often
_FITTED = ((8_000_000, 140, tuple(SENSORS)), (8_200_000, 100, _FEW))
_UNSEEN = ((8_500_000, 112, tuple(SENSORS)), (8_700_000, 60, _FEW))
"""Blocks of recordings: the first one's seed, how many, and the sensors that take turns."""
_QUIET = 5  # of so many turns one is on a quiet street
_SLOWEST, _DYNAMIC = 0.25, 0.5  # m/s of a mover, and of a point that moves
_HEAVIEST = 64  # points of one thing, beyond which it counts no more: the few near ones would decide for all
_POINTS = 2000  # points of a sweep that are kept of each kind
_STEP, _LEAST = 1.0, 20  # log odds between the knots of a curve, and things that one stands for at least
KINDS = 'object', 'object_point', 'lone_point', 'other_point', 'no_proposal', 'ground'
FAMILIES = {
    '16 beams': ('vlp16', 'os1_16'),
    '32 beams': ('hdl32e', 'vlp32c'),
    '64 beams': ('hdl64e', 'os1_64', 'car64'),
    '128 beams': ('os1_128', 'os0_128', 'alpha128'),
    'Mid-360': ('mid360',),
    'Avia': ('avia',),
    'twins': ('twin16', 'twin32'),
}
_GRID = np.linspace(-9.2, 9.2, 2000)
_PLAIN = Curve(_GRID, logistic(_GRID))
PLAIN = Calibration(_PLAIN, _PLAIN, _PLAIN, _PLAIN, 0.0, 0.0)
"""Says the log odds as they are."""


def samples(flow: FlowField, truth: LabelledSweep, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """(n, 3) of each kind: probability as it is, whether it moved, and weight."""
    points = (truth.velocity**2).sum(axis=1) >= _DYNAMIC**2
    said, ids = flow.moving_probability, flow.object_ids
    rows: dict[str, list] = {kind: [] for kind in KINDS}
    weight = np.ones(len(said))
    for item in flow.objects:
        own = np.flatnonzero(ids == item.id)
        weight[own] = min(1.0, _HEAVIEST / len(own))
        rows['object'].append((item.probability, is_true(truth, own), 1.0))
    proposed = said > 0
    for kind, chosen in {
        'object_point': ids >= 0,
        'lone_point': flow.moving & (ids < 0),
        'other_point': proposed & ~flow.moving,
        'no_proposal': ~proposed & ~flow.ground & (ids < 0) & ~flow.moving,
        'ground': flow.ground,
    }.items():
        some = np.flatnonzero(chosen)
        scale = max(1.0, len(some) / _POINTS)
        some = some if scale == 1.0 else rng.choice(some, _POINTS, replace=False)
        rows[kind] = list(zip(said[some], points[some], scale * weight[some]))
    return {kind: np.array(found, np.float32).reshape(-1, 3) for kind, found in rows.items()}


def is_true(truth: LabelledSweep, rows: np.ndarray) -> bool:
    """Whether most of an object's points `rows` belong to one thing, and it moves."""
    rows = rows[~truth.ground[rows]]
    owner, count = np.unique(truth.object_id[rows], return_counts=True)
    if not len(rows) or owner[count.argmax()] < 0 or 2 * count.max() < len(rows):
        return False
    return bool(np.linalg.norm(truth.velocity[rows], axis=1).mean() >= _SLOWEST)


def play(method: SceneFlow, seed: int, sensor: str, scene: str | None, sweeps: int) -> dict[str, np.ndarray]:
    """The samples of one recording, newest sweep against the one before it."""
    stream, rng, found = method.stream(), np.random.default_rng(seed), []
    recording = list(simulate(seed, sweeps, sensor, scene))
    for newer, older in zip(recording[1:], recording):
        try:
            found.append(samples(stream.flow(SweepPair(newer.sweep, older.sweep)), newer, rng))
        except SSRFlowError:
            continue
    return {kind: np.concatenate([one[kind] for one in found] or [np.zeros((0, 3))]) for kind in KINDS}


def played(
    blocks: Iterable[tuple[int, int, tuple[str, ...]]], settings: Settings, sweeps: int, keep: Path | None
) -> dict[str, list[dict[str, np.ndarray]]]:
    """The samples of each recording of the blocks by the name of its sensor; what lies in `keep` is not played."""
    method = SceneFlow(settings)
    method.classifier = dataclasses.replace(method.classifier, calibration=PLAIN)
    found: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in SENSORS}
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    for seed, sensor, scene in (
        (first + number, sensors[number % len(sensors)], _scene(number // len(sensors)))
        for first, recordings, sensors in blocks
        for number in range(recordings)
    ):
        file = keep / f'{seed}.npz' if keep else None
        if file is not None and file.exists():
            one = dict(np.load(file))
        else:
            one = play(method, seed, sensor, scene, sweeps)
            if file is not None:
                np.savez_compressed(file.with_suffix('.part.npz'), **one)
                file.with_suffix('.part.npz').rename(file)
        found[sensor].append(one)
    return found


def _scene(turn: int) -> str | None:
    return 'quiet_street' if turn % _QUIET == _QUIET - 1 else None


def joined(recordings: Iterable[dict[str, np.ndarray]], kind: str) -> np.ndarray:
    return np.concatenate([one[kind] for one in recordings])


def fit(recordings: list[dict[str, np.ndarray]]) -> Calibration:
    """The curves that are nearest to what moved."""
    curves = {kind: _curve(joined(recordings, kind)) for kind in KINDS[:4]}
    rates = {kind: _rate(joined(recordings, kind)) for kind in KINDS[4:]}
    return Calibration(**curves, **rates)


def _rate(rows: np.ndarray) -> float:
    return float(np.average(rows[:, 1], weights=rows[:, 2]))


def _curve(rows: np.ndarray) -> Curve:
    """Isotonic, of bins that are equally wide in log odds, at their mean; those that hold little are left out."""
    said, moved, weight = rows.astype(float).T
    log_odds = logit(said)
    number = np.round(log_odds / _STEP).astype(int)
    number -= number.min()
    total = np.bincount(number, weight)
    held = total >= _LEAST
    middle, true = (np.bincount(number, weight * values)[held] / total[held] for values in (log_odds, moved))
    return Curve(middle, isotonic_regression(true, weights=total[held]).x)


def calibrated(rows: np.ndarray, calibration: Calibration, kind: str) -> np.ndarray:
    """(n, 3) rows with what the calibration says in place of the plain probability."""
    out = rows.astype(float)
    value = getattr(calibration, kind)
    out[:, 0] = calibration.of(value, logit(out[:, 0])) if isinstance(value, Curve) else value
    return out


def told(recordings: list[dict[str, np.ndarray]], calibration: Calibration) -> dict[str, Bins]:
    """Of objects, of all points that are not ground, and of those of which something is said."""
    points = {kind: calibrated(joined(recordings, kind), calibration, kind) for kind in KINDS}
    groups = {
        'objects': [points['object']],
        'points': [points[kind] for kind in KINDS[1:5]],
        'points in doubt': [points[kind] for kind in KINDS[1:4]],
    }
    return {name: binned(*np.concatenate(rows).T) for name, rows in groups.items()}


def draw(file: Path, bins: dict[str, dict[str, Bins]]) -> None:
    """What is said against what is true, a curve for each family."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4.4), sharey=True)
    for axis, name in zip(axes, ('objects', 'points')):
        axis.plot([0, 1], [0, 1], color='0.7', linewidth=1)
        for family, of_family in bins.items():
            one = of_family[name]
            width = 2 if family == 'all' else 0.8
            colour = 'black' if family == 'all' else None
            axis.plot(one.said, one.true, marker='o', markersize=3, linewidth=width, color=colour, label=family)
        axis.set_xlabel('probability that is published')
        axis.set_title(name)
    axes[0].set_ylabel('share that moves')
    axes[1].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={'Software': None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--judge', action='store_true', help='fit nothing, only judge OUTPUT')
    parser.add_argument('--sweeps', type=int, default=8, help='of each recording')
    parser.add_argument('--keep', type=Path, metavar='FOLDER', help='for what was played')
    parser.add_argument('-o', '--output', type=Path, default=SHIPPED, help='the calibration (default: the shipped one)')
    parser.add_argument('--picture', type=Path, metavar='FILE', help='draw a reliability diagram')
    parser.add_argument('--network-points', type=int, default=Settings().network_points)
    args = parser.parse_args()
    settings = Settings(network_points=args.network_points)
    if not args.judge:
        found = played(_FITTED, settings, args.sweeps, args.keep)
        fit([one for of_sensor in found.values() for one in of_sensor]).save(args.output, overwrite=True)
    calibration = Calibration.load(args.output)
    unseen = played(_UNSEEN, settings, args.sweeps, args.keep)
    families = {family: [one for name in names for one in unseen[name]] for family, names in FAMILIES.items()}
    families['all'] = [one for of_family in families.values() for one in of_family]
    bins = {family: told(recordings, calibration) for family, recordings in families.items()}
    plain = {family: told(recordings, PLAIN) for family, recordings in families.items()}
    print(f'{len(families["all"])} unseen recordings; expected calibration error (before calibration)\n')
    print(f'{"":12}{"objects":>9}{"ECE":>16}{"ECE of points":>18}{"of points in doubt":>22}')
    for family, recordings in families.items():
        cells = [
            f'{bins[family][name].error:.3f} ({plain[family][name].error:.3f})'
            for name in ('objects', 'points', 'points in doubt')
        ]
        print(f'{family:12}{len(joined(recordings, "object")):9}{cells[0]:>16}{cells[1]:>18}{cells[2]:>22}')
    if args.picture:
        draw(args.picture, bins)


if __name__ == '__main__':
    main()
