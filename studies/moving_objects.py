"""Judge the moving objects: `python -m studies.moving_objects [FOLDER] [--recordings N]`.

Plays N unseen simulated recordings through the method as a live node does (newest sweep against the
one before it, no pose given, one stream a recording) and scores points and objects; with FOLDER
also the labelled real pairs in it, each by itself. What the figures mean is in docs/objects.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from ssrflow_ros.datasets import LabelledPair, open_dataset
from ssrflow_ros.datasets.labelled_pair import ARGOVERSE2
from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.objects.clusters import find_clusters
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SCENES, SENSORS, LabelledSweep, simulate
from ssrflow_ros.steps.range_image_history import RangeImageHistory
from ssrflow_ros.sweep import SweepPair
from studies.object_scores import Labels, Tally

_UNSEEN_SEED = 3_000_000  # neither training nor any choice of a constant used the seeds from here on
_RANGES = (0, 10, 20, 40, 70)
_SPEEDS = (0.5, 1, 2, 5, 10, 99)  # m/s
_SCORES = (
    *('velocity', 'level_velocity', 'heading', 'turn', 'position'),
    *('velocity_nees', 'position_nees', 'turn_nees'),
)


def report(tally: Tally) -> str:
    """The tables, as text."""
    lines = [
        f'{tally.pairs} pairs ({tally.refused} refused)',
        '',
        f'{"points":10}{"IoU":>8}{"precision":>11}{"recall":>8}{"three-way":>11}{"dynamic fg":>12}'
        f'{"static fg":>11}{"static bg":>11}   (EPE in cm per 0.1 s)',
    ]
    for name in tally.moving:
        hit, false, missed = tally.moving[name]
        parts = np.array(tally.three_way[name]).sum(axis=0)
        epe = 100 * np.divide(parts[:, 0], parts[:, 1], out=np.full(3, np.nan), where=parts[:, 1] > 0)
        lines.append(
            f'{name:10}{hit / max(hit + false + missed, 1):8.3f}{hit / max(hit + false, 1):11.3f}'
            f'{hit / max(hit + missed, 1):8.3f}{np.nanmean(epe):11.2f}{epe[0]:12.2f}'
            f'{epe[1]:11.2f}{epe[2]:11.2f}'
        )
    lines += [
        '',
        f'{"movers":16}' + ''.join(f'{f"{a} to {b} m":>16}' for a, b in zip(_RANGES, _RANGES[1:])) + f'{"all":>16}',
    ]
    kinds = [kind for kind, _ in Counter(mover.kind for mover in tally.looked_for).most_common()]
    groups = {'recall': tally.looked_for}
    for low, high in zip(_SPEEDS, _SPEEDS[1:]):
        groups[f'  {low:g} to {high:g} m/s'] = [mover for mover in tally.looked_for if low <= mover.speed < high]
    for kind in kinds:
        groups[f'  {kind}'] = [mover for mover in tally.looked_for if mover.kind == kind]
    for title, movers in groups.items():
        lines.append(_by_range(title, [(mover.range, mover.found) for mover in movers]))
    lines.append(_by_range('precision', [(reach, kind is not None) for reach, kind in tally.claimed]))
    lines += [
        '',
        f'{"objects":16}{"n":>8}{"velocity m/s":>16}{"p90":>8}{"in x, y":>9}{"p90":>8}{"heading deg":>14}{"p90":>8}'
        f'{"turn rad/s":>12}{"box centre m":>14}{"NEES v":>9}{"NEES p":>9}{"NEES turn":>11}',
    ]
    rows = tally.errors
    errors_of = {
        'all': rows,
        'walkers': [row for row in rows if row['kind'] in ('pedestrian', 'animal')],
        'vehicles': [row for row in rows if row['kind'] in ('car', 'van', 'bus', 'truck')],
    }
    for low, high in ((0.5, 2), (2, 5), (5, 10), (10, 99)):
        errors_of[f'{low:g} to {high:g} m/s'] = [row for row in rows if low <= row['speed'] < high]
    for title, ages in (('seen first', range(1, 2)), ('2nd, 3rd sweep', range(2, 4)), ('from 4th on', range(4, 10**6))):
        errors_of[title] = [row for row in rows if row['age'] in ages]
    for title, group in errors_of.items():
        if not group:
            continue
        column = {name: np.array([row[name] for row in group if name in row]) for name in _SCORES}
        middle = {name: np.median(values) if len(values) else np.nan for name, values in column.items()}
        tail = {name: np.percentile(values, 90) if len(values) else np.nan for name, values in column.items()}
        mean = {name: values.mean() if len(values) else np.nan for name, values in column.items()}
        lines.append(
            f'{title:16}{len(group):8}{middle["velocity"]:16.3f}{tail["velocity"]:8.2f}'
            f'{middle["level_velocity"]:9.3f}{tail["level_velocity"]:8.2f}{middle["heading"]:14.1f}'
            f'{tail["heading"]:8.1f}{middle["turn"]:12.2f}{middle["position"]:14.2f}{mean["velocity_nees"]:9.2f}'
            f'{mean["position_nees"]:9.2f}{mean["turn_nees"]:11.2f}'
        )
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


def play(
    method: SceneFlow, recording: list[LabelledSweep], tally: Tally, forgets: bool = False, network_every: int = 1
) -> None:
    """Add one simulated recording, newest sweep against the one before it; who `forgets` knows nothing of the past.

    network_every  from 2 on: the network is asked about every so-many-th pair, and only the others are added.
    """
    stream = method.stream()
    known: dict[int, int] = {}
    for number, (newer, older) in enumerate(zip(recording[1:], recording)):
        if forgets:
            stream.preparation.past = RangeImageHistory()
        try:
            observed = stream.observe(SweepPair(newer.sweep, older.sweep))
            asked = number % network_every == 0
            flow = stream.estimate(stream.sample(observed) if asked else observed)
        except SSRFlowError:
            tally.refused += 1
            continue
        if asked and network_every > 1:
            continue
        truth = Labels(newer.motion_previous, ~newer.ground, newer.object_id, newer.class_id, newer.boxes)
        tally.add(flow, truth, known)


def judge_real(settings: Settings, labelled: LabelledPair) -> Tally:
    """One labelled pair. What moves alike by the labels is taken as one mover; nobody has labelled boxes."""
    tally = Tally()
    try:
        flow = SceneFlow(settings).stream().flow(labelled.pair)
    except SSRFlowError:
        tally.refused += 1
        return tally
    motion = labelled.residual(labelled.flow, labelled.ego or flow.ego_motion)
    motion[~labelled.scored] = 0.0
    dt = labelled.pair.dt
    points, owner = labelled.pair.source.points, np.full(len(motion), -1)
    for number, rows in enumerate(find_clusters(points, motion / dt, labelled.scored & labelled.moving, settings)):
        owner[rows] = number
    tally.add(flow, Labels(motion, labelled.scored, owner), {})
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, nargs='?', help='folder of labelled real pairs, *.npz')
    parser.add_argument('--recordings', type=int, default=50, metavar='N')
    parser.add_argument('--sweeps', type=int, default=8, help='sweeps of each recording')
    parser.add_argument('--first-seed', type=int, default=_UNSEEN_SEED)
    parser.add_argument('--scene', choices=list(SCENES), help='of all of them (default: drawn by seed)')
    parser.add_argument('--sensor', choices=list(SENSORS), help='likewise')
    parser.add_argument('--forget', action='store_true', help='know nothing of what was seen before the last sweep')
    parser.add_argument('--alone', action='store_true', help='velocities of each pair alone, as with "steady: false"')
    parser.add_argument(
        '--network-every',
        type=int,
        default=1,
        metavar='N',
        help='ask the network about every N-th pair, and score the others, which are answered from tracks',
    )
    parser.add_argument('--weights', default=Settings().weights)
    args = parser.parse_args()
    settings = Settings(weights=args.weights, steady=not args.alone)
    method, tally = SceneFlow(settings), Tally()
    for seed in range(args.first_seed, args.first_seed + args.recordings):
        recording = list(simulate(seed, args.sweeps, args.sensor, args.scene))
        play(method, recording, tally, args.forget, args.network_every)
    if args.recordings:
        print(
            f'{args.recordings} simulated recordings of {args.sweeps} sweeps at 10 Hz, weights {args.weights}, '
            f'scene {args.scene or "drawn"}, sensor {args.sensor or "drawn"}'
        )
        print(report(tally))
    pairs = open_dataset(f'pairs:{args.folder}') if args.folder else ()
    for labelled in (pairs[number] for number in range(len(pairs))):
        real = judge_real(settings, labelled)
        if labelled.preparation.protocol == ARGOVERSE2 and any(count[0] + count[2] for count in real.moving.values()):
            print(f'\n{labelled.name}\n{report(real)}', flush=True)


if __name__ == '__main__':
    main()
