"""Ego-motion by scan matching: GICP finds the motion, a robust refinement makes it exact.

GICP (small_gicp; Koide, JOSS 2024) has a wide basin but is pulled by whatever moves: with a third
of the walls and cars moving 0.5 m it errs by 0.2 m. The refinement is point-to-plane alignment
under a Geman-McClure kernel that narrows step by step (graduated non-convexity), which lets go of
moving things. On a stream it starts from the last motion, and GICP is only asked where that does not
lead home. Figures in docs/steps.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.transform import Rotation

from ..errors import EgoMotionError
from ..kernels.pillars import Pillars
from ..kernels.point_to_plane import moved, normal_equations, normals, off_planes, spread
from ..kernels.returns import rows_of
from ..settings import Settings
from ..sweep import EgoMotion, Sweep, SweepPair
from ..transforms import invert, rigid
from .cells import means
from .newest_sweeps import NewestSweeps

_MAX_RANGE = 100.0  # m, beyond, returns are too sparse for normals
_RESOLUTIONS = (0.4, 0.2, 0.1)  # m, voxels; the finer ones for small rooms
_ENOUGH_POINTS = 4000  # thinned points that make a finer voxel needless
_FEWEST_POINTS = 200  # thinned points that can carry a match
_NEIGHBOURS = 20  # points that give a normal; 10 may all lie on one ring of a sparse sensor
_REACHES = (3.0, 5.0)  # m, how far GICP looks for a match, first and second attempt
_REFINED_POINTS = 3000  # of the thinned ones, that are laid onto surfaces
_FEW = 3  # of them every so-many-th, where the motion is known more or less
_KERNELS = (0.30, 0.05)  # m, width of the robust kernel, first and last
_NARROWING = 0.6
_MAX_STEPS = 20
_DAMPING = 1e-6 * np.eye(6)
_ROUGH = 0.05  # of its middle spread, what a patch has across its plane that counts half; more, where most have more
_AGAIN = (0.005, 0.0005)  # m and rad of motion that ask for the nearest surfaces anew
_NEAR_START = (0.3, 0.03)  # m and rad from the start, within which the refinement alone is believed
_MATCHED = 0.15  # m, a point nearer to a surface of the target than this is matched
_UPRIGHT = 0.5  # |z| of the normal of a surface that is not ground-like
_LYING = 0.8  # likewise, above which it lies: roofs and slopes tell where the sensor is
_FEWEST_UPRIGHT = 50
_FEW_FACING = 10.0  # surfaces, fewer of which that face one way say little
_GOOD_SUPPORT, _DOUBTFUL = 0.5, 0.48  # likewise; below the second the best of all starts is doubtful. Of right matches
# one in a thousand has less, wrong ones that look right have 0.2 to 0.46
_GOOD_OVERLAP = 0.6  # no other start is tried; right matches of real sweeps have 0.7 and more
_CONSTRAINED = 0.03  # least share of the normals that must face each direction
_FASTEST = 70.0  # m/s
_FASTEST_TURN = 540.0  # deg/s
_CURE = "or give the sensor's motion (odometry)"


@dataclass(frozen=True, eq=False)
class _Match:
    """target_from_source, and how well it explains the source."""

    transform: np.ndarray
    overlap: float  # matched share of the points on upright surfaces
    support: float  # the same of those that face one way, that of which least are matched
    inliers: float  # matched share of all points
    rmse: float  # m, of the matched points' distance to their surface
    constraint: float  # matched normals' share along the direction seen worst


class ScanMatching:
    """Finds the motion over each pair of one stream; every sweep is prepared once."""

    def __init__(self, settings: Settings):
        try:
            import small_gicp
        except ImportError:
            raise EgoMotionError(
                'scan matching needs small_gicp, which is not installed: '
                "pip install small_gicp, or give the sensor's motion (odometry)"
            ) from None
        self._library = small_gicp
        # Half of the cores: on a busy machine threads that wait for each other cost more than they gain.
        self._threads = settings.threads or max(1, min((os.cpu_count() or 1) // 2, 4))
        self._min_overlap = settings.min_overlap
        self._clouds: NewestSweeps[_Cloud] = NewestSweeps()
        self._velocity = np.zeros(6)  # rotation vector and translation per second, of the last match

    def __call__(self, pair: SweepPair, about: EgoMotion | None = None) -> EgoMotion:
        """The sensor's motion, near `about` if it is right there; raises EgoMotionError where the sweeps do not tell
        it."""
        source, target = self._prepared(pair.source), self._prepared(pair.target)
        best: _Match | None = None
        enough = max(_GOOD_OVERLAP, self._min_overlap)
        if about is not None:
            # A source that was another pair's target has most of its normals: the target is laid onto it.
            start = invert(about.target_from_source)
            found = _refine(target.points[::_FEW], source, start)
            if (
                found.overlap > enough
                and found.support >= _GOOD_SUPPORT
                and _within(found.transform, start, _NEAR_START)
            ):
                return _motion(replace(found, transform=invert(found.transform)))
        last, still = _transform(self._velocity * pair.dt), np.eye(4)
        for start, reach in ((last, 0.0), (last, _REACHES[0]), (still, _REACHES[0]), (still, _REACHES[1])):
            if not reach and not self._velocity.any():
                continue
            found = self._match(source, target, start, reach)
            again = best is not None and _within(found.transform, best.transform, _NEAR_START)
            if best is None or found.overlap + found.support > best.overlap + best.support:
                best = found
            if best.overlap <= enough or best.support < (_DOUBTFUL if again else _GOOD_SUPPORT):
                continue
            if reach or _within(best.transform, start, _NEAR_START):
                break
        assert best is not None  # a start with a reach is always tried
        turn = Rotation.from_matrix(best.transform[:3, :3]).as_rotvec()
        velocity = np.concatenate([turn, best.transform[:3, 3]]) / pair.dt
        self._velocity = np.zeros(6)  # what the next pair starts from if this one is refused
        self._judge(best, velocity)
        self._velocity = velocity
        return _motion(best)

    def _prepared(self, sweep: Sweep) -> _Cloud:
        if sweep not in self._clouds:
            self._clouds[sweep] = self._prepare(sweep.points)
        return self._clouds[sweep]

    def _prepare(self, points: np.ndarray) -> '_Cloud':
        for resolution in _RESOLUTIONS:
            thinned, near = means(points, resolution, _MAX_RANGE)
            if near < _FEWEST_POINTS or len(thinned) >= _ENOUGH_POINTS:
                break
        if len(thinned) < _FEWEST_POINTS:
            raise EgoMotionError(
                f'scan matching needs {_FEWEST_POINTS} spread-out points within '
                f'{_MAX_RANGE:g} m, a sweep has {len(thinned)}: '
                f'check topic and range limits, {_CURE}'
            )
        return _Cloud(self._library, thinned, self._threads)

    def _match(self, source: '_Cloud', target: '_Cloud', start: np.ndarray, reach: float) -> _Match:
        """From `start`, GICP looks `reach` m around; 0: the refinement alone."""
        if reach:
            cloud, tree = target.for_gicp
            # One thread: several would add up in the order in which they end, each time otherwise in the last digits.
            start = self._library.align(
                cloud, source.for_gicp[0], tree, start, 'GICP', reach, 1, max_iterations=40
            ).T_target_source
        return _refine(source.points, target, start)

    def _judge(self, match: _Match, velocity: np.ndarray) -> None:
        """Refuse a match that cannot be trusted; `velocity` (6,) rad/s and m/s."""
        if not np.isfinite(match.transform).all() or match.overlap < self._min_overlap:
            raise EgoMotionError(
                f'scan matching explains {match.overlap:.0%} of the upright surfaces, '
                f'less than min_overlap {self._min_overlap:.0%}: '
                f'feed consecutive sweeps, {_CURE}'
            )
        if match.constraint < _CONSTRAINED:
            raise EgoMotionError(
                'scan matching cannot tell the motion, the scene looks the same along one '
                f'direction (open field, tunnel): let the sensor see more, {_CURE}'
            )
        speed, turn = np.linalg.norm(velocity[3:]), np.degrees(np.linalg.norm(velocity[:3]))
        if speed > _FASTEST or turn > _FASTEST_TURN:
            raise EgoMotionError(
                f'scan matching found {speed:.0f} m/s and {turn:.0f} deg/s, which no robot '
                f'does: check the time stamps of the sweeps, {_CURE}'
            )


class _Cloud:
    """A thinned sweep (N, 3) float64 m, ready to be matched.

    points  (n, 3), evenly of all: what the refinement lays onto the other cloud.
    """

    def __init__(self, library: Any, thinned: np.ndarray, threads: int):
        self._library, self._threads = library, threads
        self._thinned, self._pillars = thinned, Pillars(thinned)
        few = np.linspace(0, len(thinned) - 1, min(len(thinned), _REFINED_POINTS)).astype(np.int64)
        self.points = thinned.take(few, axis=0)
        self._normals, self._flat, self._rough = np.zeros_like(thinned), np.zeros(len(thinned)), _ROUGH
        self._has_normal = np.zeros(len(thinned), bool)

    @cached_property
    def for_gicp(self) -> tuple[Any, Any]:
        """small_gicp's cloud of all points, with covariances, and its tree; made only where GICP is asked."""
        cloud = self._library.PointCloud(self._thinned)
        tree = self._library.KdTree(cloud, num_threads=self._threads)
        self._library.estimate_covariances(cloud, tree, _NEIGHBOURS, self._threads)
        return cloud, tree

    def surfaces(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A point of the nearest surface to each of `points` (n, 3), its normal, how flat it is, (n,) 0 to 1, and the
        squared distance (n,)."""
        nearest, distance = self._pillars.nearest(points)
        # Normals cost most, and a third of the points is never the nearest one.
        is_asked = np.zeros(len(self._thinned), bool)
        is_asked[nearest] = True
        asked = np.flatnonzero(is_asked & ~self._has_normal)
        if len(asked):
            around = self._pillars.around(rows_of(self._thinned, asked), _NEIGHBOURS)
            self._normals[asked], rough = normals(self._thinned, around)
            if not self._has_normal.any():  # of a noisy sensor all are rough, and none the less surfaces
                self._rough = max(_ROUGH, float(np.median(np.append(rough[rough < np.inf], _ROUGH))))
            self._flat[asked] = 1 / (1 + (rough / self._rough) ** 2)
            self._has_normal[asked] = True
        surface, normal = rows_of(self._thinned, nearest), rows_of(self._normals, nearest)
        return surface, normal, self._flat.take(nearest), distance**2


def _refine(source: np.ndarray, target: _Cloud, transform: np.ndarray) -> _Match:
    """Robust point-to-plane alignment of points (n, 3) of the source to the target, from a start nearby."""
    kernel, last = _KERNELS
    seen_from = None
    for _ in range(_MAX_STEPS):
        points = moved(source, transform)
        if seen_from is None or not _within(transform, seen_from, _AGAIN):
            surface, normal, flat, squared = target.surfaces(points)
            weight, seen_from = _balanced(normal, flat), transform
        matrix, right = normal_equations(points, surface, normal, weight, squared, max(3 * kernel, 0.6), kernel)
        # The damping only keeps a scene without enough surfaces solvable; `_judge` refuses it.
        step = np.linalg.solve(matrix + _DAMPING, right)
        transform = _transform(step) @ transform
        settled = np.linalg.norm(step[:3]) < 1e-4 and np.linalg.norm(step[3:]) < 1e-3
        if settled and kernel == last:
            break
        kernel = max(last, kernel * (_NARROWING / 2 if settled else _NARROWING))

    off = off_planes(moved(source, transform), surface, normal)
    matched, known = (off < _MATCHED) & (squared < 1.0), off < np.inf
    upright = known & (np.abs(normal[:, 2]) < _UPRIGHT)
    if np.count_nonzero(upright) < _FEWEST_UPRIGHT:
        upright = known
    count, facing = spread(normal, matched)
    (every, all_facing), (some, some_facing) = spread(normal, upright), spread(normal, upright & matched)
    return _Match(
        transform,
        some / every if every else float('nan'),
        _support(some_facing, all_facing),
        count / len(off),
        float(np.sqrt(np.mean(off[matched] ** 2))) if count else np.inf,
        float(np.linalg.eigvalsh(facing / len(off))[0]),
    )


def _balanced(normal: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Weights (n,) of surfaces by their normals (n, 3) and how flat they are, (n,) 0 to 1: all that lies counts no more
    than all the rest. The ground's rings move with the sensor, and their patches, each a little askew, pull towards
    rest; where what stands is little or rough, they would outweigh it."""
    lies = np.abs(normal[:, 2]) > _LYING
    lying = flat @ lies
    rest = flat.sum() - lying
    return flat if lying <= rest else np.where(lies, flat * (rest / lying), flat)


def _motion(match: _Match) -> EgoMotion:
    return EgoMotion(
        match.transform, 'scan_matching', match.inliers, match.rmse, match.overlap, match.support, _doubt(match)
    )


def _doubt(match: _Match) -> str:
    """Why the best match may be wrong, '' if nothing says so."""
    if match.support >= _DOUBTFUL:
        return ''
    return (
        f'of the surfaces that face one way scan matching explains {match.support:.0%} only, so the motion that '
        f'way may be wrong: see that the stamps are even (ssrflow doctor), {_CURE}'
    )


def _support(matched: np.ndarray, all_of_them: np.ndarray) -> float:
    """Share of the surfaces that are matched, of those that face one level direction: the least over all directions,
    by the sums (3, 3) of their normals' outer products. A match that is wrong along a street explains the fronts of its
    houses, and nothing else."""
    few = _FEW_FACING * np.eye(2)
    return float(eigh(matched[:2, :2] + few, all_of_them[:2, :2] + few, eigvals_only=True)[0])


def _within(one: np.ndarray, other: np.ndarray, limits: tuple[float, float]) -> bool:
    """Whether two transforms differ by less than `limits`, m and rad."""
    turn = np.linalg.norm(one[:3, :3] - other[:3, :3]) / np.sqrt(2)  # the angle, where it is small
    return bool(np.linalg.norm(one[:3, 3] - other[:3, 3]) < limits[0] and turn < limits[1])


def _transform(motion: np.ndarray) -> np.ndarray:
    """(4, 4) transform of a rotation vector and a translation, (6,)."""
    return rigid(Rotation.from_rotvec(motion[:3]).as_matrix(), motion[3:])
