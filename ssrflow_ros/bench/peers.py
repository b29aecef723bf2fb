"""A sweep's work, ours and theirs: libraries from PyPI on the same sweeps of one stream, one thread each.

Each does what it is made for, with its own defaults: that they take as long does not say that they find as much.
"""

from __future__ import annotations

import importlib.util
import os
import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from ..scene_flow import SceneFlow
from ..settings import Settings
from ..steps.ego_motion import make_ego_motion
from ..steps.ground import make_ground
from ..sweep import EgoMotion, SweepPair
from .timing import Timing

REGISTRATION, GROUND, MOVES = 'registration', 'ground', 'which points move'
_GICP = {'registration_type': 'GICP', 'max_correspondence_distance': 1.5, 'num_threads': 1}
_VOXEL = 0.5  # metres, to which GICP thins a sweep
_DUFOMAP = 0.1, 0.2, 2  # its own: voxels, m; about hits, m; about what is not known, voxels

Work = Callable[[SweepPair], Any]


@dataclass(frozen=True)
class Peer:
    """One way to do a job, and what it takes a sweep; or, where it is not installed, the line that cures it."""

    job: str
    name: str
    wall: Timing = Timing([])
    processor: Timing = Timing([])
    missing: str = ''


def measure_peers(method: SceneFlow, pairs: Sequence[SweepPair], warm_up: int) -> list[Peer]:
    """Of `pairs`, the successive ones of a stream, each way by itself; the first `warm_up` pairs are not counted."""
    search = make_ego_motion(method.settings)
    motions = [search(pair) for pair in pairs]
    ways: tuple[tuple[str, str, str, Callable[[], Work]], ...] = (
        (REGISTRATION, 'ours: scan matching', '', lambda: make_ego_motion(method.settings)),
        (REGISTRATION, 'kiss-icp', 'kiss_icp', _kiss),
        (REGISTRATION, 'small_gicp: GICP', 'small_gicp', _gicp),
        (GROUND, 'ours: polar grid', '', lambda: _ground(method.settings)),
        (GROUND, 'Patchwork++', 'pypatchworkpp', lambda: _ground(Settings(ground='patchwork'))),
        (MOVES, 'ours: the whole method, motion given', '', lambda: _flow(method, motions)),
        (MOVES, 'dufomap: a map of voids, motion given', 'dufomap', lambda: _dufomap(motions)),
    )
    found = []
    for job, name, package, make in ways:
        if package and importlib.util.find_spec(package) is None:
            found.append(Peer(job, name, missing=f'pip install {package}'))
        else:
            found.append(Peer(job, name, *_timed(make(), pairs, min(warm_up, len(pairs) - 1))))
    return found


def _timed(work: Work, pairs: Sequence[SweepPair], warm_up: int) -> tuple[Timing, Timing]:
    wall, processor = [], []
    for pair in pairs:
        begun = time.perf_counter(), time.process_time()
        work(pair)
        wall.append(1e3 * (time.perf_counter() - begun[0]))
        processor.append(1e3 * (time.process_time() - begun[1]))
    return Timing(wall[warm_up:]), Timing(processor[warm_up:])


def _flow(method: SceneFlow, motions: Sequence[EgoMotion]) -> Work:
    stream, given = method.stream(), iter(motions)
    return lambda pair: stream.flow(pair, next(given))


def _ground(settings: Settings) -> Work:
    find = make_ground(settings)
    return lambda pair: find(pair.source.points)


def _kiss() -> Work:
    from kiss_icp.config import load_config
    from kiss_icp.kiss_icp import KissICP

    config = load_config(None)
    config.data.deskew, config.mapping.voxel_size = False, config.data.max_range / 100
    config.registration.max_num_threads = 1
    odometry, no_times = KissICP(config), np.zeros(0)
    return lambda pair: odometry.register_frame(pair.source.points.astype(np.float64), no_times)


def _gicp() -> Work:
    """The older sweep's tree is kept, and the search begins at the last motion."""
    from small_gicp import align, preprocess_points

    kept: list[Any] = []
    guess = np.eye(4)

    def work(pair: SweepPair) -> None:
        nonlocal guess
        if not kept:
            kept.append(preprocess_points(pair.target.points.astype(np.float64), _VOXEL))
        cloud, tree = preprocess_points(pair.source.points.astype(np.float64), _VOXEL)
        guess = align(kept[0][0], cloud, kept[0][1], guess, **_GICP).T_target_source
        kept[0] = cloud, tree

    return work


def _dufomap(motions: Sequence[EgoMotion]) -> Work:
    """Every sweep goes into the map and is asked at once; it is made for asking when the drive is over."""
    os.environ.setdefault('GLOG_minloglevel', '2')  # else it tells of each sweep
    from dufomap import dufomap

    world, given, pose = dufomap(*_DUFOMAP, num_threads=1), iter(motions), np.eye(4)

    def work(pair: SweepPair) -> Any:
        nonlocal pose
        pose = pose @ next(given).target_from_source
        world.run(pair.source.points, pose)
        world.oncePropagateCluster(if_propagate=True, if_cluster=False)
        return world.segment(pair.source.points, pose)

    return work
