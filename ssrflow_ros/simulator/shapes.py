"""Triangle meshes of primitive solids, many at a time. Metres; x forward, y left, z up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Iterable

import numpy as np

from .classes import CLASS_ID


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles.

    vertices      (V, 3) float64 m.  faces (F, 3) int32.
    reflectivity  (F,) float32 in 0..1.  class_id (F,) uint8, index into CLASSES.
    """

    vertices: np.ndarray
    faces: np.ndarray
    reflectivity: np.ndarray
    class_id: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, faces: np.ndarray, reflectivity: float | np.ndarray) -> 'Mesh':
        """A mesh of class 'object', one `reflectivity` for all faces or one for each."""
        faces = np.asarray(faces, np.int32).reshape(-1, 3)
        rho, class_id = np.empty(len(faces), np.float32), np.empty(len(faces), np.uint8)
        rho[:], class_id[:] = reflectivity, CLASS_ID['object']
        return cls(np.asarray(vertices, float).reshape(-1, 3), faces, rho, class_id)

    def named(self, class_name: str) -> 'Mesh':
        """The same mesh, all of one class."""
        return replace(self, class_id=np.full(len(self.faces), CLASS_ID[class_name], np.uint8))

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> 'Mesh':
        """Turned about z by `yaw` rad, then shifted."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return replace(self, vertices=self.vertices @ turn + (x, y, z))

    def scaled(self, x: float, y: float, z: float) -> 'Mesh':
        """Stretched along the axes."""
        return replace(self, vertices=self.vertices * (x, y, z))


def join(meshes: Iterable[Mesh]) -> Mesh:
    """All `meshes` as one."""
    meshes = list(meshes)
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets)], dtype=np.int32),
        np.concatenate([mesh.reflectivity for mesh in meshes]),
        np.concatenate([mesh.class_id for mesh in meshes]),
    )


def split(mesh: Mesh, copies: int) -> list[Mesh]:
    """The equal solids of which a call like `tubes` has made `mesh`, each for itself."""
    vertices, faces = len(mesh.vertices) // copies, len(mesh.faces) // copies
    return [
        Mesh(
            mesh.vertices[k * vertices : (k + 1) * vertices],
            mesh.faces[k * faces : (k + 1) * faces] - k * vertices,
            mesh.reflectivity[k * faces : (k + 1) * faces],
            mesh.class_id[k * faces : (k + 1) * faces],
        )
        for k in range(copies)
    ]


def _repeat(unit_faces: np.ndarray, unit_vertices: int, copies: int) -> np.ndarray:
    return (unit_faces[None] + unit_vertices * np.arange(copies)[:, None, None]).reshape(-1, 3)


_CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_CUBE_FACES = np.array(
    [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ]
)


def boxes(centres: Any, sizes: Any, rho: float = 0.4) -> Mesh:
    """Axis-aligned boxes, `centres` and `sizes` (K, 3) or (3,)."""
    centres, sizes = np.broadcast_arrays(np.atleast_2d(centres), np.atleast_2d(sizes))
    vertices = _CUBE[None] * sizes[:, None] + centres[:, None]
    return Mesh.of(vertices, _repeat(_CUBE_FACES, 8, len(centres)), rho)


def tubes(
    starts: Any, ends: Any, start_radii: Any = 0.05, end_radii: Any = None, rho: float = 0.4, sides: int = 6
) -> Mesh:
    """Closed tapered cylinders from `starts` to `ends` (K, 3), with radii (K,) or one for all."""
    starts, ends = np.broadcast_arrays(np.atleast_2d(starts).astype(float), np.atleast_2d(ends).astype(float))
    count = len(starts)
    start_radii = np.broadcast_to(start_radii, count)
    end_radii = start_radii if end_radii is None else np.broadcast_to(end_radii, count)
    along = ends - starts
    along = along / np.maximum(np.sqrt(np.einsum('ij,ij->i', along, along)), 1e-9)[:, None]
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = _cross(helper, along)
    first /= np.sqrt(np.einsum('ij,ij->i', first, first))[:, None]
    second = _cross(along, first)
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    vertices = np.concatenate(
        [
            starts[:, None] + ring * start_radii[:, None, None],
            ends[:, None] + ring * end_radii[:, None, None],
            starts[:, None],
            ends[:, None],
        ],
        axis=1,
    )
    return Mesh.of(vertices, _repeat(_tube_faces(sides), 2 * sides + 2, count), rho)


@cache
def _tube_faces(sides: int) -> np.ndarray:
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    low, high = np.full(sides, 2 * sides), np.full(sides, 2 * sides + 1)
    return np.concatenate(
        [
            np.stack(triple, axis=1)
            for triple in ((i, j, j + sides), (i, j + sides, i + sides), (j, i, low), (i + sides, j + sides, high))
        ]
    )


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.cross for (K, 3) arrays, without its overhead, which counts for small K."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def _icosphere(divisions: int) -> tuple[np.ndarray, np.ndarray]:
    g = (1 + np.sqrt(5)) / 2
    points = np.array(
        [
            [-1, g, 0],
            [1, g, 0],
            [-1, -g, 0],
            [1, -g, 0],
            [0, -1, g],
            [0, 1, g],
            [0, -1, -g],
            [0, 1, -g],
            [g, 0, -1],
            [g, 0, 1],
            [-g, 0, -1],
            [-g, 0, 1],
        ]
    )
    faces = np.array(
        [
            [0, 11, 5],
            [0, 5, 1],
            [0, 1, 7],
            [0, 7, 10],
            [0, 10, 11],
            [1, 5, 9],
            [5, 11, 4],
            [11, 10, 2],
            [10, 7, 6],
            [7, 1, 8],
            [3, 9, 4],
            [3, 4, 2],
            [3, 2, 6],
            [3, 6, 8],
            [3, 8, 9],
            [4, 9, 5],
            [2, 4, 11],
            [6, 2, 10],
            [8, 6, 7],
            [9, 8, 1],
        ]
    )
    for _ in range(divisions):
        corners = points[faces]
        middles = (corners + np.roll(corners, -1, axis=1)) / 2
        rounded, index = np.unique(middles.reshape(-1, 3).round(9), axis=0, return_inverse=True)
        a, b, c = (faces + 0).T
        ab, bc, ca = (index.reshape(-1, 3) + len(points)).T
        points = np.concatenate([points, rounded])
        faces = np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    return points / np.linalg.norm(points, axis=1, keepdims=True), faces


_BALL = _icosphere(1)
_FINE_BALL = _icosphere(2)


def balls(centres: Any, radii: Any, rho: float = 0.4) -> Mesh:
    """Ellipsoids, `centres` (K, 3), `radii` (K, 3) or one for all."""
    centres = np.atleast_2d(centres)
    radii = np.broadcast_to(radii, centres.shape)
    vertices = _BALL[0][None] * radii[:, None] + centres[:, None]
    return Mesh.of(vertices, _repeat(_BALL[1], len(_BALL[0]), len(centres)), rho)


def lump(rng: np.random.Generator, radii: Any, roughness: float, rho: float = 0.4, fine: bool = False) -> Mesh:
    """An ellipsoid about the origin whose surface is uneven by the share `roughness`."""
    points, faces = _FINE_BALL if fine else _BALL
    bumps = 1 + roughness * rng.uniform(-1, 1, (len(points), 1))
    return Mesh.of(points * bumps * radii, faces, rho)


def convex_blob(rng: np.random.Generator, radii: Any, rho: float = 0.4) -> Mesh:
    """A random convex solid about the origin: a ball cut by random planes."""
    points, faces = _FINE_BALL
    normals = rng.normal(size=(rng.integers(4, 12), 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    depth = rng.uniform(0.4, 1.0, len(normals))
    reach = np.min(np.where(points @ normals.T > 1e-6, depth / np.maximum(points @ normals.T, 1e-6), np.inf), axis=1)
    return Mesh.of(points * np.minimum(reach, 1.0)[:, None] * radii, faces, rho)


def leaves(rng: np.random.Generator, centre: Any, radii: Any, count: int, size: float, rho: float = 0.35) -> Mesh:
    """Loose triangles in the outer shell of an ellipsoid: foliage that lets some rays through."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    middle = direction * rng.uniform(0.3, 1.0, (count, 1)) ** 0.5 * radii + centre
    return Mesh.of(middle[:, None] + rng.normal(0, size / 2, (count, 3, 3)), np.arange(3 * count).reshape(-1, 3), rho)


def extrude(profile: Any, half_width: Any, rho: float = 0.4, top_half_width: float | None = None) -> Mesh:
    """A side-view outline (K, 2) of x, z, drawn out across y; star-shaped about its mean.

    half_width  of the outline's lower half, metres; `top_half_width` at its highest corner.
    """
    profile = np.asarray(profile, float)
    count = len(profile)
    low, high = profile[:, 1].min(), profile[:, 1].max()
    top = half_width if top_half_width is None else top_half_width
    half = half_width + (top - half_width) * ((profile[:, 1] - low) / max(high - low, 1e-6))
    centre = profile.mean(axis=0)
    centre_half = half_width + (top - half_width) * (centre[1] - low) / max(high - low, 1e-6)
    rings = [np.column_stack([profile[:, 0], side * half, profile[:, 1]]) for side in (1, -1)]
    hubs = [[[centre[0], side * centre_half, centre[1]]] for side in (1, -1)]
    i, j = np.arange(count), (np.arange(count) + 1) % count
    left, right = np.full(count, 2 * count), np.full(count, 2 * count + 1)
    faces = np.concatenate(
        [
            np.stack(triple, axis=1)
            for triple in ((i, j, j + count), (i, j + count, i + count), (i, left, j), (j + count, right, i + count))
        ]
    )
    return Mesh.of(np.concatenate(rings + hubs), faces, rho)
