"""What moves: how many, how fast, on which ways; traffic on a street, wanderers in a hall or a yard."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .motion import FreeMotion, GroundMotion, Path
from .stage import Stage
from .terrain import Terrain


def how_many(rng: np.random.Generator, most: int = 40) -> int:
    """0 to `most` movers, oftener few than many."""
    return 0 if rng.random() < 0.04 else int(1 + (most - 1) * rng.random() ** 1.3)


_SPEEDS = {
    'car': (0, 18),
    'van': (0, 16),
    'bus': (0, 13),
    'truck': (0, 14),
    'motorcycle': (1, 20),
    'cyclist': (1.5, 9),
    'scooter': (1, 7),
    'cart': (0.2, 2.2),
    'forklift': (0.2, 4),
    'animal': (0, 5),
}


def _speed(rng: np.random.Generator, kind: str) -> float:
    if kind == 'pedestrian':
        return float(
            rng.choice(
                [0.0, rng.uniform(0.3, 1.0), rng.uniform(0.9, 1.8), rng.uniform(1.8, 2.7), rng.uniform(2.8, 5.5)],
                p=[0.12, 0.25, 0.43, 0.12, 0.08],
            )
        )
    low, high = _SPEEDS[kind]
    if kind in ('car', 'motorcycle') and rng.random() < 0.12:
        return float(rng.uniform(high, 30))
    return float(low + (high - low) * rng.random() ** 1.3)


def _going(
    rng: np.random.Generator, terrain: Terrain, path: Path, kind: str, speed: float, moment: float
) -> GroundMotion:
    """Motion along `path` in the manner of `kind`: on foot upright and bobbing, on wheels with the slope."""
    surge_rate = rng.uniform(0.4, 1.5)
    surge = min(speed, (1.0 if kind in ('pedestrian', 'animal', 'cart') else 3.0) / surge_rate) * rng.random()
    manner: dict[str, Any] = {}
    if kind in ('pedestrian', 'animal'):
        manner = dict(
            upright=True,
            bob=0.015 if speed else 0.0,
            bob_cycles=1.5,
            softness=0.6,
            sway=(0.02, 0.02, 0.08 if speed else rng.choice([0.05, 0.6, 1.5])),
            sway_rate=rng.uniform(0.8, 3),
        )
    elif kind in ('cyclist', 'motorcycle', 'scooter'):
        manner = dict(sway=(0.06, 0.0, 0.04), sway_rate=rng.uniform(1, 3))
    return GroundMotion(
        terrain, path, speed, moment, surge=surge, surge_rate=surge_rate, phase=rng.uniform(0, 6), **manner
    )


def _wandering_path(rng: np.random.Generator, x: float, y: float, yaw: float, kind: str, lasting: bool) -> Path:
    """Straight, curved, weaving, turning about, or (for long recordings) round and round."""
    tightest = (
        1.0
        if kind in ('pedestrian', 'animal', 'cart', 'scooter')
        else 4.0
        if kind in ('forklift', 'cyclist', 'motorcycle')
        else 7.0
    )
    if lasting:
        straight, radius = rng.uniform(1, 12), tightest * rng.uniform(1.5, 3)
        side = rng.choice([-1, 1])
        lengths = np.tile([straight, np.pi * radius], 20)
        return Path((x, y, yaw), lengths, np.tile([0.0, side / radius], 20))
    style = rng.random()
    if style < 0.4:
        return Path.arc(x, y, yaw)
    if style < 0.7:
        return Path.arc(x, y, yaw, rng.choice([-1, 1]) / (tightest * rng.uniform(1, 8)))
    lengths = rng.uniform(1, 6, 6) * tightest
    bends = rng.uniform(-1, 1, 6) * rng.choice([0.3, 1.0]) / tightest
    return Path((x, y, yaw), lengths, bends)


def wanderers(stage: Stage, kinds: dict[str, float], count: int, inside: Callable[[float, float], bool]) -> None:
    """Up to `count` movers anywhere `inside`; some in company, some pushed by a person."""
    rng = stage.rng
    names, weight = list(kinds), np.array(list(kinds.values())) * rng.gamma(0.7, size=len(kinds))
    for _ in range(count * 3):
        if len(stage.actors) >= count:
            return
        kind = str(rng.choice(names, p=weight / weight.sum()))
        moment, x, y = stage.near_robot()
        if not inside(x, y):
            continue
        if kind in ('blob', 'drone'):
            _fly(stage, kind, moment, x, y)
            continue
        speed, yaw = _speed(rng, kind), rng.uniform(-np.pi, np.pi)
        path = _wandering_path(rng, x, y, yaw, kind, stage.duration > 4.0)
        motion = _going(rng, stage.terrain, path, kind, speed, moment)
        if not all(inside(*place) for place in motion.places(stage.clock[[0, -1]])[:, :2]):
            continue
        if not stage.add(kind, speed, motion, moment):
            continue
        if kind == 'pedestrian' and rng.random() < 0.25:
            _company(stage, motion, speed)
        elif kind == 'cart' and rng.random() < 0.5:
            stage.add(
                'pedestrian',
                speed,
                GroundMotion(
                    stage.terrain,
                    path,
                    speed,
                    moment,
                    origin=-1.6,
                    surge=motion.surge,
                    surge_rate=motion.surge_rate,
                    phase=motion.phase,
                    upright=True,
                ),
                moment,
            )


def _company(stage: Stage, leader: GroundMotion, speed: float) -> None:
    """One to three people who walk beside `leader`, or a dog on its lead."""
    rng = stage.rng
    for rank in range(rng.integers(1, 4)):
        kind = 'animal' if rng.random() < 0.2 else 'pedestrian'
        x, y, yaw = leader.path.start
        beside = (0.7 + 0.65 * rank) * rng.choice([-1, 1])
        path = Path(
            (x - beside * np.sin(yaw), y + beside * np.cos(yaw), yaw), leader.path.lengths, leader.path.curvatures
        )
        stage.add(kind, speed, _going(rng, stage.terrain, path, kind, speed, leader.meeting), leader.meeting)


def _fly(stage: Stage, kind: str, moment: float, x: float, y: float) -> None:
    """A body in the air, or tumbling over the ground, with an arbitrary motion in three dimensions."""
    rng = stage.rng
    axis = rng.normal(size=3)
    speed = rng.choice([rng.uniform(0, 1), rng.uniform(0.5, 5), rng.uniform(3, 15)], p=[0.3, 0.5, 0.2])
    velocity = rng.normal(size=3) * [1, 1, 0.3 if kind == 'blob' else 0.6]
    velocity *= speed / np.linalg.norm(velocity)
    if stage.duration > 4.0:
        velocity = velocity * 0.1
    ground = float(stage.terrain.height(x, y))
    height = rng.uniform(0.2, 1.6) if rng.random() < 0.6 and kind == 'blob' else rng.uniform(1, 8)
    flat = kind == 'drone' or rng.random() < 0.3
    stage.add(
        kind,
        0.0,
        FreeMotion(
            np.array([x, y, ground + height]),
            velocity,
            rng.uniform(0, 1.0, 3) * [1, 1, 0.4],
            rng.uniform(0.3, 3.0, 3),
            np.array([0.0, 0.0, 1.0]) if flat else axis / np.linalg.norm(axis),
            rng.normal(0, 1.5),
            rng.uniform(0, 6),
            moment,
        ),
        moment,
    )


_TRAFFIC = {
    'car': 5,
    'van': 1.2,
    'bus': 0.8,
    'truck': 1.0,
    'motorcycle': 1.0,
    'cyclist': 2.0,
    'pedestrian': 5,
    'scooter': 0.6,
    'animal': 0.6,
    'cart': 0.4,
    'drone': 0.25,
    'blob': 0.8,
}
"""How often each kind comes on a street."""
_SLOW = ('pedestrian', 'animal', 'cart', 'scooter')
"""Kinds that go on the pavement, and cross the road anywhere."""


def traffic(stage: Stage, count: int, road: float, pavement: float, crossing: tuple[float, float] | None) -> None:
    """Vehicles on lanes, on crossing roads and turning; people on the pavement and over the road."""
    rng, terrain = stage.rng, stage.terrain
    names, weight = list(_TRAFFIC), np.array(list(_TRAFFIC.values())) * rng.gamma(0.8, size=len(_TRAFFIC))
    for _ in range(count * 3):
        if len(stage.actors) >= count:
            return
        kind = str(rng.choice(names, p=weight / weight.sum()))
        moment, x, y = stage.near_robot()
        if kind in ('blob', 'drone'):
            _fly(stage, kind, moment, x, y)
            continue
        speed = _speed(rng, kind)
        along, across = terrain.to_road(x, y)
        manner = rng.random()
        oncoming = rng.choice([-1, 1])
        if manner < 0.12:
            # Anywhere and anyhow: parking, wandering, crossing a forecourt.
            across = np.clip(across, -road - pavement, road + pavement)
            at_x, at_y, _ = terrain.to_world(along, across)
            path = _wandering_path(rng, float(at_x), float(at_y), rng.uniform(-np.pi, np.pi), kind, False)
            speed = min(speed, 6.0)
        elif (kind in _SLOW and manner < 0.3) or (crossing and manner < 0.4):
            path = _way_across(stage, kind, along, across, oncoming, road, crossing)
        else:
            path = _way_along(stage, kind, along, oncoming, road, pavement)
            if kind not in _SLOW and rng.random() < 0.15 and stage.duration < 4.0:
                path, speed = _turning_off(rng, path), min(speed, 10.0)
        motion = _going(rng, terrain, path, kind, speed, moment)
        if stage.add(kind, speed, motion, moment) and kind == 'pedestrian' and rng.random() < 0.25:
            _company(stage, motion, speed)


def _way_across(
    stage: Stage,
    kind: str,
    along: np.ndarray,
    across: np.ndarray,
    oncoming: int,
    road: float,
    crossing: tuple[float, float] | None,
) -> Path:
    """Across the road, at the crossing if it drives."""
    rng, terrain = stage.rng, stage.terrain
    if crossing and kind not in _SLOW:
        along = np.asarray(crossing[0] + rng.uniform(-0.6, 0.6) * crossing[1])
    at_x, at_y, yaw = terrain.to_world(along, np.clip(across, -2 * road, 2 * road) if kind in _SLOW else across)
    return Path.arc(float(at_x), float(at_y), float(yaw) + oncoming * np.pi / 2 + rng.normal(0, 0.1))


def _way_along(stage: Stage, kind: str, along: np.ndarray, oncoming: int, road: float, pavement: float) -> Path:
    """Along the road: on the pavement, or on the right side of the lane."""
    rng, terrain = stage.rng, stage.terrain
    if kind in _SLOW and rng.random() < 0.85:
        across = rng.choice([-1, 1]) * (road + pavement * rng.uniform(0.15, 0.95))
    else:
        across = -oncoming * road * rng.uniform(0.15, 0.7) if kind != 'cyclist' else -oncoming * (road - 0.8)
    at_x, at_y, yaw = terrain.to_world(along, across)
    bend = oncoming * terrain.curvature / (1 - terrain.curvature * across)
    turn = 0.0 if oncoming > 0 else np.pi
    return Path.arc(float(at_x), float(at_y), float(yaw) + turn + rng.normal(0, 0.02), bend)


def _turning_off(rng: np.random.Generator, path: Path) -> Path:
    """A turn off the way, or about."""
    radius = rng.uniform(5, 15)
    return Path(
        path.start,
        np.array([rng.uniform(0.1, 8), radius * rng.uniform(0.8, 3.1), 1.0]),
        np.array([path.curvatures[0], rng.choice([-1, 1]) / radius, 0.0]),
    )
