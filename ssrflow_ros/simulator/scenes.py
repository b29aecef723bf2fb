"""Random worlds: a street, a hall, a yard; what stands there, what moves, and how the robot goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from . import scenery
from .bodies import BODIES, Body
from .motion import FreeMotion, GroundMotion, Path, rigid, rotations
from .shapes import Mesh, join
from .terrain import Terrain


@dataclass(frozen=True, eq=False)
class Actor:
    """A body and its motion."""

    body: Body
    motion: GroundMotion | FreeMotion

    def poses(self, times: np.ndarray) -> np.ndarray:
        """(T, K, 4, 4) world_from_part."""
        if self.body.lags is not None:
            return np.stack([self.motion.poses(times, lag) for lag in self.body.lags], axis=1)
        roots = self.motion.poses(times)
        if self.body.joints is None:
            return roots[:, None]
        return self.body.joints.poses(roots, times, self.motion.travel(times))


@dataclass(frozen=True, eq=False)
class Scene:
    """A world: `still` never moves; `carrier` is the robot, `mount` (4, 4) its body_from_sensor."""

    kind: str
    still: Mesh
    actors: tuple[Actor, ...]
    carrier: GroundMotion
    mount: np.ndarray

    def sensor_poses(self, times: np.ndarray) -> np.ndarray:
        """(T, 4, 4) world_from_sensor."""
        return self.carrier.poses(times) @ self.mount


# Half the length, half the width and the height, metres, that a moving body keeps to itself.
_SIZES = {
    'car': (2.5, 1.0, 1.6),
    'van': (3.0, 1.1, 2.4),
    'bus': (6.5, 1.4, 3.2),
    'truck': (6.5, 1.4, 3.5),
    'motorcycle': (1.1, 0.5, 1.6),
    'cyclist': (1.0, 0.4, 1.8),
    'pedestrian': (0.35, 0.35, 1.8),
    'scooter': (0.5, 0.4, 1.9),
    'cart': (0.9, 0.5, 1.2),
    'forklift': (1.7, 0.7, 2.2),
    'animal': (0.6, 0.3, 0.8),
    'drone': (0.6, 0.6, 0.5),
    'blob': (1.2, 1.2, 1.2),
}
_ROBOT = (1.5, 0.8, 2.0)


def _touch(way: np.ndarray, size, others: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether a body on `way` (T, 4) ever overlaps one of `others` (K, T, 3), seen in the body's own axes."""
    x, y, z = np.moveaxis(others - way[:, :3], -1, 0)
    cos, sin = np.cos(way[:, 3]), np.sin(way[:, 3])
    reach = sizes + size
    return bool(
        np.any(
            (np.abs(cos * x + sin * y) < reach[:, :1])
            & (np.abs(cos * y - sin * x) < reach[:, 1:2])
            & (np.abs(z) < reach[:, 2:])
        )
    )


@dataclass
class _Stage:
    """A scene under construction; keeps account of what ground is taken."""

    rng: np.random.Generator
    terrain: Terrain
    carrier: GroundMotion
    duration: float
    meshes: list[Mesh] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    ways: list[tuple[np.ndarray, tuple[float, float, float]]] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self):
        self.clock = np.linspace(-0.1, self.duration + 0.1, min(int(self.duration * 2) + 3, 400))
        self.track = self.carrier.places(self.clock)
        # Every metre or so, for what must not stand in the way.
        steps = int(np.clip(self.carrier.speed * self.duration, 2, 500))
        self.route = self.carrier.places(np.linspace(-0.1, self.duration + 0.1, steps))[:, :2]

    def off_track(self, x: float, y: float, radius: float) -> bool:
        """Whether the robot never comes within `radius` m."""
        return bool(np.hypot(*(self.route - (x, y)).T).min() > radius)

    def free(self, x, y, radius: float) -> bool:
        """Whether nothing that stands still is within `radius` m of any of the points x, y."""
        if not self.taken:
            return True
        taken = np.array(self.taken)
        gap = np.hypot(np.subtract.outer(x, taken[:, 0]), np.subtract.outer(y, taken[:, 1]))
        return bool(np.all(gap > taken[:, 2] + radius))

    def put(
        self,
        mesh: Mesh,
        x: float,
        y: float,
        yaw: float,
        length: float = 0.0,
        width: float = 0.0,
        margin: float = 1.5,
    ) -> bool:
        """Stand `mesh` on the ground, if the `length` by `width` m under it leave the robot's way free."""
        x, y = float(x), float(y)
        half = max(length, width) / 2
        count = int(max(length, width) / 2) + 1
        line = np.linspace(-half, half, count) if count > 1 else np.zeros(1)
        turn = yaw if length >= width else yaw + np.pi / 2
        thick = max(min(length, width) / 2, 0.2 if count == 1 else 0.6)
        spots = np.column_stack([x + line * np.cos(turn), y + line * np.sin(turn)])
        if not all(self.off_track(*spot, thick + margin) for spot in spots):
            return False
        self.meshes.append(mesh.moved(x, y, float(self.terrain.height(x, y)), yaw))
        self.taken += [(*spot, thick) for spot in spots.tolist()]
        return True

    def put_on_road(self, mesh: Mesh, along: float, across: float, turn: float = 0.0, **size: float) -> bool:
        """`put` in road coordinates, `turn` rad to the road's heading."""
        x, y, heading = self.terrain.to_world(along, across)
        return self.put(mesh, x, y, float(heading) + turn, **size)

    def near_robot(self) -> tuple[float, float, float]:
        """A moment, and a place within 50 m of the robot then, oftener near than far: s, x, y."""
        moment = self.rng.uniform(0, self.duration)
        x, y = self.carrier.places(np.array([moment]))[0, :2]
        reach = 2.0 + 48.0 * self.rng.random() ** 1.6
        bearing = self.rng.uniform(-np.pi, np.pi)
        return moment, float(x + reach * np.cos(bearing)), float(y + reach * np.sin(bearing))

    def add(self, kind: str, speed: float, motion: GroundMotion | FreeMotion, moment: float) -> bool:
        """Let a body of `kind` move, unless about `moment` it runs into the robot, a standing thing or another."""
        near = np.abs(self.clock - moment) < 6.0
        way, size = motion.places(self.clock), _SIZES[kind]
        others = np.stack([self.track, *(other for other, _ in self.ways)])[:, near, :3]
        sizes = np.array([_ROBOT, *(other for _, other in self.ways)])
        if _touch(way[near], size, others, sizes):
            return False
        if not isinstance(motion, FreeMotion) and not self.free(*way[near, :2].T, size[1]):
            return False
        build = BODIES[kind]
        body = build(self.rng, speed=speed) if kind in ('pedestrian', 'animal') else build(self.rng)
        self.actors.append(Actor(body, motion))
        self.ways.append((way, size))
        return True

    def scene(self, kind: str, mount: np.ndarray) -> Scene:
        return Scene(kind, join(self.meshes), tuple(self.actors), self.carrier, mount)


def _mount(rng: np.random.Generator) -> np.ndarray:
    """How the sensor sits on the robot: mostly level, sometimes much tilted or turned."""
    tilt = rng.choice([0.01, 0.04, 0.2], p=[0.45, 0.4, 0.15])
    roll, pitch = rng.normal(0, tilt, 2)
    yaw = rng.choice([0.0, rng.normal(0, 0.1), rng.uniform(-np.pi, np.pi)], p=[0.5, 0.3, 0.2])
    axes = np.eye(3)
    turn = rotations(axes[2], yaw) @ rotations(axes[1], pitch) @ rotations(axes[0], roll)
    return rigid(turn, np.array([*rng.normal(0, 0.3, 2), 0.0]))


def _carrier(
    rng: np.random.Generator, terrain: Terrain, path: Path, speed: float, height: float, origin: float = 0.0
) -> GroundMotion:
    """The robot: goes along `path` with its bumps."""
    rough = rng.choice([0.0, 0.004, 0.012, 0.03], p=[0.25, 0.35, 0.3, 0.1]) * min(speed, 3.0) / 3.0
    surge_rate = rng.uniform(0.3, 1.2)
    return GroundMotion(
        terrain,
        path,
        speed,
        origin=origin,
        surge=min(speed, 2.5 / surge_rate) * rng.random(),
        surge_rate=surge_rate,
        phase=rng.uniform(0, 6),
        lift=height,
        bob=rough,
        bob_rate=rng.uniform(0.8, 3.0),
        sway=(rough, rough, 0.3 * rough),
        sway_rate=rng.uniform(4, 14),
        softness=1.0,
    )


def _waves(rng: np.random.Generator, steepness: float) -> np.ndarray:
    """Three swells of 20 to 90 m with slopes up to about `steepness`."""
    number = 2 * np.pi / rng.uniform(20, 90, 3)
    bearing = rng.uniform(0, np.pi, 3)
    return np.column_stack(
        [
            steepness * rng.random(3) / number / 1.7,
            number * np.cos(bearing),
            number * np.sin(bearing),
            rng.uniform(0, 6, 3),
        ]
    )


def _how_many(rng: np.random.Generator, most: int = 40) -> int:
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
                [
                    0.0,
                    rng.uniform(0.3, 1.0),
                    rng.uniform(0.9, 1.8),
                    rng.uniform(1.8, 2.7),
                    rng.uniform(2.8, 5.5),
                ],
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
    manner = {}
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


def _wandering_path(
    rng: np.random.Generator, x: float, y: float, yaw: float, kind: str, lasting: bool
) -> Path:
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


def _wanderers(
    stage: _Stage, kinds: dict[str, float], count: int, inside: Callable[[float, float], bool]
) -> None:
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


def _company(stage: _Stage, leader: GroundMotion, speed: float) -> None:
    """One to three people who walk beside `leader`, or a dog on its lead."""
    rng = stage.rng
    for rank in range(rng.integers(1, 4)):
        kind = 'animal' if rng.random() < 0.2 else 'pedestrian'
        x, y, yaw = leader.path.start
        beside = (0.7 + 0.65 * rank) * rng.choice([-1, 1])
        path = Path(
            (x - beside * np.sin(yaw), y + beside * np.cos(yaw), yaw),
            leader.path.lengths,
            leader.path.curvatures,
        )
        stage.add(kind, speed, _going(rng, stage.terrain, path, kind, speed, leader.meeting), leader.meeting)


def _fly(stage: _Stage, kind: str, moment: float, x: float, y: float) -> None:
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


def street(rng: np.random.Generator, duration: float) -> Scene:
    """A road between houses, walls and trees, with traffic and people; straight, curved or with a crossing."""
    road, pavement = rng.uniform(2.8, 8.5), rng.uniform(1.5, 5.5)
    walks = rng.random() < 0.25
    fastest = 300.0 / max(duration, 12.0)
    if walks:
        speed, height = rng.uniform(0.3, 2.0), rng.uniform(0.3, 1.3)
    else:
        speed, height = (
            min(rng.uniform(1, 25), fastest),
            rng.choice([rng.uniform(1.4, 2.2), rng.uniform(1.8, 3.2)]),
        )
    if rng.random() < 0.2:
        speed = 0.0
    reach = rng.uniform(70, 95)
    ahead = speed * 1.2 * duration + reach
    bend = (
        0.0
        if rng.random() < 0.5
        else rng.choice([-1, 1]) * min(1 / rng.uniform(50, 250), 4.0 / (ahead + reach))
    )
    crossing = (rng.uniform(-20, 45), rng.uniform(3, 7)) if rng.random() < 0.4 else None
    steep = rng.choice([0.005, 0.03, 0.08])
    terrain = Terrain(
        bend,
        road,
        rng.choice([0.0, 0.03, 0.12, 0.16]),
        crossing,
        _waves(rng, steep),
        tuple(rng.normal(0, steep / 2, 2)),
    )
    side = -rng.choice([1, 1, 1, -1])
    lane = (
        side * (road + pavement * rng.uniform(0.35, 0.65)) if walks else side * road * rng.uniform(0.2, 0.6)
    )
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
    stage = _Stage(rng, terrain, _carrier(rng, terrain, path, speed, height, origin), duration)
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
    most = int(_how_many(rng) * (1 + speed * duration / 80))
    _traffic(stage, most, road, pavement, crossing)
    return stage.scene('street', _mount(rng))


def _roadside(stage: _Stage, behind: float, ahead: float, road: float, pavement: float) -> None:
    """Houses, walls and hedges behind the pavement; poles, trees, benches and parked cars along the kerb."""
    rng, terrain = stage.rng, stage.terrain

    def gap(along: float) -> bool:
        return bool(terrain.crossing) and abs(along - terrain.crossing[0]) < terrain.crossing[1] + 1.5

    urban = rng.uniform(0.1, 0.95)
    for side in (1, -1):
        along = behind
        while along < ahead:
            width = rng.uniform(7, 24)
            middle, setback = along + width / 2, road + pavement + rng.choice([0.0, rng.uniform(0, 8)])
            along += width + rng.choice([0.0, rng.uniform(0, 12)])
            if gap(middle) or gap(middle - width / 2) or gap(middle + width / 2):
                continue
            # On the left of the road a house must be turned about to face it.
            turn = 0.0 if side > 0 else np.pi
            if rng.random() < urban:
                depth, height = rng.uniform(6, 14), rng.uniform(3.5, 22)
                stage.put_on_road(scenery.building(rng, width, depth, height), middle, side * setback, turn)
            elif rng.random() < 0.5:
                build = (scenery.wall, scenery.fence, scenery.hedge)[rng.integers(3)]
                stage.put_on_road(build(rng, width, rng.uniform(0.8, 2.4)), middle, side * setback, turn)
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
        kerb = side * (road + 0.7)
        for build, density in ((scenery.pole, 0.04), (scenery.tree, 0.03), (scenery.furniture, 0.03)):
            for along in rng.uniform(
                behind, ahead, rng.poisson(density * (ahead - behind) * rng.random() * 1.6)
            ):
                if not gap(along):
                    stage.put_on_road(
                        build(rng),
                        along,
                        kerb if rng.random() < 0.7 else side * (road + pavement - 0.5),
                        0.0 if side > 0 else np.pi,
                        length=0.5,
                        width=0.5,
                        margin=0.8,
                    )
        if rng.random() < 0.6 and road > 3.5:
            along, filled = behind, rng.uniform(0.1, 0.9)
            upright = rng.random() < 0.2
            while along < ahead:
                along += rng.uniform(5.6, 7.5) if not upright else rng.uniform(2.6, 3.6)
                if rng.random() < filled and not gap(along) and -70 < along < ahead - 20:
                    kind = str(rng.choice(['car', 'van', 'truck', 'motorcycle'], p=[0.8, 0.13, 0.03, 0.04]))
                    parked = BODIES[kind](rng)
                    turn = np.pi / 2 if upright else rng.choice([0.0, np.pi])
                    across = side * (road - 1.1 + (1.5 if upright else 0.0))
                    stage.put_on_road(
                        parked.at_rest(),
                        along,
                        across,
                        turn + rng.normal(0, 0.04),
                        length=2 * parked.radius,
                        width=1.8,
                        margin=0.8,
                    )


def _traffic(
    stage: _Stage, count: int, road: float, pavement: float, crossing: tuple[float, float] | None
) -> None:
    """Vehicles on lanes, on crossing roads and turning; people on the pavement and over the road."""
    rng, terrain = stage.rng, stage.terrain
    kinds = {
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
    names, weight = list(kinds), np.array(list(kinds.values())) * rng.gamma(0.8, size=len(kinds))
    slow = ('pedestrian', 'animal', 'cart', 'scooter')
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
            x, y, yaw = terrain.to_world(along, across)
            path = _wandering_path(rng, float(x), float(y), rng.uniform(-np.pi, np.pi), kind, False)
            speed = min(speed, 6.0)
        elif (kind in slow and manner < 0.3) or (crossing and manner < 0.4):
            # Across the road, at the crossing if it drives.
            if kind not in slow:
                along = crossing[0] + rng.uniform(-0.6, 0.6) * crossing[1]
            x, y, yaw = terrain.to_world(
                along, np.clip(across, -2 * road, 2 * road) if kind in slow else across
            )
            path = Path.arc(float(x), float(y), float(yaw) + oncoming * np.pi / 2 + rng.normal(0, 0.1))
        else:
            if kind in slow and rng.random() < 0.85:
                across = rng.choice([-1, 1]) * (road + pavement * rng.uniform(0.15, 0.95))
            else:
                across = (
                    -oncoming * road * rng.uniform(0.15, 0.7)
                    if kind != 'cyclist'
                    else -oncoming * (road - 0.8)
                )
            x, y, yaw = terrain.to_world(along, across)
            bend = oncoming * terrain.curvature / (1 - terrain.curvature * across)
            turn = 0.0 if oncoming > 0 else np.pi
            path = Path.arc(float(x), float(y), float(yaw) + turn + rng.normal(0, 0.02), bend)
            if kind not in slow and rng.random() < 0.15 and stage.duration < 4.0:
                # A turn off, or about.
                radius = rng.uniform(5, 15)
                path = Path(
                    path.start,
                    np.array([rng.uniform(0.1, 8), radius * rng.uniform(0.8, 3.1), 1.0]),
                    np.array([bend, rng.choice([-1, 1]) / radius, 0.0]),
                )
                speed = min(speed, 10.0)
        motion = _going(rng, terrain, path, kind, speed, moment)
        if stage.add(kind, speed, motion, moment) and kind == 'pedestrian' and rng.random() < 0.25:
            _company(stage, motion, speed)


def hall(rng: np.random.Generator, duration: float) -> Scene:
    """A warehouse, workshop, lobby or corridor with racks, goods, people, carts and forklifts."""
    narrow = rng.random() < 0.2
    length = rng.uniform(20, 70)
    width = rng.uniform(2.6, 6.0) if narrow else rng.uniform(12, 50)
    height = rng.uniform(2.5, 4.0) if narrow else rng.uniform(3.5, 12)
    ramp = (rng.uniform(-10, 10), rng.uniform(4, 12), rng.uniform(-1.2, 1.2)) if rng.random() < 0.15 else None
    terrain = Terrain(waves=_waves(rng, rng.choice([0.0, 0.004])), slope=(0.0, 0.0), ramp=ramp)
    speed = 0.0 if rng.random() < 0.2 else rng.uniform(0.1, 2.2)
    stage = _indoor_stage(rng, terrain, duration, length, width, speed)
    stage.meshes += [
        terrain.mesh(
            (-length / 2 - 4, length / 2 + 4), (-width / 2 - 4, width / 2 + 4), 4.0, rng.uniform(0.15, 0.6)
        ),
        scenery.room(rng, length, width, height, rng.random() < 0.6),
    ]

    def inside(x: float, y: float) -> bool:
        return abs(x) < length / 2 - 0.6 and abs(y) < width / 2 - 0.6

    if not narrow:
        turn = rng.choice([0.0, np.pi / 2])
        for _ in range(rng.integers(0, 4)):
            size = rng.uniform(2, 12)
            stage.put(
                scenery.wall(rng, size, rng.choice([1.2, height])),
                *rng.uniform(-0.4, 0.4, 2) * (length, width),
                rng.choice([0.0, np.pi / 2]),
                size,
                0.4,
            )
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
                stage.put(
                    still.at_rest(), x, y, rng.uniform(0, 6), 2 * still.radius, still.radius, margin=0.8
                )
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
    kinds = {
        'pedestrian': 5,
        'cart': 2.5,
        'forklift': 1.5,
        'scooter': 0.4,
        'drone': 0.6,
        'blob': 1.2,
        'animal': 0.3,
    }
    _wanderers(stage, kinds, _how_many(rng, 6 if narrow else 30), inside)
    return stage.scene('hall', _mount(rng))


def _indoor_stage(
    rng: np.random.Generator, terrain: Terrain, duration: float, length: float, width: float, speed: float
) -> _Stage:
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
        carrier = _carrier(rng, terrain, path, min(speed, radius) if path.curvatures.any() else speed, height)
        way = carrier.places(times)[:, :2]
        if np.all(np.abs(way) < (length / 2 - 0.9, width / 2 - 0.9)):
            return _Stage(rng, terrain, carrier, duration)
    return _Stage(rng, terrain, _carrier(rng, terrain, Path.arc(0, 0, 0), 0.0, height), duration)


def yard(rng: np.random.Generator, duration: float) -> Scene:
    """Open ground with containers, heaps, walls, parked vehicles and plants; people, animals, machines."""
    size = rng.uniform(40, 95)
    wild = rng.random()
    steep = rng.choice([0.01, 0.05, 0.12])
    ramp = (rng.uniform(-20, 20), rng.uniform(5, 15), rng.uniform(-1.5, 1.5)) if rng.random() < 0.2 else None
    terrain = Terrain(waves=_waves(rng, steep), slope=tuple(rng.normal(0, steep / 2, 2)), ramp=ramp)
    speed = (
        0.0 if rng.random() < 0.2 else rng.choice([rng.uniform(0.1, 2.2), rng.uniform(1, 8)], p=[0.75, 0.25])
    )
    stage = _indoor_stage(rng, terrain, duration, size, size, speed)
    if rng.random() < 0.35:
        carrier = stage.carrier
        stage = _Stage(
            rng, terrain, GroundMotion(**{**vars(carrier), 'lift': rng.uniform(1.5, 3.2)}), duration
        )
    stage.meshes.append(terrain.mesh((-size, size), (-size, size), 3.5, rng.uniform(0.15, 0.45)))
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
    for _ in range(rng.integers(5, 45)):
        x, y = rng.normal(0, 0.3, 2) * size
        turn, choice = rng.uniform(0, 2 * np.pi), rng.random()
        if choice < 0.35 + 0.3 * wild:
            plant = (scenery.tree, scenery.bush)[rng.integers(2)]
            stage.put(plant(rng), x, y, turn, 0.8, 0.8, margin=1.0)
        elif choice < 0.78:
            stage.put(
                (scenery.goods, scenery.furniture, scenery.pole)[rng.integers(3)](rng), x, y, turn, 1.0, 0.8
            )
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
    _wanderers(stage, kinds, _how_many(rng), lambda x, y: max(abs(x), abs(y)) < 0.9 * size)
    return stage.scene('yard', _mount(rng))


SCENES: dict[str, Callable[[np.random.Generator, float], Scene]] = {
    'street': street,
    'hall': hall,
    'yard': yard,
}
