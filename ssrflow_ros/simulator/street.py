"""A street: the road, what stands beside it, and how the robot goes along it."""

from __future__ import annotations

from typing import Callable

import numpy as np

from . import scenery
from .bodies import BODIES
from .motion import Path
from .movers import how_many, traffic
from .stage import Scene, Stage, draw_carrier, draw_mount, draw_waves
from .terrain import Terrain


def street(rng: np.random.Generator, duration: float) -> Scene:
    """A road between houses, walls and trees, with traffic; straight, curved or with a crossing."""
    return _street(rng, duration, how_many)


def quiet_street(rng: np.random.Generator, duration: float) -> Scene:
    """The same with three movers at most, more along a long drive: what seems to move there mostly stands."""
    return _street(rng, duration, lambda rng: int(rng.choice([0, 0, 1, 2, 3])))


def _street(rng: np.random.Generator, duration: float, movers: Callable[[np.random.Generator], int]) -> Scene:
    road, pavement = rng.uniform(2.8, 8.5), rng.uniform(1.5, 5.5)
    walks = rng.random() < 0.25
    fastest = 300.0 / max(duration, 12.0)
    if walks:
        speed, height = rng.uniform(0.3, 2.0), rng.uniform(0.3, 1.3)
    else:
        speed, height = (min(rng.uniform(1, 25), fastest), rng.choice([rng.uniform(1.4, 2.2), rng.uniform(1.8, 3.2)]))
    if rng.random() < 0.2:
        speed = 0.0
    reach = rng.uniform(70, 95)
    ahead = speed * 1.2 * duration + reach
    bend = 0.0 if rng.random() < 0.5 else rng.choice([-1, 1]) * min(1 / rng.uniform(50, 250), 4.0 / (ahead + reach))
    crossing = (rng.uniform(-20, 45), rng.uniform(3, 7)) if rng.random() < 0.4 else None
    steep = rng.choice([0.005, 0.03, 0.08])
    terrain = Terrain(
        bend,
        road,
        rng.choice([0.0, 0.03, 0.12, 0.16]),
        crossing,
        draw_waves(rng, steep),
        tuple(rng.normal(0, steep / 2, 2)),
    )
    side = -rng.choice([1, 1, 1, -1])
    lane = side * (road + pavement * rng.uniform(0.35, 0.65)) if walks else side * road * rng.uniform(0.2, 0.6)
    x, y, yaw = (float(value) for value in terrain.to_world(0.0, lane))
    path = Path.arc(x, y, yaw, bend / (1 - bend * lane))
    if crossing and not walks and rng.random() < 0.4:
        # The robot turns off; where it is on its way when the recording begins is left to chance.
        radius, straight = rng.uniform(6, 14), max(crossing[0] - 5.0, 1.0)
        path = Path(
            (x, y, yaw),
            np.array([straight, np.pi / 2 * radius, 1.0]),
            np.array([0.0, rng.choice([-1, 1]) / radius, 0.0]),
        )
        speed = min(speed, 9.0)
    origin = rng.uniform(0, 35) if len(path.lengths) > 1 else 0.0
    stage = Stage(rng, terrain, draw_carrier(rng, terrain, path, speed, height, origin), duration)
    behind = -reach
    stage.meshes.append(
        terrain.mesh(
            (behind, ahead),
            (-55.0 if bend <= 0 else -60.0, min(55.0, 0.95 / max(bend, 1e-9))),
            3.0,
            rng.uniform(0.15, 0.35),
        )
    )
    _roadside(stage, behind, ahead, road, pavement)
    most = int(movers(rng) * (1 + speed * duration / 80))
    traffic(stage, most, road, pavement, crossing)
    return stage.scene('street', draw_mount(rng))


def _roadside(stage: Stage, behind: float, ahead: float, road: float, pavement: float) -> None:
    """What stands on both sides of the road, whose half and whose pavement are so wide, m, from `behind` to `ahead`."""
    urban = stage.rng.uniform(0.1, 0.95)
    for side in (1, -1):
        _frontage(stage, behind, ahead, side, road + pavement, urban)
        _yards(stage, behind, ahead, side, road + pavement)
        _kerb(stage, behind, ahead, side, road, pavement)
        if stage.rng.random() < 0.6 and road > 3.5:
            _parked(stage, behind, ahead, side, road)


def _is_crossed(terrain: Terrain, along: float) -> bool:
    """Whether another road comes in there."""
    crossing = terrain.crossing
    return crossing is not None and abs(along - crossing[0]) < crossing[1] + 1.5


def _frontage(stage: Stage, behind: float, ahead: float, side: int, edge: float, urban: float) -> None:
    """Houses, or walls, fences, hedges and plants, one beside the other from `edge`, m off the middle of the road."""
    rng, along = stage.rng, behind
    # On the left of the road a house must be turned about to face it.
    turn = 0.0 if side > 0 else np.pi
    while along < ahead:
        width = rng.uniform(7, 24)
        middle, setback = along + width / 2, edge + rng.choice([0.0, rng.uniform(0, 8)])
        along += width + rng.choice([0.0, rng.uniform(0, 12)])
        if any(_is_crossed(stage.terrain, place) for place in (middle, middle - width / 2, middle + width / 2)):
            continue
        if rng.random() < urban:
            depth, height = rng.uniform(6, 14), rng.uniform(3.5, 22)
            stage.put_on_road(scenery.building(rng, width, depth, height), middle, side * setback, turn)
        elif rng.random() < 0.5:
            barrier = (scenery.wall, scenery.fence, scenery.hedge)[rng.integers(3)]
            stage.put_on_road(barrier(rng, width, rng.uniform(0.8, 2.4)), middle, side * setback, turn)
        else:
            for _ in range(rng.integers(1, 4)):
                plant = (scenery.tree, scenery.bush)[rng.integers(2)]
                stage.put_on_road(
                    plant(rng),
                    middle + rng.uniform(-0.5, 0.5) * width,
                    side * (setback + rng.uniform(0, 10)),
                    rng.uniform(0, 6),
                )
            if rng.random() < 0.5:
                stage.put_on_road(scenery.grass(rng, width, 6.0), middle, side * (setback + 4), turn)


def _yards(stage: Stage, behind: float, ahead: float, side: int, edge: float) -> None:
    """Yards and gardens, of which gaps, passages, fences and windows show something."""
    rng = stage.rng
    for _ in range(rng.poisson((ahead - behind) * rng.choice([0.0, 0.1, 0.3, 0.6]))):
        build = (scenery.bush, scenery.tree, scenery.furniture, scenery.pole, scenery.goods)[rng.integers(5)]
        stage.put_on_road(build(rng), rng.uniform(behind, ahead), side * (edge + rng.uniform(2, 25)), rng.uniform(0, 6))


def _kerb(stage: Stage, behind: float, ahead: float, side: int, road: float, pavement: float) -> None:
    """Poles, trees and benches on the pavement."""
    rng = stage.rng
    for build, density in ((scenery.pole, 0.04), (scenery.tree, 0.03), (scenery.furniture, 0.03)):
        for along in rng.uniform(behind, ahead, rng.poisson(density * (ahead - behind) * rng.random() * 1.6)):
            if not _is_crossed(stage.terrain, along):
                stage.put_on_road(
                    build(rng),
                    along,
                    side * (road + 0.7) if rng.random() < 0.7 else side * (road + pavement - 0.5),
                    0.0 if side > 0 else np.pi,
                    length=0.5,
                    width=0.5,
                    margin=0.8,
                )


def _parked(stage: Stage, behind: float, ahead: float, side: int, road: float) -> None:
    """A row of parked vehicles with gaps, along the kerb or upright to it."""
    rng, along = stage.rng, behind
    filled, upright = rng.uniform(0.1, 0.9), rng.random() < 0.2
    while along < ahead:
        along += rng.uniform(2.6, 3.6) if upright else rng.uniform(5.6, 7.5)
        if rng.random() < filled and not _is_crossed(stage.terrain, along) and -70 < along < ahead - 20:
            kind = str(rng.choice(['car', 'van', 'truck', 'motorcycle'], p=[0.8, 0.13, 0.03, 0.04]))
            parked = BODIES[kind](rng)
            turn = np.pi / 2 if upright else rng.choice([0.0, np.pi])
            stage.put_on_road(
                parked.at_rest(),
                along,
                side * (road - 1.1 + (1.5 if upright else 0.0)),
                turn + rng.normal(0, 0.04),
                length=2 * parked.radius,
                width=1.8,
                margin=0.8,
            )
