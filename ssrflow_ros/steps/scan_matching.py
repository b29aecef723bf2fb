"""Ego-motion by scan matching: GICP finds the motion, a robust refinement makes it exact.

GICP (small_gicp; Koide, JOSS 2024) has a wide basin but is pulled by whatever moves: with a third
of the walls and cars moving 0.5 m it errs by 0.2 m. The refinement is point-to-plane alignment
under a Geman-McClure kernel that narrows step by step (graduated non-convexity), which lets go of
moving things. Figures in docs/steps.md.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import EgoMotionError
from ..settings import Settings
from ..sweep import EgoMotion, Sweep, SweepPair

_MAX_RANGE = 100.0               # m, beyond, returns are too sparse for normals
_RESOLUTIONS = (0.4, 0.2, 0.1)   # m, voxels; the finer ones for small rooms
_ENOUGH_POINTS = 4000            # thinned points that make a finer voxel needless
_FEWEST_POINTS = 200             # thinned points that can carry a match
_NEIGHBOURS = 20                 # points that give a normal; 10 may all lie on one ring of a sparse sensor
_REACHES = (3.0, 5.0)            # m, how far GICP looks for a match, first and second attempt
_REFINED_POINTS = 4000
_KERNELS = (0.30, 0.05)          # m, width of the robust kernel, first and last
_NARROWING = 0.6
_MAX_STEPS = 20
_MATCHED = 0.15                  # m, a point nearer to a surface of the target than this is matched
_UPRIGHT = 0.5                   # |z| of the normal of a surface that is not ground-like
_FEWEST_UPRIGHT = 50
_GOOD_OVERLAP = 0.6              # no other start is tried; right matches of real sweeps have 0.7 and more
_CONSTRAINED = 0.03              # least share of the normals that must face each direction
_FASTEST = 70.0                  # m/s
_FASTEST_TURN = 540.0            # deg/s
_CURE = "or give the sensor's motion (odometry)"


@dataclass(frozen=True, eq=False)
class _Cloud:
    """A thinned sweep, ready to be matched: small_gicp's cloud and tree, and both as arrays (n, 3)."""

    cloud: Any
    tree: Any
    points: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True, eq=False)
class _Match:
    """target_from_source, and how well it explains the source."""

    transform: np.ndarray
    overlap: float          # matched share of the points on upright surfaces
    inliers: float          # matched share of all points
    rmse: float             # m, of the matched points' distance to their surface
    constraint: float       # matched normals' share along the direction seen worst


class ScanMatching:
    """Finds the motion over each pair of one stream; every sweep is prepared once."""

    def __init__(self, settings: Settings):
        try:
            import small_gicp
        except ImportError:
            raise EgoMotionError("scan matching needs small_gicp, which is not installed: "
                                 "pip install small_gicp, or give the sensor's motion (odometry)") from None
        self._library = small_gicp
        # Half of the cores: on a busy machine threads that wait for each other cost more than they gain.
        self._threads = settings.threads or max(1, min((os.cpu_count() or 1) // 2, 4))
        self._min_overlap = settings.min_overlap
        self._clouds: WeakKeyDictionary[Sweep, _Cloud] = WeakKeyDictionary()
        self._velocity = np.zeros(6)    # rotation vector and translation per second, of the last match

    def __call__(self, pair: SweepPair) -> EgoMotion:
        """The sensor's motion; raises EgoMotionError where the sweeps do not tell it."""
        source, target = self._prepared(pair.source), self._prepared(pair.target)
        best = None
        for start, reach in ((_transform(self._velocity * pair.dt), _REACHES[0]),
                             (np.eye(4), _REACHES[0]), (np.eye(4), _REACHES[1])):
            found = self._match(source, target, start, reach)
            if best is None or found.overlap > best.overlap:
                best = found
            if best.overlap > max(_GOOD_OVERLAP, self._min_overlap):
                break
        turn = Rotation.from_matrix(best.transform[:3, :3]).as_rotvec()
        velocity = np.concatenate([turn, best.transform[:3, 3]]) / pair.dt
        self._velocity = np.zeros(6)        # what the next pair starts from if this one is refused
        self._judge(best, velocity)
        self._velocity = velocity
        return EgoMotion(best.transform, 'scan_matching', best.inliers, best.rmse)

    def _prepared(self, sweep: Sweep) -> _Cloud:
        if sweep not in self._clouds:
            self._clouds[sweep] = self._prepare(sweep.points)
        return self._clouds[sweep]

    def _prepare(self, points: np.ndarray) -> _Cloud:
        library = self._library
        points = points.astype(np.float64)
        points = points[np.einsum('ij,ij->i', points, points) < _MAX_RANGE ** 2]
        size = 0
        for resolution in _RESOLUTIONS:
            if len(points) >= _FEWEST_POINTS:
                # One thread: with more, the thinning differs from run to run.
                cloud = library.voxelgrid_sampling(points, resolution, num_threads=1)
                size = cloud.size()
            if size >= _ENOUGH_POINTS:
                break
        if size < _FEWEST_POINTS:
            raise EgoMotionError(f'scan matching needs {_FEWEST_POINTS} spread-out points within '
                                 f'{_MAX_RANGE:g} m, a sweep has {size or len(points)}: '
                                 f'check topic and range limits, {_CURE}')
        tree = library.KdTree(cloud, num_threads=self._threads)
        library.estimate_normals_covariances(cloud, tree, _NEIGHBOURS, self._threads)
        return _Cloud(cloud, tree, cloud.points()[:, :3].copy(), cloud.normals()[:, :3].copy())

    def _match(self, source: _Cloud, target: _Cloud, start: np.ndarray, reach: float) -> _Match:
        found = self._library.align(target.cloud, source.cloud, target.tree, start, 'GICP', reach,
                                    self._threads, max_iterations=40)
        return self._refine(source.points[::max(1, len(source.points) // _REFINED_POINTS)], target,
                            found.T_target_source)

    def _refine(self, points: np.ndarray, target: _Cloud, transform: np.ndarray) -> _Match:
        """Robust point-to-plane alignment of `points` (n, 3) to `target`, from a start nearby."""
        kernel, last = _KERNELS
        for _ in range(_MAX_STEPS):
            moved, normal, distance, near = self._distances(points, target, transform, max(3 * kernel, 0.6))
            moved, normal, distance = moved[near], normal[near], distance[near]
            weight = 1 / (1 + (distance / kernel) ** 2) ** 2
            jacobian = np.hstack([np.cross(moved, normal), normal])
            weighted = jacobian * weight[:, None]
            # The damping only keeps a scene without enough surfaces solvable; `_judge` refuses it.
            step = np.linalg.solve(weighted.T @ jacobian + 1e-6 * np.eye(6), weighted.T @ distance)
            transform = _transform(step) @ transform
            settled = np.linalg.norm(step[:3]) < 1e-4 and np.linalg.norm(step[3:]) < 1e-3
            if settled and kernel == last:
                break
            kernel = max(last, kernel * (_NARROWING / 2 if settled else _NARROWING))

        _, normal, distance, near = self._distances(points, target, transform, 1.0)
        matched = near & (np.abs(distance) < _MATCHED)
        upright = np.abs(normal[:, 2]) < _UPRIGHT
        if upright.sum() < _FEWEST_UPRIGHT:
            upright[:] = True
        facing = normal[matched].T @ normal[matched] / max(len(points), 1)
        rmse = np.sqrt(np.mean(distance[matched] ** 2)) if matched.any() else np.inf
        return _Match(transform, float(matched[upright].mean()), float(matched.mean()), float(rmse),
                      float(np.linalg.eigvalsh(facing)[0]))

    def _distances(self, points: np.ndarray, target: _Cloud, transform: np.ndarray, reach: float):
        """Moved points, normals of the nearest surfaces (n, 3), distances to them, whether in reach (n,)."""
        moved = points @ transform[:3, :3].T + transform[:3, 3]
        nearest, squared = target.tree.batch_nearest_neighbor_search(moved)
        nearest = np.asarray(nearest)
        normal = target.normals[nearest]
        distance = np.einsum('ij,ij->i', normal, target.points[nearest] - moved)
        return moved, normal, distance, np.asarray(squared) < reach ** 2

    def _judge(self, match: _Match, velocity: np.ndarray) -> None:
        """Refuse a match that cannot be trusted; `velocity` (6,) rad/s and m/s."""
        if not np.isfinite(match.transform).all() or match.overlap < self._min_overlap:
            raise EgoMotionError(f'scan matching explains {match.overlap:.0%} of the upright surfaces, '
                                 f'less than min_overlap {self._min_overlap:.0%}: '
                                 f'feed consecutive sweeps, {_CURE}')
        if match.constraint < _CONSTRAINED:
            raise EgoMotionError('scan matching cannot tell the motion, the scene looks the same along one '
                                 f'direction (open field, tunnel): let the sensor see more, {_CURE}')
        speed, turn = np.linalg.norm(velocity[3:]), np.degrees(np.linalg.norm(velocity[:3]))
        if speed > _FASTEST or turn > _FASTEST_TURN:
            raise EgoMotionError(f'scan matching found {speed:.0f} m/s and {turn:.0f} deg/s, which no robot '
                                 f'does: check the time stamps of the sweeps, {_CURE}')


def _transform(motion: np.ndarray) -> np.ndarray:
    """(4, 4) transform of a rotation vector and a translation, (6,)."""
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec(motion[:3]).as_matrix()
    transform[:3, 3] = motion[3:]
    return transform
