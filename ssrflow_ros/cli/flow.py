"""Scene flow between two point cloud files.

SOURCE and TARGET are .npy, .npz, .bin (KITTI), .pcd or .ply of one sensor, x forward, y left, z up,
metres. Of an .npz SOURCE is read from points, xyz, pc or pc1, TARGET from pc2 first, so one file may
hold both. OUT.npz holds, aligned with the rows of SOURCE (NaN or False for dropped points):
  flow      (N, 3) m    whole displacement until TARGET in SOURCE's frame, sensor's motion included
  velocity  (N, 3) m/s  the sensor's motion removed
  moving, ground (N)    bool
  object    (N)         number of the moving object, -1 for none
  ego_T     (4, 4)      maps points of the static world from SOURCE's frame into TARGET's
  dt        s
"""

from __future__ import annotations

import argparse
import math
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..array_files import load_npy
from ..errors import EgoMotionError, InputError
from ..process_memory import loading
from ..settings import Settings
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair
from ..table import print_table
from .first_use import compile_if_cold
from .options import add_overwrite, add_settings, settings_from, weights_file

COMMAND = 'flow'
SHORTEST_DT, LONGEST_DT = 0.001, 10.0
"""Seconds between two sweeps of which anything can be said."""
_METHODS = ('scan_matching', 'none')
_WITHOUT = 'ego_motion', 'fixed_frame', 'mounting', 'base_frame', 'deskew', 'max_gap', 'sensor_field'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('source', metavar='SOURCE', help='the sweep whose points are followed')
    parser.add_argument('target', metavar='TARGET', help='the sweep until which they are followed')
    parser.add_argument(
        '--dt',
        type=float,
        required=True,
        metavar='S',
        help='seconds from SOURCE to TARGET; negative if TARGET is the older one',
    )
    motion = parser.add_mutually_exclusive_group()
    motion.add_argument(
        '--ego-motion',
        default='scan_matching',
        metavar='METHOD',
        help="where the sensor's own motion comes from: scan_matching (default), none for a "
        'sensor that stands still, or a FILE as for --pose',
    )
    motion.add_argument(
        '--pose',
        metavar='FILE',
        help="known motion: a 4x4 or 3x4 matrix, text or .npy, that maps points from SOURCE's frame into TARGET's",
    )
    parser.add_argument('-o', '--output', required=True, metavar='OUT.npz')
    parser.add_argument('--picture', metavar='OUT.png', help="also draw a bird's-eye view")
    add_overwrite(parser, 'OUT.npz or OUT.png')
    add_settings(parser, without=_WITHOUT)


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import atomic_write, check_outputs, signature
    from ..formats.clouds import NPZ_KEYS, read_points

    if Path(args.output).suffix != '.npz':
        raise InputError(f'{args.output}: the output is an .npz: give it that ending')
    if args.dt and not SHORTEST_DT <= abs(args.dt) <= LONGEST_DT:
        raise InputError(
            f'--dt {args.dt:g}: nothing can be said of sweeps that are not {SHORTEST_DT:g} to '
            f'{LONGEST_DT:g} s apart: give the seconds between them, such as 0.1 for 100 milliseconds'
        )
    pose_file = args.pose or (args.ego_motion if args.ego_motion not in _METHODS else None)
    ego_motion = read_pose(pose_file) if pose_file else None
    settings = settings_from(args, ego_motion='scan_matching' if pose_file else args.ego_motion)

    check_outputs(
        {'-o': args.output, '--picture': args.picture},
        (args.source, args.target, pose_file, weights_file(settings.weights)),
        COMMAND,
        args.overwrite,
    )
    if args.picture and Path(args.picture).suffix != '.png':
        raise InputError(f'--picture {args.picture}: the picture is a .png: give it that ending')
    source = _sweep(args.source, read_points(args.source), 0, settings)
    target = _sweep(args.target, read_points(args.target, ('pc2', 'pos2', *NPZ_KEYS)), round(args.dt * 1e9), settings)
    if np.array_equal(source.points, target.points):
        raise InputError(
            f'{args.source} and {args.target} hold the same points, so that nothing is seen to move: '
            'give two sweeps, one after the other'
        )
    pair = SweepPair(source, target)
    compile_if_cold()
    with ExitStack() as outputs:
        output, picture = (
            path and outputs.enter_context(atomic_write(path, COMMAND, args.overwrite))
            for path in (args.output, args.picture)
        )
        with loading():
            from ..scene_flow import SceneFlow

        flow = SceneFlow(settings)(pair, ego_motion)
        np.savez_compressed(output, **as_rows(flow))
        with zipfile.ZipFile(output, 'a') as archive:
            archive.comment = signature(COMMAND).encode()
        if picture:
            from ..formats.picture import draw_flow

            draw_flow(
                picture,
                flow,
                title=f'{Path(args.source).name} to {Path(args.target).name}',
                software=signature(COMMAND),
            )
    _summarise(flow, args)


def as_rows(flow: FlowField) -> dict[str, Any]:
    """The arrays of OUT.npz, one row for each row of the source's file."""
    rows = flow.in_rows()
    return {
        'flow': rows.flow,
        'velocity': rows.velocity,
        'moving': rows.moving,
        'ground': rows.ground,
        'object': rows.object_ids,
        'probability': rows.probability,
        'ego_T': flow.ego_motion.target_from_source,
        'dt': np.float64(flow.pair.dt),
    }


def read_pose(path: str) -> EgoMotion:
    """A given ego-motion: 12 or 16 numbers, text or .npy, that make a rigid transform."""
    from ..steps.ego_motion import given

    if not Path(path).exists():
        raise InputError(
            f'{path} is neither a file nor a way to find the ego-motion: '
            f'give {", ".join(_METHODS)} or the file of a 4x4 matrix'
        )
    try:
        # More than 16 numbers are no pose.
        numbers = load_npy(Path(path)) if path.endswith('.npy') else np.loadtxt(path, max_rows=17)
    except OSError as error:
        raise InputError(f'{path}: {error.strerror or error}: check the file and its rights') from None
    except ValueError:
        raise InputError(f'{path} holds no matrix: give 4x4 numbers, as text or .npy') from None
    if numbers.size not in (12, 16) or numbers.dtype.kind not in 'fiu':
        raise InputError(f'{path} holds {numbers.size} numbers and no pose: give a 4x4 (or 3x4) matrix')
    pose = np.eye(4)
    pose[: numbers.size // 4] = numbers.reshape(-1, 4)
    try:
        return given(pose)
    except EgoMotionError as error:
        raise InputError(f'{path}: {error}') from None


def _sweep(path: str, points: np.ndarray, stamp_ns: int, settings: Settings) -> Sweep:
    from ..inputs import as_sweep

    sweep = as_sweep(settings, points, stamp_ns)
    if not len(sweep):
        raise InputError(
            f'{path} has no usable point among its {len(points)} rows (NaN, inf, nearer than '
            f'{settings.min_range} m, or in own_body): give a sweep with returns, or lower --min-range'
        )
    return sweep


def _summarise(flow: FlowField, args: argparse.Namespace) -> None:
    pair, ego = flow.pair, flow.ego_motion
    shift = ego.travelled
    speed = shift / abs(pair.dt)
    match = (
        ''
        if math.isnan(ego.overlap)
        else (
            f', {100 * ego.overlap:.0f} % of the upright surfaces matched, {100 * ego.inliers:.0f} % of all points, '
            f'rmse {ego.rmse:.2f} m'
        )
    )
    rows = [
        ('points', f'{len(pair.source)} of {pair.source.n_rows} rows, target {len(pair.target)}'),
        ('ground', f'{100 * flow.ground.mean():.0f} %'),
        ('moving', f'{flow.moving.sum()} points, {len(flow.objects)} objects'),
        ('ego-motion', f'{ego.method}: {shift:.2f} m in {pair.dt:g} s ({speed:.1f} m/s){match}'),
    ]
    if ego.doubt:
        rows.append(('doubtful', ego.doubt))
    for item in sorted(flow.objects, key=lambda item: -item.speed)[:10]:
        x, y, _ = item.centre
        where = f'x {x:.1f} m, y {y:.1f} m'
        rows.append((f'object {item.id}', f'{item.speed:5.1f} m/s at {where}, {item.n_points} points'))
    if len(flow.objects) > 10:
        rows.append(('', f'and {len(flow.objects) - 10} slower objects'))
    rows += [(f'{step} (ms)', f'{spent:.0f}') for step, spent in flow.timings_ms.items()]
    print_table(f'{args.source} to {args.target}', rows)
    print(f'\nwritten: {args.output}' + (f', {args.picture}' if args.picture else ''))
