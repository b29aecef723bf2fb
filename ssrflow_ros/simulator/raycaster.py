"""Rays against triangles, by Embree."""

from __future__ import annotations

import numpy as np

from ..errors import SSRFlowError


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
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The first thing that each ray meets.

        origin (3,) m, directions (R, 3) unit vectors, in the world; moving_vertices (V, 3) m, as of now.
        Returns, for the H rays that meet something: ray (H,), range (H,) m, face (H,) where the moving faces
        are counted after those that stand still, incidence (H,) = |cos| to the face's normal.
        """
        directions = np.ascontiguousarray(directions, np.float32)
        origins = np.tile(np.asarray(origin, np.float32), (len(directions), 1))
        hit = self._still.run(origins, directions, output=1)
        ranges, face, normal = hit['tfar'], hit['primID'], hit['Ng']
        if len(moving_faces):
            other = _scene(moving_vertices, moving_faces).run(origins, directions, output=1)
            nearer = np.flatnonzero((other['primID'] >= 0) & (other['tfar'] < ranges))
            ranges[nearer] = other['tfar'][nearer]
            face[nearer] = other['primID'][nearer] + self._faces
            normal[nearer] = other['Ng'][nearer]
        ray = np.flatnonzero(face >= 0)
        normal = normal[ray]
        incidence = np.abs(np.einsum('ij,ij->i', normal, directions[ray]))
        incidence /= np.maximum(np.sqrt(np.einsum('ij,ij->i', normal, normal)), 1e-12)
        return ray, ranges[ray], face[ray], incidence


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
