"""Labelled sweeps from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

import numpy as np

from ..errors import InputError
from ..sweep import FIRST_STAMP_NS, Sweep
from .body import GLASS
from .classes import CLASS_ID
from .motion import invert
from .raycaster import Raycaster
from .scenes import SCENES
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


def simulate(
    seed: int, sweeps: int = 2, sensor: str | None = None, scene: str | None = None, rate: float = 10.0
) -> Iterator[LabelledSweep]:
    """One recording of a random world: `sweeps` sweeps, `rate` a second.

    seed    a whole number >= 0; the same arguments give the same recording.
    sensor  a name in SENSORS, or None: drawn.  scene  a name in SCENES, or None: drawn.
    Raises InputError for an argument that makes no recording.
    """
    for name, known in ((sensor, SENSORS), (scene, SCENES)):
        if name is not None and name not in known:
            raise InputError(f"'{name}' is not known to the simulator: choose from {', '.join(known)}")
    if seed < 0 or sweeps < 1 or not rate > 0:
        raise InputError(
            f'seed {seed}, sweeps {sweeps}, rate {rate} make no recording: '
            'give seed >= 0, sweeps >= 1 and rate > 0'
        )
    rng = np.random.default_rng([seed, 0])
    drawn_sensor, drawn_scene = (
        str(rng.choice(list(SENSORS))),
        str(rng.choice(list(SCENES), p=(0.5, 0.2, 0.3))),
    )
    lidar = SENSORS[sensor or drawn_sensor].draw(rng)
    return _record(SCENES[scene or drawn_scene](rng, sweeps / rate), lidar, seed, sweeps, rate)


def _record(scene: Scene, lidar: Lidar, seed: int, sweeps: int, rate: float) -> Iterator[LabelledSweep]:
    """Walk through the recording; sweep k has its own random numbers, whatever came before."""
    bodies = [part for actor in scene.actors for part in actor.body.parts]
    headings = np.array([actor.motion.places(np.arange(sweeps) / rate)[:, 3] for actor in scene.actors])
    headings = headings.reshape(-1, sweeps)
    owner = np.array(
        [number for number, actor in enumerate(scene.actors) for _ in actor.body.parts], np.int32
    )
    moving = join(bodies) if bodies else None
    vertices = moving.vertices if moving else np.zeros((0, 3))
    faces = moving.faces if moving else np.zeros((0, 3), np.int32)
    part_of_vertex = np.repeat(np.arange(len(bodies)), [len(body.vertices) for body in bodies])
    part_of_face = np.repeat(np.arange(len(bodies)), [len(body.faces) for body in bodies])
    everything = join([scene.still, moving]) if moving else scene.still
    clear = everything.reflectivity == np.float32(GLASS)
    raycaster = Raycaster(scene.still.vertices, scene.still.faces)

    times = np.arange(-1, sweeps + 1) / rate
    sensor_poses = scene.sensor_poses(times)
    part_poses = np.concatenate(
        [actor.poses(times) for actor in scene.actors] or [np.zeros((len(times), 0, 4, 4))], 1
    )
    for number in range(sweeps):
        rng = np.random.default_rng([seed, 1, number])
        before, now, after = part_poses[number : number + 3]
        pose, pose_next = sensor_poses[number + 1], sensor_poses[number + 2]
        turn, origin = pose[:3, :3], pose[:3, 3]
        beams = lidar.directions(rng)
        placed = _apply(now, part_of_vertex, vertices)
        ray, ranges, face, incidence = raycaster.cast(
            origin, _turn(turn, beams), placed, faces, clear, rng)
        ranges, intensity, kept = lidar.measure(ranges, incidence, everything.reflectivity[face], rng)
        ray, face, intensity = ray[kept], face[kept], intensity[kept]
        points = (beams[ray] * ranges[kept, None]).astype(np.float32)

        on_part = np.flatnonzero(face >= len(scene.still.faces))
        part = part_of_face[face[on_part] - len(scene.still.faces)]
        motion_next, motion_previous = np.zeros_like(points), np.zeros_like(points)
        here_from_part, part_from_here = invert(pose), invert(now) @ pose
        for motion, then in ((motion_next, after), (motion_previous, before)):
            seen = points[on_part].astype(float)
            motion[on_part] = _apply(here_from_part @ then @ part_from_here, part, seen) - seen
        ego = invert(pose_next) @ pose
        # The displacement, not the moved point, is rounded to float32: small motions stay exact.
        flow_next = (
            _turn(ego[:3, :3] - np.eye(3), points + motion_next) + ego[:3, 3].astype(np.float32) + motion_next
        )
        object_id = np.full(len(points), -1, np.int32)
        object_id[on_part] = owner[part]
        class_id = everything.class_id[face]
        yield LabelledSweep(
            sweep=Sweep(
                points,
                FIRST_STAMP_NS + round(number * 1e9 / rate),
                'lidar',
                np.arange(len(points)),
                len(points),
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
            boxes=np.array([
                _box(invert(pose), placed[owner[part_of_vertex] == actor], heading)
                for actor, heading in enumerate(headings[:, number])
            ]).reshape(-1, 7),
        )


def _box(here_from_world: np.ndarray, vertices: np.ndarray, heading: float) -> np.ndarray:
    """(7,) box of the `vertices` (V, 3) in the sensor's frame; they and `heading` are the world's."""
    ahead = here_from_world[:3, :3] @ (np.cos(heading), np.sin(heading), 0.0)
    yaw = np.arctan2(ahead[1], ahead[0])
    axes = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    inside = vertices @ (axes @ here_from_world[:3, :3]).T + axes @ here_from_world[:3, 3]
    low, high = inside.min(axis=0), inside.max(axis=0)
    return np.array([*((low + high) / 2 @ axes), *(high - low), yaw])


def _turn(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """float32 `points` (N, 3) times `matrix` (3, 3); threads of a BLAS would cost more than the sum."""
    x, y, z = points.T
    out = np.empty_like(points)
    for row, (a, b, c) in enumerate(matrix.astype(np.float32)):
        out[:, row] = a * x + b * y + c * z
    return out


def _apply(poses: np.ndarray, index: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Each of `points` (N, 3) moved by the one of `poses` (P, 4, 4) that its `index` (N,) names."""
    if not len(points):
        return np.zeros((0, 3))
    return np.einsum('nij,nj->ni', poses[index, :3, :3], points) + poses[index, :3, 3]
