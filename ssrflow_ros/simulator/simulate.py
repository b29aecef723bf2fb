"""Labelled sweeps from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Iterable, Iterator

import numpy as np

from ..errors import InputError
from ..sweep import FIRST_STAMP_NS, MovingObject, Sweep
from ..transforms import invert, transformed32
from .body import GLASS
from .classes import CLASS_ID
from .scenes import SCENES, SHARES
from .sensors import SENSORS, Lidar
from .shapes import join
from .stage import Scene


@dataclass(frozen=True, eq=False)
class LabelledSweep:
    """A sweep and the truth about each of its N points, in the axes of this sweep's sensor frame.

    sweep            points (N, 3) float32 m, with range noise; real returns only.
    pose             (4, 4) float64 world_from_sensor; `pose_next` the same one interval later.
    dt               s between sweeps.
    flow_next        (N, 3) float32 m: points + flow_next is where they are in the next sweep's sensor frame.
    motion_next      (N, 3) float32 m: the same for a sensor that stood still (ego-motion removed).
    motion_previous  (N, 3) float32 m: likewise until the previous sweep.
    velocity         (N, 3) float32 m/s: -motion_previous / dt.
    object_id        (N,) int32, number of the mover, -1 for what stands still.
    class_id         (N,) uint8, index into CLASSES.
    ground           (N,) bool.  intensity (N,) float32, 0..255.
    boxes            (K, 7) float64: x, y, z of the centre, length, width, height, yaw; row = number of the mover,
                     which it encloses, seen or not, with its length where the mover faces.
    """

    sweep: Sweep
    pose: np.ndarray
    pose_next: np.ndarray
    dt: float
    flow_next: np.ndarray
    motion_next: np.ndarray
    motion_previous: np.ndarray
    velocity: np.ndarray
    object_id: np.ndarray
    class_id: np.ndarray
    ground: np.ndarray
    intensity: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.sweep)

    @property
    def moving(self) -> np.ndarray:
        """(N,) bool: at least 0.5 m/s, ego-motion removed."""
        return np.einsum('ij,ij->i', self.velocity, self.velocity) >= 0.5**2

    def movers(self) -> list[MovingObject]:
        """What is built to move and shows a point, as a detector tells of it that knows all: whole boxes, the mean
        velocity of the points, `id` and `track_id` the number of the mover."""
        numbers, rows = np.unique(self.object_id, return_inverse=True)
        counts = np.bincount(rows)
        sums = np.stack([np.bincount(rows, axis) for axis in self.velocity.T.astype(float)], axis=1)
        return [
            MovingObject(
                number,
                self.boxes[number, :3],
                self.boxes[number, 3:6],
                float(self.boxes[number, 6]),
                total / count,
                count,
                number,
            )
            for number, count, total in zip(numbers.tolist(), counts.tolist(), sums)
            if number >= 0
        ]


def simulate(
    seed: int,
    sweeps: int = 2,
    sensor: str | None = None,
    scene: str | None = None,
    rate: float = 10.0,
    kept: Collection[int] | None = None,
) -> Iterator[LabelledSweep]:
    """One recording of a random world: `sweeps` sweeps, `rate` a second.

    seed    a whole number >= 0; the same arguments give the same recording.
    kept    numbers of the sweeps that are wanted, the others are not computed; None: all.
    sensor  a name in SENSORS, or None: drawn.  scene  a name in SCENES, or None: drawn.
    Raises InputError for an argument that makes no recording.
    """
    for name, known in ((sensor, SENSORS), (scene, SCENES)):
        if name is not None and name not in known:
            raise InputError(f"'{name}' is not known to the simulator: choose from {', '.join(known)}")
    if seed < 0 or sweeps < 1 or not rate > 0:
        raise InputError(
            f'seed {seed}, sweeps {sweeps}, rate {rate} make no recording: give seed >= 0, sweeps >= 1 and rate > 0'
        )
    rng = np.random.default_rng([seed, 0])
    drawn_sensor, drawn_scene = (str(rng.choice(list(SENSORS))), str(rng.choice(list(SHARES), p=list(SHARES.values()))))
    lidar = SENSORS[sensor or drawn_sensor].draw(rng)
    return _record(
        SCENES[scene or drawn_scene](rng, sweeps / rate),
        lidar,
        seed,
        sweeps,
        rate,
        range(sweeps) if kept is None else sorted(kept),
    )


def _record(
    scene: Scene, lidar: Lidar, seed: int, sweeps: int, rate: float, kept: Iterable[int]
) -> Iterator[LabelledSweep]:
    """Walk through the recording; sweep k has its own random numbers, whatever came before."""
    world = _World(scene)
    headings = np.array([actor.motion.places(np.arange(sweeps) / rate)[:, 3] for actor in scene.actors])
    headings = headings.reshape(-1, sweeps)
    times = np.arange(-1, sweeps + 1) / rate
    poses, parts = scene.sensor_poses(times), scene.part_poses(times)
    heads = [
        (head, scene.sensor_poses(times + head.lag / rate) @ head.mount, scene.part_poses(times + head.lag / rate))
        for head in lidar.heads
    ]
    for number in kept:
        rng = np.random.default_rng([seed, 1, number])
        pose, pose_next = poses[number + 1], poses[number + 2]
        looks = []
        for head, head_poses, head_parts in heads:
            head_pose = head_poses[number + 1]
            # A head that is not late is where it is mounted, to the last bit.
            here_from_head = invert(pose) @ head_pose if head.lag else head.mount
            looks.append(world.look(lidar, here_from_head, pose, head_pose, head_parts[number : number + 3], rng))
        points, motion_previous, motion_next, object_id, class_id, intensity = map(np.concatenate, zip(*looks))
        ego = invert(pose_next) @ pose
        # The displacement, not the moved point, is rounded to float32: small motions stay exact.
        flow_next = transformed32(points + motion_next, ego[:3, :3] - np.eye(3), ego[:3, 3]) + motion_next
        yield LabelledSweep(
            sweep=Sweep(
                points, FIRST_STAMP_NS + round(number * 1e9 / rate), 'lidar', np.arange(len(points)), len(points)
            ),
            pose=pose,
            pose_next=pose_next,
            dt=1 / rate,
            flow_next=flow_next,
            motion_next=motion_next,
            motion_previous=motion_previous,
            velocity=motion_previous * np.float32(-rate),
            object_id=object_id,
            class_id=class_id,
            ground=class_id == CLASS_ID['ground'],
            intensity=intensity,
            boxes=np.array(
                [
                    _box(invert(pose), vertices, heading)
                    for vertices, heading in zip(world.actors(parts[number + 1]), headings[:, number])
                ]
            ).reshape(-1, 7),
        )


class _World:
    """All surfaces of a scene, and whose they are."""

    def __init__(self, scene: Scene):
        bodies = [part for actor in scene.actors for part in actor.body.parts]
        self._owner = np.array(
            [number for number, actor in enumerate(scene.actors) for _ in actor.body.parts], np.int32
        )
        moving = join(bodies) if bodies else None
        self._vertices = moving.vertices if moving else np.zeros((0, 3))
        self._faces = moving.faces if moving else np.zeros((0, 3), np.int32)
        self._part_of_vertex = np.repeat(np.arange(len(bodies)), [len(body.vertices) for body in bodies])
        self._part_of_face = np.repeat(np.arange(len(bodies)), [len(body.faces) for body in bodies])
        self._all = join([scene.still, moving]) if moving else scene.still
        self._clear = self._all.reflectivity == np.float32(GLASS)
        self._still = len(scene.still.faces)
        from .raycaster import Raycaster  # numba: a second, which the help of a command need not wait for

        self._raycaster = Raycaster(scene.still.vertices, scene.still.faces)

    def actors(self, parts: np.ndarray) -> list[np.ndarray]:
        """Vertices (V, 3) of each actor, whose parts are at `parts` (P, 4, 4) world_from_part."""
        placed, owner = _apply(parts, self._part_of_vertex, self._vertices), self._owner[self._part_of_vertex]
        return [placed[owner == actor] for actor in range(self._owner.max(initial=-1) + 1)]

    def look(
        self,
        lidar: Lidar,
        here_from_head: np.ndarray,
        pose: np.ndarray,
        head_pose: np.ndarray,
        parts: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, ...]:
        """What a head returns, in the frame of the cloud: points (N, 3) m, their motion (N, 3) m until the previous and
        until the next sweep, number of the mover (N,), class (N,), intensity (N,).

        pose, head_pose  (4, 4) of the cloud and of the head in the world; parts (3, P, 4, 4) world_from_part as the
                         head sees them in the previous sweep, this one and the next.
        """
        before, now, after = parts
        beams = lidar.directions(rng)
        ray, ranges, face, incidence = self._raycaster.cast(
            head_pose[:3, 3],
            transformed32(beams, head_pose[:3, :3], np.zeros(3)),
            _apply(now, self._part_of_vertex, self._vertices),
            self._faces,
            self._clear,
            rng,
        )
        ranges, intensity, kept = lidar.measure(ranges, incidence, self._all.reflectivity[face], rng)
        ray, face = ray[kept], face[kept]
        points = (beams[ray] * ranges[kept, None]).astype(np.float32)
        points = transformed32(points, here_from_head[:3, :3], here_from_head[:3, 3])

        on_part = np.flatnonzero(face >= self._still)
        part = self._part_of_face[face[on_part] - self._still]
        motion_previous, motion_next = np.zeros_like(points), np.zeros_like(points)
        here_from_part, part_from_here = invert(pose), invert(now) @ pose
        for motion, then in ((motion_previous, before), (motion_next, after)):
            seen = points[on_part].astype(float)
            motion[on_part] = _apply(here_from_part @ then @ part_from_here, part, seen) - seen
        object_id = np.full(len(points), -1, np.int32)
        object_id[on_part] = self._owner[part]
        return points, motion_previous, motion_next, object_id, self._all.class_id[face], intensity[kept]


def _box(here_from_world: np.ndarray, vertices: np.ndarray, heading: float) -> np.ndarray:
    """(7,) box of the `vertices` (V, 3) in the sensor's frame; they and `heading` are the world's."""
    ahead = here_from_world[:3, :3] @ (np.cos(heading), np.sin(heading), 0.0)
    yaw = np.arctan2(ahead[1], ahead[0])
    axes = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    inside = vertices @ (axes @ here_from_world[:3, :3]).T + axes @ here_from_world[:3, 3]
    low, high = inside.min(axis=0), inside.max(axis=0)
    return np.array([*((low + high) / 2 @ axes), *(high - low), yaw])


def _apply(poses: np.ndarray, index: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Each of `points` (N, 3) moved by the one of `poses` (P, 4, 4) that its `index` (N,) names."""
    if not len(points):
        return np.zeros((0, 3))
    return np.einsum('nij,nj->ni', poses[index, :3, :3], points) + poses[index, :3, 3]
