"""A scene under construction: the robot, what stands where, what moves how, and that they keep apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

import numpy as np

from ..transforms import invert, rigid
from .bodies import BODIES
from .body import Body
from .motion import FreeMotion, GroundMotion, Path, rotations
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

    def part_poses(self, times: np.ndarray) -> np.ndarray:
        """(T, P, 4, 4) world_from_part of the parts of all actors, one after the other."""
        return np.concatenate([actor.poses(times) for actor in self.actors] or [np.zeros((len(times), 0, 4, 4))], 1)


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
_CLEAR = 0.3  # m around the robot's sensor that no part of a mover enters


def _touch(way: np.ndarray, size: Sequence[float], others: np.ndarray, sizes: np.ndarray) -> bool:
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
class Stage:
    """A scene under construction; keeps account of what ground is taken."""

    rng: np.random.Generator
    terrain: Terrain
    carrier: GroundMotion
    duration: float
    meshes: list[Mesh] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    ways: list[tuple[np.ndarray, tuple[float, float, float]]] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = np.linspace(-0.1, self.duration + 0.1, min(int(self.duration * 2) + 3, 400))
        self.track = self.carrier.places(self.clock)
        # Every metre or so, for what must not stand in the way.
        steps = int(np.clip(self.carrier.speed * self.duration, 2, 500))
        self.route = self.carrier.places(np.linspace(-0.1, self.duration + 0.1, steps))[:, :2]

    def off_track(self, x: float, y: float, radius: float) -> bool:
        """Whether the robot never comes within `radius` m."""
        return bool(np.hypot(*(self.route - (x, y)).T).min() > radius)

    def free(self, x: Any, y: Any, radius: float) -> bool:
        """Whether nothing that stands still is within `radius` m of any of the points x, y."""
        if not self.taken:
            return True
        taken = np.array(self.taken)
        gap = np.hypot(np.subtract.outer(x, taken[:, 0]), np.subtract.outer(y, taken[:, 1]))
        return bool(np.all(gap > taken[:, 2] + radius))

    def put(
        self, mesh: Mesh, x: float, y: float, yaw: float, length: float = 0.0, width: float = 0.0, margin: float = 1.5
    ) -> bool:
        """Stand `mesh` on the ground, if the `length` by `width` m under it leave the robot's way free."""
        x, y = float(x), float(y)
        half = max(length, width) / 2
        count = int(max(length, width) / 2) + 1
        line = np.linspace(-half, half, count) if count > 1 else np.zeros(1)
        turn = yaw if length >= width else yaw + np.pi / 2
        thick = max(min(length, width) / 2, 0.2 if count == 1 else 0.6)
        spots = np.column_stack([x + line * np.cos(turn), y + line * np.sin(turn)])
        if not all(self.off_track(at_x, at_y, thick + margin) for at_x, at_y in spots):
            return False
        self.meshes.append(mesh.moved(x, y, float(self.terrain.height(x, y)), yaw))
        self.taken += [(*spot, thick) for spot in spots.tolist()]
        return True

    def put_on_road(self, mesh: Mesh, along: float, across: float, turn: float = 0.0, **size: float) -> bool:
        """`put` in road coordinates, `turn` rad to the road's heading."""
        x, y, heading = self.terrain.to_world(along, across)
        return self.put(mesh, float(x), float(y), float(heading) + turn, **size)

    def near_robot(self) -> tuple[float, float, float]:
        """A moment, and a place within 50 m of the robot then, oftener near than far: s, x, y."""
        moment = self.rng.uniform(0, self.duration)
        x, y = self.carrier.places(np.array([moment]))[0, :2]
        reach = 2.0 + 48.0 * self.rng.random() ** 1.6
        bearing = self.rng.uniform(-np.pi, np.pi)
        return moment, float(x + reach * np.cos(bearing)), float(y + reach * np.sin(bearing))

    def add(self, kind: str, speed: float, motion: GroundMotion | FreeMotion, moment: float) -> bool:
        """Let a body of `kind` move, unless about `moment` it runs into the robot or anything else."""
        near = np.abs(self.clock - moment) < 6.0
        way, size = motion.places(self.clock), _SIZES[kind]
        others = np.stack([self.track, *(other for other, _ in self.ways)])[:, near, :3]
        sizes = np.array([_ROBOT, *(other for _, other in self.ways)])
        if _touch(way[near], size, others, sizes):
            return False
        if not isinstance(motion, FreeMotion) and not self.free(way[near, 0], way[near, 1], size[1]):
            return False
        build = BODIES[kind]
        body = build(self.rng, speed=speed) if kind in ('pedestrian', 'animal') else build(self.rng)
        actor = Actor(body, motion)
        if self._holds_robot(actor, self.clock[near]):
            return False
        self.actors.append(actor)
        self.ways.append((way, size))
        return True

    def _holds_robot(self, actor: Actor, times: np.ndarray) -> bool:
        """Whether a part as it was built ever has the sensor in it: of a trailer `_SIZES` know nothing."""
        sensor = self.carrier.poses(times)[:, :, 3]
        for part, poses in zip(actor.body.parts, actor.poses(times).swapaxes(0, 1)):
            seen = np.einsum('tij,tj->ti', invert(poses), sensor)[:, :3]
            low, high = part.vertices.min(axis=0) - _CLEAR, part.vertices.max(axis=0) + _CLEAR
            if ((seen > low) & (seen < high)).all(axis=1).any():
                return True
        return False

    def scene(self, kind: str, mount: np.ndarray) -> Scene:
        return Scene(kind, join(self.meshes), tuple(self.actors), self.carrier, mount)


def draw_mount(rng: np.random.Generator) -> np.ndarray:
    """How the sensor sits on the robot: mostly level, sometimes much tilted or turned."""
    tilt = rng.choice([0.01, 0.04, 0.2], p=[0.45, 0.4, 0.15])
    roll, pitch = rng.normal(0, tilt, 2)
    yaw = rng.choice([0.0, rng.normal(0, 0.1), rng.uniform(-np.pi, np.pi)], p=[0.5, 0.3, 0.2])
    axes = np.eye(3)
    turn = rotations(axes[2], yaw) @ rotations(axes[1], pitch) @ rotations(axes[0], roll)
    return rigid(turn, np.array([*rng.normal(0, 0.3, 2), 0.0]))


def draw_carrier(
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


def draw_waves(rng: np.random.Generator, steepness: float) -> np.ndarray:
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
