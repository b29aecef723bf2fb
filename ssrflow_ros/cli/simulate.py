"""Make a labelled recording with the LiDAR simulator.

OUT is a rosbag2 with
  /points        PointCloud2: x y z intensity
  /odom          Odometry: pose of the frame lidar in the frame odom
  /ground_truth  PointCloud2 with the rows and stamps of /points: x y z,
                 flow_x flow_y flow_z  m    displacement until the next sweep, sensor's motion included
                 vx vy vz              m/s  mean velocity since the previous sweep, sensor's motion removed
                 moving ground class   uint8, object int32 (-1: none)
  /ground_truth_objects  PointCloud2 with the fields of ~/objects and the stamps of /points: the whole boxes of what
                 moves by itself and shows a point, `object` and `track_id` as `object` above
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np

from ..table import print_table
from .options import add_recording

if TYPE_CHECKING:
    from ..formats.bags import BagWriter
    from ..simulator import LabelledSweep

SENSOR_FRAME, ODOMETRY_FRAME = 'lidar', 'odom'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..simulator import SCENES, SENSORS

    add_recording(parser)
    parser.add_argument('--seed', type=int, default=0, help='the same seed, the same recording (default: 0)')
    parser.add_argument('--sweeps', type=int, default=100, metavar='N', help='length of the recording (default: 100)')
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ', help='sweeps a second (default: 10)')
    parser.add_argument('--sensor', choices=list(SENSORS), help='the LiDAR (default: drawn by the seed)')
    parser.add_argument('--scene', choices=list(SCENES), help='kind of the world (default: drawn by the seed)')


def run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..atomic_write import check_outputs
    from ..formats.bags import write_bag
    from ..simulator import simulate

    check_outputs({'-o': args.output}, (), 'simulate', args.overwrite)
    start, points, moving = time.perf_counter(), [], []
    with write_bag(args.output, args.storage, 'simulate', args.overwrite) as out:
        sweeps = simulate(args.seed, args.sweeps, args.sensor, args.scene, args.rate)
        for labelled in tqdm(sweeps, total=args.sweeps, unit='sweep', disable=None):
            write_labelled(out, labelled)
            points.append(len(labelled.sweep))
            moving.append(int(labelled.moving.sum()))
    spent = time.perf_counter() - start
    print_table(
        f'recording of seed {args.seed}',
        [
            ('sweeps', f'{len(points)} in {spent:.1f} s ({len(points) / spent:.1f} sweeps/s, writing included)'),
            ('points', f'{np.mean(points):.0f} a sweep'),
            ('moving', f'{np.mean(moving):.0f} a sweep'),
        ],
    )
    print(f'\nwritten: {args.output}')


def write_labelled(out: 'BagWriter', labelled: 'LabelledSweep') -> None:
    """One sweep of the simulator as /points, /odom and /ground_truth."""
    from ..formats.bag_messages import to_header, to_odometry, to_pointcloud2
    from ..formats.bags import GROUND_TRUTH, ODOMETRY, POINTCLOUD2, TRUE_OBJECTS
    from ..formats.object_cloud import encode_objects
    from ..formats.pointcloud2 import encode_points

    sweep = labelled.sweep
    header = to_header(sweep.stamp_ns, SENSOR_FRAME)
    labels: dict[str, np.ndarray] = {
        'moving': labelled.moving.astype(np.uint8),
        'ground': labelled.ground.astype(np.uint8),
        'class': labelled.class_id.astype(np.uint8),
        'object': labelled.object_id.astype(np.int32),
    }
    truth = encode_points(
        sweep.points,
        **dict(zip(('flow_x', 'flow_y', 'flow_z'), labelled.flow_next.T)),
        **dict(zip(('vx', 'vy', 'vz'), labelled.velocity.T)),
        **labels,
    )
    cloud = encode_points(sweep.points, intensity=labelled.intensity.astype(np.float32))
    out.write(
        '/odom', ODOMETRY, sweep.stamp_ns, to_odometry(labelled.pose, sweep.stamp_ns, ODOMETRY_FRAME, SENSOR_FRAME)
    )
    out.write('/points', POINTCLOUD2, sweep.stamp_ns, to_pointcloud2(cloud, header))
    out.write(GROUND_TRUTH, POINTCLOUD2, sweep.stamp_ns, to_pointcloud2(truth, header))
    out.write(TRUE_OBJECTS, POINTCLOUD2, sweep.stamp_ns, to_pointcloud2(encode_objects(labelled.movers()), header))
