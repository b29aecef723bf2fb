"""Make a recording of point cloud files.

FILES are sweeps of one sensor in their order (.npy, .npz, .bin, .pcd, .ply), or one folder of them,
taken in the order of their names. OUT is a rosbag2 with the topic /points at the given rate: x y z, and
whatever else the files hold of each point (docs/command_line.md).
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..errors import InputError
from ..sweep import FIRST_STAMP_NS
from .options import add_recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('files', nargs='+', metavar='FILES', help='sweeps in their order, or one folder of sweeps')
    add_recording(parser)
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ', help='sweeps a second (default: 10)')
    parser.add_argument('--frame', default='lidar', metavar='NAME', help='frame_id of the clouds (default: lidar)')


def run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..atomic_write import check_outputs
    from ..formats.bag_messages import to_header, to_pointcloud2
    from ..formats.bags import POINTCLOUD2, write_bag
    from ..formats.clouds import read_fields
    from ..formats.pointcloud2 import encode_points, field_of

    if not 0.01 <= args.rate <= 1000:
        raise InputError(f'--rate {args.rate}: give the sweeps a second, such as 10')
    files = _in_order(args.files)
    check_outputs({'-o': args.output}, (*args.files, *files), 'pack', args.overwrite)
    with write_bag(args.output, args.storage, 'pack', args.overwrite) as out:
        for number, file in enumerate(tqdm(files, unit='sweep', disable=None)):
            stamp_ns = FIRST_STAMP_NS + round(number * 1e9 / args.rate)
            header = to_header(stamp_ns, args.frame)
            points, fields = read_fields(file)
            cloud = encode_points(points, **{name: field_of(column) for name, column in fields.items()})
            out.write('/points', POINTCLOUD2, stamp_ns, to_pointcloud2(cloud, header))
    print(f'written: {args.output}, {len(files)} sweeps, {len(files) / args.rate:.1f} s')


def _in_order(names: list[str]) -> list[Path]:
    """The files as given; of a folder those that hold clouds, 2 before 10."""
    from ..formats.clouds import SUFFIXES

    folder = Path(names[0])
    if len(names) > 1 or not folder.is_dir():
        return [Path(name) for name in names]
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f'{folder} holds no {", ".join(SUFFIXES)}: give a folder of point clouds')
    return sorted(
        files,
        key=lambda file: [
            (part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r'(\d+)', file.name)
        ],
    )
