"""Judge scan matching: `python -m studies.ego_motion [DATA_FOLDER] [--seeds N]`.

Compares GICP alone (small_gicp, all points and without the ground), kiss-icp where it is installed,
and this package's robust refinement, on real pairs with known motion (DATA_FOLDER/pairs/*.npz with
`ego_T`, sequences/ouster_os1_128), by the consistency of one long and two short steps
(sequences/kitti_a), and on N simulated pairs of each sensor and scene, exact poses.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ssrflow_ros.errors import EgoMotionError
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import SENSORS, simulate
from ssrflow_ros.simulator.scenes import SHARES
from ssrflow_ros.steps.polar_grid import PolarGrid
from ssrflow_ros.steps.scan_matching import ScanMatching
from ssrflow_ros.sweep import Sweep, SweepPair

Matcher = Callable[[SweepPair], np.ndarray]  # -> (4, 4) target_from_source


def refined(pair: SweepPair) -> np.ndarray:
    """This package's scan matching, from a cold start."""
    return ScanMatching(Settings())(pair).target_from_source


def gicp(pair: SweepPair, without_ground: bool = False) -> np.ndarray:
    """small_gicp as it is recommended: voxels of 0.4 m, matches within 1.5 m."""
    import small_gicp

    clouds = [
        sweep.points[~PolarGrid()(sweep.points)] if without_ground else sweep.points
        for sweep in (pair.target, pair.source)
    ]
    return small_gicp.align(
        *(cloud.astype(np.float64) for cloud in clouds),
        registration_type='GICP',
        downsampling_resolution=0.4,
        max_correspondence_distance=1.5,
        num_threads=1,
    ).T_target_source


def kiss(pair: SweepPair) -> np.ndarray:
    """kiss-icp over the two sweeps, its defaults, no deskewing."""
    from kiss_icp.config.parser import KISSConfig
    from kiss_icp.kiss_icp import KissICP

    config = KISSConfig()
    config.data.deskew, config.data.max_range, config.mapping.voxel_size = False, 80.0, 0.8
    odometry = KissICP(config)
    for sweep in (pair.source, pair.target):
        odometry.register_frame(sweep.points.astype(np.float64), np.zeros(0))
    return np.linalg.inv(odometry.last_pose)


def error(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Translation error in mm and rotation error in degrees."""
    rest = np.linalg.inv(true) @ found
    return (
        1e3 * float(np.linalg.norm(rest[:3, 3])),
        float(np.degrees(np.arccos(np.clip((np.trace(rest[:3, :3]) - 1) / 2, -1, 1)))),
    )


def sweep_pair(source: np.ndarray, target: np.ndarray, dt: float = 0.1) -> SweepPair:
    return SweepPair(
        *(Sweep.from_points(points, stamp, min_range=1.0) for points, stamp in ((source, 0), (target, round(dt * 1e9))))
    )


def real_pairs(folder: Path) -> Iterator[tuple[str, SweepPair, np.ndarray]]:
    """Name, pair, known target_from_source."""
    for path in sorted(folder.glob('pairs/*.npz')):
        data = np.load(path)
        if 'ego_T' in data:
            yield path.stem, sweep_pair(data['pc1'], data['pc2'], float(data['dt'])), data['ego_T']
    ouster = folder / 'sequences' / 'ouster_os1_128'
    scans = [np.load(path) for path in sorted(ouster.glob('*.npy'))]
    if scans:
        rows = np.loadtxt(next(ouster.glob('*poses*.txt'))).reshape(-1, 3, 4)
        poses = [np.vstack([pose, (0, 0, 0, 1)]) for pose in rows]
        for i in range(len(scans) - 1):
            yield (f'ouster_{i}_{i + 1}', sweep_pair(scans[i], scans[i + 1]), np.linalg.inv(poses[i + 1]) @ poses[i])


def simulated_pairs(seeds: range) -> Iterator[tuple[str, SweepPair, np.ndarray]]:
    for sensor in SENSORS:
        for scene in SHARES:
            for seed in seeds:
                source, target = simulate(seed, 2, sensor, scene)
                movers = f'{source.moving.mean():.0%}'
                yield (
                    f'{sensor} {scene} {movers}',
                    SweepPair(source.sweep, target.sweep),
                    np.linalg.inv(target.pose) @ source.pose,
                )


def judge(matcher: Matcher, pairs: list[tuple[str, SweepPair, np.ndarray]], each: bool) -> str:
    """A line for each pair if wanted, then median, 90th percentile and worst."""
    lines, errors, spent, refused = [], [], [], 0
    for name, pair, true in pairs:
        start = time.process_time()
        try:
            errors.append(error(matcher(pair), true))
        except EgoMotionError as refusal:
            refused += 1
            lines.append(f'  {name:24s} {refusal}')
            continue
        spent.append(1e3 * (time.process_time() - start))
        if each:
            millimetres, degrees = errors[-1]
            lines.append(f'  {name:24s}{millimetres:8.1f} mm{degrees:8.3f} deg{spent[-1]:8.0f} CPU ms')
    middle, tail, worst = np.percentile(errors, (50, 90, 100), axis=0)
    lines.append(
        f'  median {middle[0]:.1f} mm {middle[1]:.3f} deg, 90 % {tail[0]:.1f} mm {tail[1]:.3f} deg, '
        f'worst {worst[0]:.1f} mm {worst[1]:.3f} deg, '
        f'{np.median(spent):.0f} CPU ms, {refused} refused'
    )
    return '\n'.join(lines)


def consistency(matcher: Matcher, folder: Path) -> str:
    """One step over two sweeps against two steps over one each, along kitti_a."""
    scans = [
        np.fromfile(path, np.float32).reshape(-1, 4)[:, :3] for path in sorted(folder.glob('sequences/kitti_a/*.bin'))
    ]
    short = [matcher(sweep_pair(scans[i], scans[i + 1])) for i in range(len(scans) - 1)]
    errors = [
        error(matcher(sweep_pair(scans[i], scans[i + 2], 0.2)), short[i + 1] @ short[i]) for i in range(len(scans) - 2)
    ]
    middle, worst = np.median(errors, axis=0), np.max(errors, axis=0)
    return f'  median {middle[0]:.1f} mm {middle[1]:.3f} deg, worst {worst[0]:.1f} mm {worst[1]:.3f} deg'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', type=Path, help='real pairs and sequences')
    parser.add_argument('--seeds', type=int, default=2, help='simulated pairs of each sensor and scene')
    arguments = parser.parse_args()
    matchers: dict[str, Matcher] = {
        'robust refinement (ours)': refined,
        'GICP': gicp,
        'GICP without ground': lambda pair: gicp(pair, without_ground=True),
    }
    if importlib.util.find_spec('kiss_icp'):
        matchers['kiss-icp'] = kiss
    simulated = list(simulated_pairs(range(300, 300 + arguments.seeds)))
    crowded = [row for row in simulated if int(row[0].split()[-1][:-1]) >= 10]
    for name, matcher in matchers.items():
        print(f'\n{name}')
        if arguments.folder:
            print(' real pairs\n' + judge(matcher, list(real_pairs(arguments.folder)), each=True))
            print(' consistency on kitti_a\n' + consistency(matcher, arguments.folder), flush=True)
        print(f' {len(simulated)} simulated pairs\n' + judge(matcher, simulated, each=False), flush=True)
        if crowded:
            print(
                f' the {len(crowded)} of them with 10 % movers or more\n' + judge(matcher, crowded, each=False),
                flush=True,
            )


if __name__ == '__main__':
    main()
