"""Rays against the triangles of a scene, panes of glass included."""

from __future__ import annotations

import numpy as np

from ..kernels.ray_casting import TriangleTree, first_hits, triangle_tree

_PASSES = 0.9  # share of the light that goes through a pane
_PANES = 4  # through which a ray goes at most; those of a car are two
_BEYOND = 0.01  # m behind a pane, from where it goes on


class Raycaster:
    """The world that stands still is indexed once; what moves, anew for every sweep."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray):
        self._corners = vertices[faces]
        self._still = triangle_tree(self._corners)

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
        origins = np.tile(origin, (len(directions), 1))
        moving_corners = moving_vertices[np.asarray(moving_faces, int)]
        moving = triangle_tree(moving_corners)
        ranges, face = self._first(moving, origins, directions)
        on = np.arange(len(face))
        for _ in range(_PANES):
            on = on[(face[on] >= 0) & clear[face[on]]]
            on = on[rng.random(len(on)) < _PASSES]
            if not len(on):
                break
            behind = ranges[on] + _BEYOND
            ranges[on], face[on] = self._first(moving, origins[on] + directions[on] * behind[:, None], directions[on])
            ranges[on] += behind
        ray = np.flatnonzero(face >= 0)
        face = face[ray]
        corners = np.concatenate([self._corners, moving_corners])[face]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        incidence = np.abs(np.einsum('ij,ij->i', normal, directions[ray]))
        incidence /= np.maximum(np.sqrt(np.einsum('ij,ij->i', normal, normal)), 1e-12)
        return ray, ranges[ray].astype(np.float32), face, incidence.astype(np.float32)

    def _first(self, moving: TriangleTree, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, ...]:
        """Range (R,) m, face (R,) or -1 of what each ray meets first."""
        ranges, face = first_hits(self._still, origins, directions)
        nearer, other = first_hits(moving, origins, directions, ranges)
        moves = other >= 0
        return np.where(moves, nearer, ranges), np.where(moves, other + len(self._corners), face)
