"""What `~/static` is worth to a SLAM: `python -m studies.slam [--recordings N] [--keep FOLDER]`.

Runs kiss-icp on simulated recordings as they are, on `~/static`, and on what truly stands, and builds a map of each
with the true poses; beside them stands the map that dufomap cleans once the whole recording is known. Needs

    pip install kiss-icp dufomap

which the package itself does not. What the figures mean is in docs/slam.md. `--keep` goes on later.
"""

from __future__ import annotations

import argparse
import json
from itertools import count, islice
from pathlib import Path
from typing import Iterator

import numpy as np

from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import LabelledSweep, simulate
from ssrflow_ros.transforms import invert, transformed
from studies.static_clouds import counted, split

_SEED = 9_200_000
_SENSOR = 'vlp32c'
_VOXEL = 0.2  # m, of the map
_RANGE = 60.0  # m, of kiss-icp and of the map
_STANDS, _DRIVES = 0.05, 2.0  # m/s, slower and faster than which the sensor stands, and drives
_MOVES = 300  # points that move in the first sweep, from which a world is no quiet one
WORLDS = {
    'crowd': ('hall', 0.1, 3.0),
    'traffic': ('street', _DRIVES, 30.0),
    'standing in traffic': ('street', -1.0, _STANDS),
    'quiet': ('quiet_street', _DRIVES, 30.0),
}
"""Scene, and the least and the greatest speed of the sensor, m/s."""


def seeds(scene: str, slowest: float, fastest: float, sweeps: int) -> Iterator[int]:
    """Of recordings in which the sensor goes so fast, and, but on the quiet street, something moves before it."""
    for seed in count(_SEED):
        first = next(simulate(seed, sweeps, _SENSOR, scene, kept=[0]))
        speed = np.linalg.norm((invert(first.pose) @ first.pose_next)[:3, 3]) / first.dt
        if slowest <= speed < fastest and (scene == 'quiet_street' or first.moving.sum() >= _MOVES):
            yield seed


def odometry(clouds: list[np.ndarray]) -> list[np.ndarray]:
    """Poses (4, 4) of each cloud in the first one's frame, by kiss-icp."""
    from kiss_icp.config import load_config
    from kiss_icp.kiss_icp import KissICP

    config = load_config(None)
    config.data.max_range, config.data.deskew, config.mapping.voxel_size = _RANGE, False, _RANGE / 100
    config.registration.max_num_threads = 1
    slam, poses = KissICP(config), []
    for cloud in clouds:
        slam.register_frame(cloud.astype(np.float64), np.zeros(0))
        poses.append(slam.last_pose.copy())
    return poses


def trajectory_error(found: list[np.ndarray], true: list[np.ndarray]) -> float:
    """Root mean square distance, m, of the places from the true ones; both begin at the same pose."""
    off = [(invert(true[0]) @ one)[:3, 3] - other[:3, 3] for one, other in zip(true, found)]
    return float(np.sqrt(np.mean(np.square(off).sum(axis=1))))


def voxels(points: np.ndarray) -> set[bytes]:
    return {one.tobytes() for one in np.unique(np.floor(points / _VOXEL).astype(np.int32), axis=0)}


def by_dufomap(sweeps: list[LabelledSweep]) -> list[np.ndarray]:
    """(N,) bool of each sweep's points: that move, by all sweeps and the true poses."""
    from dufomap import dufomap

    whole = dufomap(0.1, 0.2, 2, num_threads=1)
    for sweep in sweeps:
        whole.run(sweep.sweep.points, sweep.pose)
    whole.oncePropagateCluster(if_propagate=True, if_cluster=False)
    return [whole.segment(sweep.sweep.points, sweep.pose) == 1 for sweep in sweeps]


def judged(method: SceneFlow, seed: int, scene: str, n_sweeps: int) -> dict[str, float]:
    """The figures of one recording."""
    sweeps = list(simulate(seed, n_sweeps, _SENSOR, scene))
    taken = [np.zeros(len(sweeps[0]), bool), *(moving for _, moving, _ in split(method, sweeps))]
    stands = [sweep.object_id < 0 for sweep in sweeps]
    points = [sweep.sweep.points for sweep in sweeps]
    near = [np.einsum('ij,ij->i', cloud, cloud) <= _RANGE**2 for cloud in points]
    kept = {
        'raw': near,
        'static': [~one & close for one, close in zip(taken, near)],
        'true': [one & close for one, close in zip(stands, near)],
        'dufomap': [~one & close for one, close in zip(by_dufomap(sweeps), near)],
    }
    poses = [sweep.pose for sweep in sweeps]
    world = [transformed(cloud, pose) for cloud, pose in zip(points, poses)]
    standing = voxels(np.concatenate([one[rows] for one, rows in zip(world, kept['true'])]))
    ghosts = voxels(np.concatenate([one[rows] for one, rows in zip(world, near)])) - standing
    gone = np.sum([counted(sweep, one) for sweep, one in list(zip(sweeps, taken))[1:]], axis=0)
    figures = {'gone': gone[0] / max(gone[1], 1), 'lost': gone[2] / gone[3], 'ghosts': float(len(ghosts))}
    for name in ('raw', 'static', 'true'):
        clouds = [cloud[rows] for cloud, rows in zip(points, kept[name])]
        figures[f'error {name}'] = trajectory_error(odometry(clouds), poses)
    for name in ('static', 'dufomap'):
        left = voxels(np.concatenate([one[rows] for one, rows in zip(world, kept[name])]))
        figures[f'ghosts {name}'] = len(left & ghosts) / max(len(ghosts), 1)
        figures[f'kept {name}'] = len(left & standing) / len(standing)
    return {name: float(value) for name, value in figures.items()}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    lines = [
        f'{"":22}{"":4}{"moving":>9}{"static":>8}{"kiss-icp: error, m":>28}{"ghost voxels":>14}{"left, %":>19}'
        f'{"static voxels kept, %":>25}',
        f'{"":22}{"n":>4}{"gone, %":>9}{"lost, %":>8}{"raw":>10}{"~/static":>10}{"true":>8}{"of raw":>14}'
        f'{"~/static":>10}{"dufomap":>9}{"~/static":>16}{"dufomap":>9}',
    ]
    rows = {**found, 'all': [one for of_world in found.values() for one in of_world]}
    for name, of_world in rows.items():
        if not of_world:
            continue
        mean = {
            # One that loses its way altogether would decide for all.
            key: (np.median if key.startswith('error') else np.mean)([one[key] for one in of_world])
            for key in of_world[0]
        }
        lines.append(
            f'{name:22}{len(of_world):4}{100 * mean["gone"]:9.1f}{100 * mean["lost"]:8.2f}{mean["error raw"]:10.3f}'
            f'{mean["error static"]:10.3f}{mean["error true"]:8.3f}{mean["ghosts"]:14.0f}'
            f'{100 * mean["ghosts static"]:10.1f}{100 * mean["ghosts dufomap"]:9.1f}'
            f'{100 * mean["kept static"]:16.2f}{100 * mean["kept dufomap"]:9.2f}'
        )
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recordings', type=int, default=5, metavar='N', help='of each of the four worlds')
    parser.add_argument('--sweeps', type=int, default=40, help='of each recording, ten a second')
    parser.add_argument('--keep', type=Path, metavar='FOLDER', help='for the figures of each recording')
    args = parser.parse_args()
    method = SceneFlow(Settings())
    found: dict[str, list[dict[str, float]]] = {world: [] for world in WORLDS}
    chosen = {world: list(islice(seeds(*WORLDS[world], args.sweeps), args.recordings)) for world in WORLDS}
    for number in range(args.recordings):
        for world, (scene, *_) in WORLDS.items():
            seed = chosen[world][number]
            file = args.keep / f'{world.replace(" ", "_")}_{seed}.json' if args.keep else None
            if file is not None and file.exists():
                figures = json.loads(file.read_text())
            else:
                figures = judged(method, seed, scene, args.sweeps)
                if file is not None:
                    file.write_text(json.dumps(figures))
            found[world].append(figures)
    print(f'recordings of {args.sweeps / 10:.0f} s, sensor {_SENSOR}, map of {_VOXEL} m; means, of errors medians\n')
    print(table(found))


if __name__ == '__main__':
    main()
