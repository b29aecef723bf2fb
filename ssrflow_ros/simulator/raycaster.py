"""Rays against triangles, by Embree."""

from __future__ import annotations

import numpy as np

from ..errors import SSRFlowError

_PASSES = 0.9            # share of the light that goes through a pane
_PANES = 4               # through which a ray goes at most; those of a car are two
_BEYOND = 0.01           # m behind a pane, from where it goes on


class Raycaster:
    """The world that stands still is indexed once; what moves, anew for every sweep."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray):
        self._faces = len(faces)
        self._still = _scene(vertices, faces)

    def cast(
        self,
        origin: np.ndarray,
        directions: np.ndarray,
        moving_vertices: np.ndarray,
        moving_faces: np.ndarray,
        clear: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The first thing that each ray meets, or one behind it, where that is a pane of glass.

        origin (3,) m, directions (R, 3) unit vectors, in the world; moving_vertices (V, 3) m, as of now;
        clear (F,) bool of all faces, those that stand still first: it is glass. Returns, for the H rays that meet
        something: ray (H,), range (H,) m, face (H,) where the moving faces are counted after those that stand still,
        incidence (H,) = |cos| to the face's normal.
        """
        directions = np.ascontiguousarray(directions, np.float32)
        origins = np.tile(np.asarray(origin, np.float32), (len(directions), 1))
        moving = _scene(moving_vertices, moving_faces) if len(moving_faces) else None
        ranges, face, normal = self._first(moving, origins, directions)
        on = np.arange(len(face))
        for _ in range(_PANES):
            on = on[(face[on] >= 0) & clear[face[on]]]
            on = on[rng.random(len(on)) < _PASSES]
            if not len(on):
                break
            behind = ranges[on] + np.float32(_BEYOND)
            ranges[on], face[on], normal[on] = self._first(
                moving, origins[on] + directions[on] * behind[:, None], directions[on])
            ranges[on] += behind
        ray = np.flatnonzero(face >= 0)
        normal = normal[ray]
        incidence = np.abs(np.einsum('ij,ij->i', normal, directions[ray]))
        incidence /= np.maximum(np.sqrt(np.einsum('ij,ij->i', normal, normal)), 1e-12)
        return ray, ranges[ray], face[ray], incidence

    def _first(self, moving, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, ...]:
        """Range (R,) m, face (R,) or -1, normal (R, 3) of what each ray meets first."""
        hit = self._still.run(origins, directions, output=1)
        ranges, face, normal = hit['tfar'], hit['primID'], hit['Ng']
        if moving is not None:
            other = moving.run(origins, directions, output=1)
            nearer = np.flatnonzero((other['primID'] >= 0) & (other['tfar'] < ranges))
            ranges[nearer] = other['tfar'][nearer]
            face[nearer] = other['primID'][nearer] + self._faces
            normal[nearer] = other['Ng'][nearer]
        return ranges, face, normal


def _scene(vertices: np.ndarray, faces: np.ndarray):
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise SSRFlowError(
            f'the simulator casts its rays with Embree ({error}): pip install embreex'
        ) from error
    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32))
    return scene
