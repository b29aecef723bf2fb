"""Score the method on labelled sweeps of any layout, and say so in numbers and a picture.

    ssrflow evaluate --data pairs:FOLDER --seeds 5 -o report
    ssrflow evaluate --data simulated:200
    ssrflow evaluate --data kittis:KITTI_processed_occ_final --weights my.safetensors
    ssrflow evaluate --protocol mos --data helimos:KAIST05#test

Scored are the whole method and, beside it, the network alone (its flow before anything is decided about objects)
and zero flow. The tables are Markdown. OUT is a folder with evaluation.json (every number, with units and
protocols), tables.md and errors.png. With --protocol mos recordings are scored by the IoU of their moving points,
sweep by sweep in their order; then there is no picture. No pose is given to the method unless --known-pose asks for it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

from ..errors import InputError, SSRFlowError
from ..settings import Settings
from .first_use import compile_if_cold
from .options import add_overwrite, add_settings, data_path, settings_from, weights_file

if TYPE_CHECKING:
    from ..evaluation.evaluate import Evaluation
    from ..evaluation.moving_segmentation import SegmentationScores

_WITHOUT = 'seed', 'max_gap', 'min_range', 'own_body', 'sensor_origins', 'sensor_field'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..datasets import KINDS
    from ..datasets.moving_labels import KINDS as MOS_KINDS

    kinds, mos = ('\n'.join(f'  {kind:14} {what}' for kind, (_, what) in table.items()) for table in (KINDS, MOS_KINDS))
    parser.epilog = f'kinds of data:\n{kinds}\n\nkinds of data for --protocol mos:\n{mos}'
    parser.add_argument(
        '--protocol',
        choices=('flow', 'mos'),
        default='flow',
        help='what is scored: the flow of pairs, by the protocol of each data set, or the segmentation of moving '
        'points over recordings (default: flow)',
    )
    parser.add_argument(
        '--data',
        required=True,
        action='append',
        metavar='KIND:PATH',
        help='what to score on, see below; may be given several times',
    )
    parser.add_argument('-o', '--output', metavar='OUT', help='folder for evaluation.json, tables.md and errors.png')
    add_overwrite(parser)
    parser.add_argument('--seeds', type=int, default=1, metavar='N', help='mean over N sampling seeds (default: 1)')
    parser.add_argument('--most', type=int, metavar='N', help='score at most N pairs, spread evenly over the data')
    parser.add_argument('--within', type=float, metavar='M', help='score only points as near as this to the sensor')
    parser.add_argument(
        '--known-pose',
        action='store_true',
        help="give the method the sensor's true motion, as the published figures of Argoverse 2 do",
    )
    add_settings(parser, without=_WITHOUT)


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import check_outputs

    given = settings_from(args)
    settings = given.replace(min_range=0.0)  # what is labelled is scored
    for name in ('seeds', 'most', 'within'):
        if getattr(args, name) is not None and not getattr(args, name) >= 1:
            raise InputError(f'--{name} {getattr(args, name)}: give a number from 1 on')
    check_outputs(
        {'-o': args.output}, (*map(data_path, args.data), weights_file(settings.weights)), 'evaluate', args.overwrite
    )
    if args.protocol == 'mos':
        _run_mos(args, given)
        return
    from ..datasets import open_dataset

    datasets = [open_dataset(place, settings) for place in args.data]
    from ..evaluation.evaluate import Evaluation
    from ..evaluation.report import markdown

    evaluation = Evaluation(settings, args.seeds, args.known_pose)
    protocols: dict[str, None] = {}  # each once, in order
    compile_if_cold()
    for data, number in _chosen(datasets, args.most):
        try:
            labelled = data[number]
        except SSRFlowError as error:  # one damaged file of thousands
            evaluation.refuse(f'pair {number}', error)
            continue
        evaluation.add(labelled.within(args.within) if args.within else labelled)
        protocols[labelled.preparation.text] = None
    if not any(score.values for score in evaluation.scores):
        raise InputError(f'not one of {len(evaluation.scores)} pairs has an answer: {evaluation.scores[0].refused}')
    pose = 'true ego-motion given' if args.known_pose else 'no pose given'
    within = f', points within {args.within:g} m' if args.within else ''
    title = (
        f'{", ".join(args.data)}: weights {settings.weights}, {settings.network_points} network points, '
        f'{args.seeds} sampling seed{"s" * (args.seeds > 1)}, {pose}{within}'
    )
    lines = [title, *(f'Protocol: {text}.' for text in protocols), *markdown(evaluation)]
    print('\n'.join(lines))
    if args.output:
        _write(Path(args.output), args, settings, evaluation, title, list(protocols), lines)


def _run_mos(args: argparse.Namespace, settings: 'Settings') -> None:
    from tqdm import tqdm

    from ..atomic_write import atomic_write
    from ..datasets.moving_labels import open_recordings
    from ..evaluation.moving_segmentation import PROTOCOL, SegmentationScores, markdown, write_json
    from ..scene_flow import SceneFlow

    if args.known_pose or args.seeds != 1:
        raise InputError('--protocol mos takes neither --known-pose nor --seeds: leave them out')
    recordings = [recording for place in args.data for recording in open_recordings(place)][: args.most]
    method, scores = SceneFlow(settings), SegmentationScores()
    compile_if_cold()
    for recording in tqdm(recordings, unit='recording', disable=None):
        scores.add(method, recording, args.within)
    if not scores.everything.sweeps:
        raise InputError(f'not one sweep of {len(recordings)} recordings is scored: {_why_none(scores)}')
    within = f', points within {args.within:g} m' if args.within else ''
    title = f'{", ".join(args.data)}: weights {settings.weights}, {settings.network_points} network points{within}'
    lines = [title, f'Protocol: {PROTOCOL}.', *markdown(scores)]
    print('\n'.join(lines))
    if args.output:
        about = {
            'data': args.data,
            'within_m': args.within,
            'settings': {row.name: getattr(settings, row.name) for row in settings.table() if not row.of_node},
        }
        with atomic_write(Path(args.output), 'evaluate', args.overwrite) as folder:
            folder.mkdir()
            write_json(folder / 'evaluation.json', scores, about)
            (folder / 'tables.md').write_text('\n'.join(lines) + '\n')
        print(f'\nwritten: {args.output}')


def _why_none(scores: 'SegmentationScores') -> str:
    return scores.unread[0] if scores.unread else 'none has labels: give recordings with labels, or another split'


def _chosen(datasets: list, most: int | None) -> Iterator:
    """Data set and number of every pair, or of `most` of them, with a progress bar on a terminal."""
    import numpy as np
    from tqdm import tqdm

    places = [(data, number) for data in datasets for number in range(len(data))]
    if most is not None and most < len(places):
        places = [places[number] for number in np.linspace(0, len(places) - 1, most).round().astype(int)]
    yield from tqdm(places, unit='pair', disable=None)


def _write(
    output: Path,
    args: argparse.Namespace,
    settings: Settings,
    evaluation: 'Evaluation',
    title: str,
    protocols: list[str],
    lines: list[str],
) -> None:
    from ..atomic_write import atomic_write
    from ..evaluation.picture import draw_errors
    from ..evaluation.report import write_json

    about = {
        'data': args.data,
        'protocols': protocols,
        'seeds': args.seeds,
        'known_pose': args.known_pose,
        'within_m': args.within,
        'settings': {row.name: getattr(settings, row.name) for row in settings.table() if not row.of_node},
    }
    with atomic_write(output, 'evaluate', args.overwrite) as folder:
        folder.mkdir()
        write_json(folder / 'evaluation.json', evaluation, about)
        (folder / 'tables.md').write_text('\n'.join(lines) + '\n')
        if evaluation.shown:
            draw_errors(folder / 'errors.png', evaluation, title)
    print(f'\nwritten: {output}')
