"""Judge the moving objects: `python -m ssrflow_ros.evaluation.objects [FOLDER] [--recordings N]`.

Plays N unseen simulated recordings through the method as a live node does (newest sweep against the
one before it, no pose given, one `SceneFlow` a recording) and scores points and objects; with FOLDER
also the labelled real pairs in it, each by itself. What the figures mean is in docs/objects.md.
"""
from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..datasets import LabelledPair, open_dataset
from ..errors import SSRFlowError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..simulator import CLASSES, simulate
from ..steps.clusters import find_clusters
from ..sweep import FlowField, MovingObject, SweepPair

_UNSEEN_SEED = 3_000_000  # neither training nor any choice of a constant used the seeds from here on
_DYNAMIC = 0.5           # m/s, the published 0.05 m over 0.1 s
_SLOWEST_TRUE = 0.25     # m/s; an object that moves slower than _DYNAMIC but faster than this is no false one
_FEWEST = 8              # points that a mover must show to be looked for
_COVERED = 0.25          # share of a mover's points that must lie in objects of its own
_RANGES = (0, 10, 20, 40, 70)
_HEADED = 1.5            # m/s, from which the heading is scored
_FOREGROUND = CLASSES.index('car')


@dataclass(frozen=True, eq=False)
class Labels:
    """The truth about the N points of a pair's source.

    motion  (N, 3) m until the target, ego-motion removed.   scored (N,) bool: labelled, and not ground.
    owner   (N,) int, number of the mover, -1 for none or unknown.   kinds (N,) its class_id, or None.
    boxes   (K, 7) as in LabelledSweep, row = owner, or None.
    """

    motion: np.ndarray
    scored: np.ndarray
    owner: np.ndarray
    kinds: np.ndarray | None = None
    boxes: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Mover:
    """A true mover as far as it can be seen: `rows` of its points; velocity(place) by its rigid motion."""

    rows: np.ndarray
    middle: np.ndarray
    motion: np.ndarray      # (4,) m/s at `middle`, and rad/s about the vertical
    kind: str

    def velocity(self, place: np.ndarray) -> np.ndarray:
        dx, dy = (place - self.middle)[:2]
        vx, vy, vz, turn = self.motion
        return np.array([vx - turn * dy, vy + turn * dx, vz])

    @property
    def speed(self) -> float:
        return float(np.linalg.norm(self.motion[:3]))

    @property
    def range(self) -> float:
        return float(np.linalg.norm(self.middle[:2]))


def true_movers(points: np.ndarray, labels: Labels, dt: float) -> dict[int, Mover]:
    """Movers by number, those with too few points left out."""
    movers = {}
    for number in np.unique(labels.owner[labels.owner >= 0]):
        rows = np.flatnonzero((labels.owner == number) & labels.scored)
        if len(rows) < _FEWEST:
            continue
        kind = 'labelled' if labels.kinds is None else CLASSES[labels.kinds[rows[0]]]
        middle = points[rows].mean(axis=0).astype(float)
        dx, dy = (points[rows] - middle)[:, :2].T
        mean = labels.motion[rows].mean(axis=0) / dt
        vx, vy = labels.motion[rows, :2].T / dt
        # Limbs swing and a pole's turn cannot be seen: the turn is fitted as far as the extent carries it.
        turn = (dx * (vy - mean[1]) - dy * (vx - mean[0])).sum() / ((dx ** 2 + dy ** 2).sum() + 0.05 * len(rows))
        movers[int(number)] = Mover(rows, middle, np.array([*mean, turn]), kind)
    return movers


@dataclass
class Tally:
    """What is counted over many pairs."""

    pairs: int = 0
    refused: int = 0
    moving: dict[str, np.ndarray] = field(default_factory=dict)
    three_way: dict[str, list] = field(default_factory=dict)
    found: list = field(default_factory=list)        # (kind, range, found) of each true mover
    claimed: list = field(default_factory=list)      # (range, kind or None if false) of each object
    errors: list = field(default_factory=list)       # dict of each object that belongs to a mover
    tracks: Counter = field(default_factory=Counter)

    def add(self, flow: FlowField, labels: Labels, known: dict[int, int]) -> None:
        """`known`: track_id that each mover bore last; it is kept up to date."""
        self.pairs += 1
        points, dt, scored = flow.pair.source.points, flow.pair.dt, labels.scored
        speed = np.linalg.norm(labels.motion, axis=1) / abs(dt)
        dynamic = speed >= _DYNAMIC
        foreground = dynamic if labels.kinds is None else (labels.kinds >= _FOREGROUND) | dynamic
        raw = flow.velocity if flow.network_velocity is None else flow.network_velocity
        answers = {'network': (raw, np.linalg.norm(raw, axis=1) >= _DYNAMIC),
                   'refined': (flow.velocity, flow.moving), 'zero': (np.zeros_like(raw), np.zeros_like(dynamic))}
        for name, (velocity, moving) in answers.items():
            hit = np.array([(moving & dynamic & scored).sum(), (moving & ~dynamic & scored).sum(),
                            (~moving & dynamic & scored).sum()])
            self.moving[name] = self.moving.get(name, 0) + hit
            error = 0.1 * np.linalg.norm(velocity - labels.motion / dt, axis=1)
            parts = [error[scored & mask] for mask in (foreground & dynamic, foreground & ~dynamic, ~foreground)]
            self.three_way.setdefault(name, []).append([(part.sum(), len(part)) for part in parts])
        self._add_objects(flow, labels, true_movers(points, labels, dt), known)

    def _add_objects(self, flow: FlowField, labels: Labels, movers: dict[int, Mover], known: dict[int, int]) -> None:
        covered, best = Counter(), {}
        for item in flow.objects:
            rows = np.flatnonzero(flow.object_ids == item.id)
            rows = rows[labels.scored[rows]]
            reach = float(np.linalg.norm(item.centre[:2]))
            if not len(rows):
                continue        # nothing of it is labelled
            owners, counts = np.unique(labels.owner[rows], return_counts=True)
            owner = int(owners[np.argmax(counts)])
            mover = movers.get(owner)
            true_speed = np.linalg.norm(labels.motion[rows].mean(axis=0)) / abs(flow.pair.dt)
            if owner < 0 or 2 * counts.max() < len(rows) or true_speed < _SLOWEST_TRUE:
                self.claimed.append((reach, None))
                continue
            self.claimed.append((reach, CLASSES[labels.kinds[rows[0]]] if labels.kinds is not None else 'labelled'))
            covered[owner] += int(counts.max())
            if mover is not None:
                self.errors.append(_errors(item, mover, labels, owner))
                if counts.max() > best.get(owner, (0, 0))[0]:
                    best[owner] = (int(counts.max()), item.track_id)
        for owner, mover in movers.items():
            if mover.speed >= _DYNAMIC:
                self.found.append((mover.kind, mover.range, covered[owner] >= _COVERED * len(mover.rows)))
        for owner, (_, track_id) in best.items():
            if owner in known:
                self.tracks['kept' if known[owner] == track_id else 'changed'] += 1
            known[owner] = track_id


def _errors(item: MovingObject, mover: Mover, labels: Labels, owner: int) -> dict[str, float]:
    velocity = mover.velocity(item.centre)
    error = item.velocity - velocity
    row = {'speed': mover.speed, 'range': mover.range, 'kind': mover.kind, 'n': item.n_points,
           'velocity': np.linalg.norm(error), 'zero': np.linalg.norm(velocity),
           'velocity_nees': error @ np.linalg.solve(item.velocity_covariance, error) / 3,
           'turn_nees': (item.yaw_rate - mover.motion[3]) ** 2 / item.yaw_rate_variance,
           'turn': abs(item.yaw_rate - mover.motion[3]), 'age': item.age}
    if mover.speed >= _HEADED:
        ahead = np.arctan2(velocity[1], velocity[0])
        row['heading'] = abs(np.degrees(_wrapped(np.arctan2(item.velocity[1], item.velocity[0]) - ahead)))
    if labels.boxes is not None:
        off = item.centre - labels.boxes[owner, :3]
        row['position'] = np.linalg.norm(off[:2])
        row['position_nees'] = off @ np.linalg.solve(item.position_covariance, off) / 3
        row['off'] = off
    return row


def _wrapped(angle: float) -> float:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def report(tally: Tally) -> str:
    """The tables, as text."""
    lines = [f'{tally.pairs} pairs ({tally.refused} refused)', '',
             f'{"points":10}{"IoU":>8}{"precision":>11}{"recall":>8}{"three-way":>11}{"dynamic fg":>12}'
             f'{"static fg":>11}{"static bg":>11}   (EPE in cm per 0.1 s)']
    for name in tally.moving:
        hit, false, missed = tally.moving[name]
        parts = np.array(tally.three_way[name]).sum(axis=0)
        epe = 100 * np.divide(*parts.T, out=np.full(3, np.nan), where=parts[:, 1] > 0)
        lines.append(f'{name:10}{hit / max(hit + false + missed, 1):8.3f}{hit / max(hit + false, 1):11.3f}'
                     f'{hit / max(hit + missed, 1):8.3f}{np.nanmean(epe):11.2f}{epe[0]:12.2f}'
                     f'{epe[1]:11.2f}{epe[2]:11.2f}')
    lines += ['', f'{"movers":16}' + ''.join(f'{f"{a} to {b} m":>16}' for a, b in zip(_RANGES, _RANGES[1:]))
              + f'{"all":>16}']
    kinds = [kind for kind, _ in Counter(kind for kind, _, _ in tally.found).most_common()]
    for title, chosen in [('recall', kinds), *((f'  {kind}', [kind]) for kind in kinds)]:
        lines.append(_by_range(title, [(reach, found) for kind, reach, found in tally.found if kind in chosen]))
    lines.append(_by_range('precision', [(reach, kind is not None) for reach, kind in tally.claimed]))
    lines += ['', f'{"objects":16}{"n":>8}{"velocity m/s":>16}{"p90":>8}{"heading deg":>14}{"p90":>8}'
              f'{"turn rad/s":>12}{"box centre m":>14}{"NEES v":>9}{"NEES p":>9}{"NEES turn":>11}']
    rows = tally.errors
    groups = {'all': rows, 'walkers': [row for row in rows if row['kind'] in ('pedestrian', 'animal')],
              'vehicles': [row for row in rows if row['kind'] in ('car', 'van', 'bus', 'truck')]}
    for low, high in ((0.5, 2), (2, 5), (5, 10), (10, 99)):
        groups[f'{low} to {high} m/s'] = [row for row in rows if low <= row['speed'] < high]
    for title, group in groups.items():
        if not group:
            continue
        column = {name: np.array([row[name] for row in group if name in row])
                  for name in ('velocity', 'heading', 'turn', 'position', 'velocity_nees', 'position_nees',
                               'turn_nees')}
        middle = {name: np.median(values) if len(values) else np.nan for name, values in column.items()}
        tail = {name: np.percentile(values, 90) if len(values) else np.nan for name, values in column.items()}
        mean = {name: values.mean() if len(values) else np.nan for name, values in column.items()}
        lines.append(f'{title:16}{len(group):8}{middle["velocity"]:16.2f}{tail["velocity"]:8.2f}{middle["heading"]:14.1f}'
                     f'{tail["heading"]:8.1f}{middle["turn"]:12.2f}{middle["position"]:14.2f}{mean["velocity_nees"]:9.2f}'
                     f'{mean["position_nees"]:9.2f}{mean["turn_nees"]:11.2f}')
    seen = tally.tracks.total()
    if seen:
        lines += ['', f'track ids kept from sweep to sweep: {tally.tracks["kept"]} of {seen}']
    return '\n'.join(lines)


def _by_range(title: str, rows: list[tuple[float, bool]]) -> str:
    cells = []
    for low, high in [*zip(_RANGES, _RANGES[1:]), (0, np.inf)]:
        hits = [hit for reach, hit in rows if low <= reach < high]
        cells.append(f'{f"{np.mean(hits):.2f} of {len(hits)}" if hits else "-":>16}')
    return f'{title:16}' + ''.join(cells)


def play(settings: Settings, seed: int, sweeps: int, tally: Tally) -> None:
    """Add one simulated recording, newest sweep against the one before it."""
    method, known = SceneFlow(settings), {}
    recording = list(simulate(seed, sweeps))
    for newer, older in zip(recording[1:], recording):
        try:
            flow = method(SweepPair(newer.sweep, older.sweep))
        except SSRFlowError:
            tally.refused += 1
            continue
        truth = Labels(newer.motion_previous, ~newer.ground, newer.object_id, newer.class_id, newer.boxes)
        tally.add(flow, truth, known)


def judge_real(settings: Settings, labelled: LabelledPair) -> Tally:
    """One labelled pair. What moves alike by the labels is taken as one mover; nobody has labelled boxes."""
    tally = Tally()
    try:
        flow = SceneFlow(settings)(labelled.pair)
    except SSRFlowError:
        tally.refused += 1
        return tally
    motion = labelled.residual(labelled.flow, labelled.ego or flow.ego_motion)
    motion[~labelled.scored] = 0.0
    dt = labelled.pair.dt
    owner = find_clusters(labelled.pair.source.points, motion / dt, labelled.scored & labelled.moving, settings)
    tally.add(flow, Labels(motion, labelled.scored, owner), {})
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, nargs='?', help='folder of labelled real pairs, *.npz')
    parser.add_argument('--recordings', type=int, default=50, metavar='N')
    parser.add_argument('--sweeps', type=int, default=5, help='sweeps of each recording')
    parser.add_argument('--weights', default=Settings().weights)
    args = parser.parse_args()
    settings = Settings(weights=args.weights)
    tally = Tally()
    for seed in range(_UNSEEN_SEED, _UNSEEN_SEED + args.recordings):
        play(settings, seed, args.sweeps, tally)
    if args.recordings:
        print(f'{args.recordings} simulated recordings of {args.sweeps} sweeps at 10 Hz, weights {args.weights}')
        print(report(tally))
    pairs = open_dataset(f'pairs:{args.folder}') if args.folder else ()
    for labelled in (pairs[number] for number in range(len(pairs))):
        real = judge_real(settings, labelled)
        if labelled.preparation.world == 'B' and any(count[0] + count[2] for count in real.moving.values()):
            print(f'\n{labelled.name}\n{report(real)}', flush=True)


if __name__ == '__main__':
    main()
