"""Places that the robot stays in: a hall and a yard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import scenery
from .bodies import BODIES
from .motion import Path
from .movers import how_many, wanderers
from .stage import Scene, Stage, draw_carrier, draw_mount, draw_waves
from .terrain import Terrain


def hall(rng: np.random.Generator, duration: float) -> Scene:
    """A warehouse, workshop, lobby or corridor with racks, goods, people, carts and forklifts."""
    narrow = rng.random() < 0.2
    length = rng.uniform(20, 70)
    width = rng.uniform(2.6, 6.0) if narrow else rng.uniform(12, 50)
    height = rng.uniform(2.5, 4.0) if narrow else rng.uniform(3.5, 12)
    ramp = (rng.uniform(-10, 10), rng.uniform(4, 12), rng.uniform(-1.2, 1.2)) if rng.random() < 0.15 else None
    terrain = Terrain(waves=draw_waves(rng, rng.choice([0.0, 0.004])), slope=(0.0, 0.0), ramp=ramp)
    speed = 0.0 if rng.random() < 0.2 else rng.uniform(0.1, 2.2)
    stage = _indoor_stage(rng, terrain, duration, length, width, speed)
    stage.meshes += [
        terrain.mesh((-length / 2 - 4, length / 2 + 4), (-width / 2 - 4, width / 2 + 4), 4.0, rng.uniform(0.15, 0.6)),
        scenery.room(rng, length, width, height, rng.random() < 0.6),
    ]

    def inside(x: float, y: float) -> bool:
        return abs(x) < length / 2 - 0.6 and abs(y) < width / 2 - 0.6

    if not narrow:
        turn = rng.choice([0.0, np.pi / 2])
        for _ in range(rng.integers(0, 4)):
            size = rng.uniform(2, 12)
            wall = scenery.wall(rng, size, rng.choice([1.2, height]))
            x, y = rng.uniform(-0.4, 0.4, 2) * (length, width)
            stage.put(wall, x, y, rng.choice([0.0, np.pi / 2]), size, 0.4)
        for _ in range(rng.integers(0, 16)):
            size = rng.uniform(3, 14)
            x, y = rng.uniform(-0.5, 0.5, 2) * (length - 2, width - 2)
            end = np.array([np.cos(turn), np.sin(turn)]) * size / 2
            if inside(x + end[0], y + end[1]) and inside(x - end[0], y - end[1]):
                stage.put(scenery.rack(rng, size), x, y, turn, size, 1.0, margin=1.0)
        step = rng.uniform(5, 12)
        if rng.random() < 0.5:
            for x in np.arange(-length / 2 + step, length / 2, step):
                for y in np.arange(-width / 2 + step, width / 2, step):
                    column = scenery.boxes([0, 0, height / 2], [0.5, 0.5, height], 0.5).named('pole')
                    stage.put(column, x, y, 0.0, 0.5, 0.5, margin=0.8)
    for _ in range(rng.integers(0, 8 if narrow else 30)):
        x, y = rng.uniform(-0.5, 0.5, 2) * (length - 1.5, width - 1.5)
        if rng.random() < 0.12:
            still = BODIES[str(rng.choice(['forklift', 'cart', 'pedestrian', 'car']))](rng)
            if not narrow:
                stage.put(still.at_rest(), x, y, rng.uniform(0, 6), 2 * still.radius, still.radius, margin=0.8)
        else:
            stage.put(
                (scenery.goods, scenery.furniture)[rng.integers(2)](rng),
                x,
                y,
                rng.choice([0.0, rng.uniform(0, 6)]),
                1.0,
                0.8,
                margin=0.8,
            )
    kinds = {'pedestrian': 5, 'cart': 2.5, 'forklift': 1.5, 'scooter': 0.4, 'drone': 0.6, 'blob': 1.2, 'animal': 0.3}
    wanderers(stage, kinds, how_many(rng, 6 if narrow else 30), inside)
    return stage.scene('hall', draw_mount(rng))


def _indoor_stage(
    rng: np.random.Generator, terrain: Terrain, duration: float, length: float, width: float, speed: float
) -> Stage:
    """A robot that keeps `inside` a rectangle about the origin for the whole recording."""
    height = rng.choice([rng.uniform(0.3, 0.8), rng.uniform(0.6, 2.2)])
    times = np.linspace(-0.2, duration + 0.2, 24)
    for _ in range(30):
        x, y = rng.uniform(-0.5, 0.5, 2) * (0.8 * length, 0.7 * width)
        yaw = rng.uniform(-np.pi, np.pi) if width > 8 else rng.choice([0.0, np.pi]) + rng.normal(0, 0.05)
        radius = rng.uniform(0.5, 6)
        path = Path.arc(x, y, yaw, rng.choice([0.0, 1 / radius, -1 / radius]))
        if duration > 4.0:
            straight, radius = rng.uniform(0.2, 0.35) * length, min(radius, 0.2 * width)
            path = Path((x, y, yaw), np.tile([straight, np.pi * radius], 20), np.tile([0.0, 1 / radius], 20))
        # A robot that turns tightly also goes slowly: no more than 1 rad/s.
        carrier = draw_carrier(rng, terrain, path, min(speed, radius) if path.curvatures.any() else speed, height)
        way = carrier.places(times)[:, :2]
        if np.all(np.abs(way) < (length / 2 - 0.9, width / 2 - 0.9)):
            return Stage(rng, terrain, carrier, duration)
    return Stage(rng, terrain, draw_carrier(rng, terrain, Path.arc(0, 0, 0), 0.0, height), duration)


def yard(rng: np.random.Generator, duration: float) -> Scene:
    """Open ground with containers, heaps, walls, parked vehicles and plants; people, animals, machines."""
    size = rng.uniform(40, 95)
    wild = rng.random()
    steep = rng.choice([0.01, 0.05, 0.12])
    ramp = (rng.uniform(-20, 20), rng.uniform(5, 15), rng.uniform(-1.5, 1.5)) if rng.random() < 0.2 else None
    terrain = Terrain(waves=draw_waves(rng, steep), slope=tuple(rng.normal(0, steep / 2, 2)), ramp=ramp)
    speed = 0.0 if rng.random() < 0.2 else rng.choice([rng.uniform(0.1, 2.2), rng.uniform(1, 8)], p=[0.75, 0.25])
    stage = _indoor_stage(rng, terrain, duration, size, size, speed)
    if rng.random() < 0.35:
        stage = Stage(rng, terrain, replace(stage.carrier, lift=rng.uniform(1.5, 3.2)), duration)
    stage.meshes.append(terrain.mesh((-size, size), (-size, size), 3.5, rng.uniform(0.15, 0.45)))
    _buildings(stage, size)
    _things(stage, size, wild)
    kinds = {
        'pedestrian': 4,
        'animal': 2,
        'cart': 1,
        'forklift': 1,
        'truck': 0.6,
        'car': 0.8,
        'van': 0.5,
        'cyclist': 0.8,
        'motorcycle': 0.4,
        'scooter': 0.3,
        'drone': 0.8,
        'blob': 2.0,
        'bus': 0.2,
    }
    wanderers(stage, kinds, how_many(rng), lambda x, y: max(abs(x), abs(y)) < 0.9 * size)
    return stage.scene('yard', draw_mount(rng))


def _buildings(stage: Stage, size: float) -> None:
    """Walls, fences, hedges and houses about a yard of `size` metres to each side."""
    rng = stage.rng
    for _ in range(rng.integers(0, 8)):
        length, turn = rng.uniform(5, 30), rng.uniform(0, np.pi)
        x, y = rng.uniform(-0.6, 0.6, 2) * size
        build = (scenery.wall, scenery.fence, scenery.hedge)[rng.integers(3)]
        stage.put(build(rng, length, rng.uniform(0.6, 3.0)), x, y, turn, length, 0.4)
    for _ in range(rng.integers(0, 5)):
        wide, deep = rng.uniform(6, 25, 2)
        bearing, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.8) * size
        stage.put(
            scenery.building(rng, wide, deep, rng.uniform(3, 12)).moved(y=-deep / 2),
            away * np.cos(bearing),
            away * np.sin(bearing),
            bearing - np.pi / 2,
            wide,
            deep,
        )


def _things(stage: Stage, size: float, wild: float) -> None:
    """Plants, the more the wilder (0 to 1), goods, containers, heaps and parked vehicles."""
    rng, terrain = stage.rng, stage.terrain
    for _ in range(rng.integers(5, 45)):
        x, y = rng.normal(0, 0.3, 2) * size
        turn, choice = rng.uniform(0, 2 * np.pi), rng.random()
        if choice < 0.35 + 0.3 * wild:
            plant = (scenery.tree, scenery.bush)[rng.integers(2)]
            stage.put(plant(rng), x, y, turn, 0.8, 0.8, margin=1.0)
        elif choice < 0.78:
            stage.put((scenery.goods, scenery.furniture, scenery.pole)[rng.integers(3)](rng), x, y, turn, 1.0, 0.8)
        elif choice < 0.84:
            stage.put(scenery.container(rng), x, y, turn, 12.0, 2.4)
        elif choice < 0.9:
            stage.put(scenery.heap(rng), x, y, turn, 5.0, 5.0)
        else:
            parked = BODIES[str(rng.choice(['car', 'van', 'truck', 'forklift', 'cart', 'bus']))](rng)
            stage.put(parked.at_rest(), x, y, turn, 2 * parked.radius, 2.2)
    if wild > 0.4:
        for _ in range(rng.integers(1, 8)):
            x, y = rng.normal(0, 0.25, 2) * size
            stage.meshes.append(scenery.grass(rng, 10, 10).moved(x, y, float(terrain.height(x, y))))
