"""What goes wrong outside: weather, second returns, a sensor mounted another way, the robot in view, stamps at arrival.

Each takes the sweeps of a recording, in their order, and gives them disturbed, with the truth that belongs to them. The
same seed gives the same disturbance.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Iterable, Iterator

import numpy as np

from ..sweep import FIRST_STAMP_NS
from .classes import CLASS_ID
from .simulate import LabelledSweep

_NEAREST = 1.0  # m, where the first drops are seen
_RAIN = 3.0  # m, mean depth beyond at which a beam ends at a drop
_SNOW = 15.0  # m, up to which a flake is seen
_BEHIND = 0.3, 4.0  # m, by which a second return lies behind the first
_SCATTER = 0.003  # m, by which it is off the first one's beam
_ROOF, _ROOF_BELOW = (-1.5, 0.7, -0.7, 0.7), (0.25, 0.5)  # m: x, y of the plate, and z that it lies below the sensor
_MAST, _MAST_RADIUS, _MAST_TOP = (0.9, 0.4), 0.04, 0.5  # m
_PLUME_AWAY, _PLUME_SIZE, _PLUME_DEPTH = (4.0, 15.0), (1.0, 3.0), 3.0  # m; the mean way of a beam in dust


@dataclass(frozen=True)
class Weather:
    """What is in the air, and whether beams return twice.

    rain    share of the beams that end at a drop, 1 m and on average 3 m more away; 0.03 is heavy.
    snow    flakes that return a sweep, as many in each metre up to 15 m; 3000 is dense.
    dust    plumes, each a ball of 1 to 3 m that drifts, 4 to 15 m from where the recording begins.
    second_returns  share of the returns behind which there is a second one, 0.3 to 4 m; of dual returns 0.05 to 0.2.
    """

    rain: float = 0.0
    snow: int = 0
    dust: int = 0
    second_returns: float = 0.0


def weathered(sweeps: Iterable[LabelledSweep], weather: Weather, seed: int = 0) -> Iterator[LabelledSweep]:
    """The sweeps in that weather. What returns from the air stands, has no mover, and bears the class 'object'."""
    origin = None
    for number, sweep in enumerate(sweeps):
        origin = sweep.pose if origin is None else origin
        rng = np.random.default_rng([seed, 2, number])
        points = sweep.sweep.points
        reach = np.linalg.norm(points, axis=1)
        beams = points / np.maximum(reach, 1e-6)[:, None]
        ends = _in_the_air(beams, sweep, origin, weather, seed, rng)
        airborne = ends < reach
        points = np.where(airborne[:, None], beams * np.minimum(ends, reach)[:, None], points).astype(np.float32)
        doubled = np.flatnonzero(rng.random(len(points)) < weather.second_returns)
        behind = points[doubled] + beams[doubled] * rng.uniform(*_BEHIND, (len(doubled), 1))
        behind += _SCATTER * rng.standard_normal(behind.shape)
        rows = np.concatenate([np.arange(len(points)), doubled])
        stray = np.concatenate([airborne, np.ones(len(doubled), bool)])
        yield _disturbed(sweep, np.concatenate([points, behind.astype(np.float32)]), rows, stray)


def mounted(sweeps: Iterable[LabelledSweep], turn: np.ndarray) -> Iterator[LabelledSweep]:
    """As the same sensor, mounted another way, gives them: `turn` (3, 3) leads from its axes here to those there.
    Boxes keep their yaw, which is then of no use."""
    turn_f = turn.astype(np.float32)
    pose_turn = np.eye(4)
    pose_turn[:3, :3] = turn
    for sweep in sweeps:
        boxes = sweep.boxes.copy()
        boxes[:, :3] = boxes[:, :3] @ turn.T
        vectors = {
            name: getattr(sweep, name) @ turn_f.T
            for name in ('flow_next', 'motion_next', 'motion_previous', 'velocity')
        }
        poses = {name: getattr(sweep, name) @ pose_turn.T for name in ('pose', 'pose_next')}
        moved = dataclasses.replace(sweep.sweep, points=np.ascontiguousarray(sweep.sweep.points @ turn_f.T))
        yield dataclasses.replace(sweep, sweep=moved, boxes=boxes, **vectors, **poses)


def with_own_body(sweeps: Iterable[LabelledSweep], seed: int = 0) -> Iterator[LabelledSweep]:
    """The sweeps of a sensor that sees its own robot: beams end at a roof behind and below it, and at a mast.

    What rides along stands, has no mover, and bears the class 'object', as if it were of the world.
    """
    below = np.random.default_rng([seed, 5]).uniform(*_ROOF_BELOW)
    for number, sweep in enumerate(sweeps):
        rng = np.random.default_rng([seed, 6, number])
        reach = np.linalg.norm(sweep.sweep.points, axis=1)
        beams = sweep.sweep.points / np.maximum(reach, 1e-6)[:, None]
        ends = _on_own_body(beams, below) + rng.normal(0, 0.01, len(beams))
        own = ends < reach
        points = np.where(own[:, None], beams * np.minimum(ends, reach)[:, None], sweep.sweep.points)
        yield _disturbed(sweep, points.astype(np.float32), np.arange(len(points)), own)


def restamped(sweeps: Iterable[LabelledSweep], jitter: float, seed: int = 0) -> Iterator[LabelledSweep]:
    """Stamped at arrival: each up to `jitter` of the period late, in the order in which they are. What is true of a
    sweep's velocity is still by the time at which it was measured."""
    rng = np.random.default_rng([seed, 4])
    for sweep in sweeps:
        late = round(rng.uniform(0.0, jitter) * sweep.dt * 1e9)
        yield dataclasses.replace(sweep, sweep=dataclasses.replace(sweep.sweep, stamp_ns=sweep.sweep.stamp_ns + late))


def _in_the_air(
    beams: np.ndarray, sweep: LabelledSweep, origin: np.ndarray, weather: Weather, seed: int, rng: np.random.Generator
) -> np.ndarray:
    """(N,) m, where in the air each of the `beams` (N, 3) of a sweep ends, inf for most; `origin` (4, 4): where the
    recording begins."""
    ends = np.full(len(beams), np.inf)
    wet = np.flatnonzero(rng.random(len(beams)) < weather.rain)
    ends[wet] = _NEAREST + rng.exponential(_RAIN, len(wet))
    hit = rng.integers(0, max(len(beams), 1), weather.snow if len(beams) else 0)
    ends[hit] = np.minimum(ends[hit], rng.uniform(_NEAREST, _SNOW, len(hit)))
    time = (sweep.sweep.stamp_ns - FIRST_STAMP_NS) * 1e-9
    for plume in range(weather.dust):
        drawn = np.random.default_rng([seed, 3, plume])  # one plume, in all sweeps
        bearing, away, wind = drawn.uniform(-np.pi, np.pi), drawn.uniform(*_PLUME_AWAY), drawn.normal(0, 1.0, 2)
        place = origin[:3, 3] + [away * np.cos(bearing) + wind[0] * time, away * np.sin(bearing) + wind[1] * time, 0.0]
        centre = (place - sweep.pose[:3, 3]) @ sweep.pose[:3, :3]
        radius = drawn.uniform(*_PLUME_SIZE)
        along = beams @ centre
        half = np.sqrt(np.maximum(radius**2 - centre @ centre + along**2, 0.0))
        depth = np.maximum(along - half, _NEAREST) + rng.exponential(_PLUME_DEPTH, len(beams))
        ends = np.where((depth < along + half) & (half > 0), np.minimum(ends, depth), ends)
    return ends


def _on_own_body(beams: np.ndarray, below: float) -> np.ndarray:
    """(N,) m, where each of the `beams` (N, 3) meets the roof, `below` m lower than the sensor, or the mast; inf for
    most."""
    level = np.maximum(np.hypot(beams[:, 0], beams[:, 1]), 1e-6)
    roof = np.where(beams[:, 2] < -1e-6, -below / np.minimum(beams[:, 2], -1e-6), np.inf)
    with np.errstate(invalid='ignore'):
        x, y = roof * beams[:, 0], roof * beams[:, 1]
        on_roof = (x > _ROOF[0]) & (x < _ROOF[1]) & (y > _ROOF[2]) & (y < _ROOF[3])
    away = np.hypot(*_MAST)
    off = np.abs(_MAST[0] * beams[:, 1] - _MAST[1] * beams[:, 0]) / level
    ahead = _MAST[0] * beams[:, 0] + _MAST[1] * beams[:, 1] > 0
    mast = away / level
    on_mast = ahead & (off < _MAST_RADIUS) & (mast * beams[:, 2] < _MAST_TOP) & (mast * beams[:, 2] > -below)
    return np.minimum(np.where(on_roof, roof, np.inf), np.where(on_mast, mast, np.inf))


def _disturbed(sweep: LabelledSweep, points: np.ndarray, rows: np.ndarray, stray: np.ndarray) -> LabelledSweep:
    """`points` (M, 3) in place of those of a sweep, with the truth of its `rows` (M,); what is `stray` stands."""
    ego = np.linalg.inv(sweep.pose_next) @ sweep.pose
    flow = points @ (ego[:3, :3] - np.eye(3)).T + ego[:3, 3]
    return dataclasses.replace(
        sweep,
        sweep=dataclasses.replace(sweep.sweep, points=points, rows=np.arange(len(points)), n_rows=len(points)),
        flow_next=np.where(stray[:, None], flow, sweep.flow_next[rows]).astype(np.float32),
        object_id=np.where(stray, -1, sweep.object_id[rows]).astype(np.int32),
        class_id=np.where(stray, CLASS_ID['object'], sweep.class_id[rows]).astype(np.uint8),
        ground=sweep.ground[rows] & ~stray,
        intensity=np.where(stray, 5.0, sweep.intensity[rows]).astype(np.float32),
        motion_next=_still(sweep.motion_next[rows], stray),
        motion_previous=_still(sweep.motion_previous[rows], stray),
        velocity=_still(sweep.velocity[rows], stray),
    )


def _still(vectors: np.ndarray, stray: np.ndarray) -> np.ndarray:
    return np.where(stray[:, None], 0, vectors).astype(np.float32)
