"""The ground: a smooth height field with a road on it.

Places are told in road coordinates: `along` m from the origin on the road's middle line, `across` m to
its left; the line is straight or an arc.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .shapes import Mesh


@dataclass(frozen=True, eq=False)
class Terrain:
    """Height of the ground over the world's x, y.

    curvature   of the road's middle line, 1/m; 0 for straight.
    road        half width m, inf where there is no kerb.
    kerb        height m of the pavement above the road.
    crossing    (along, half width) of a road that crosses, or None.
    waves       (K, 4) amplitude m, wave numbers along x and y 1/m, phase rad.
    slope       (2,) rise along x and y.
    ramp        (along, length, rise) of a ramp, or None.
    """

    curvature: float = 0.0
    road: float = np.inf
    kerb: float = 0.0
    crossing: tuple[float, float] | None = None
    waves: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    slope: tuple[float, float] = (0.0, 0.0)
    ramp: tuple[float, float, float] | None = None

    def to_world(self, along: Any, across: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and the road's heading there."""
        heading = self.curvature * np.asarray(along, float)
        chord = along * np.sinc(heading / (2 * np.pi))
        x = chord * np.cos(heading / 2) - across * np.sin(heading)
        y = chord * np.sin(heading / 2) + across * np.cos(heading)
        return x, y, heading + np.zeros_like(x)

    def to_road(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """along, across."""
        if self.curvature == 0.0:
            return np.asarray(x, float), np.asarray(y, float)
        sign, radius = np.sign(self.curvature), 1 / self.curvature
        along = np.arctan2(sign * x, sign * (radius - y)) / self.curvature
        return along, radius - sign * np.hypot(x, y - radius)

    def smooth(self, x: Any, y: Any) -> np.ndarray:
        """Height m without the kerb."""
        amplitude, kx, ky, phase = self.waves.T
        flat_x, flat_y = np.ravel(x), np.ravel(y)
        height = np.sin(np.multiply.outer(flat_x, kx) + np.multiply.outer(flat_y, ky) + phase) @ amplitude
        height = height + self.slope[0] * flat_x + self.slope[1] * flat_y
        if self.ramp:
            start, length, rise = self.ramp
            height = height + rise * np.clip((flat_x - start) / length, 0, 1)
        return height.reshape(np.shape(x))

    def height(self, x: Any, y: Any, softness: float = 0.01) -> np.ndarray:
        """Height m with the kerb, which rises over `softness` m (feet take it more softly than stone)."""
        height = self.smooth(x, y)
        if self.kerb:
            along, across = self.to_road(x, y)
            off_road = np.abs(across) - self.road
            if self.crossing:
                off_road = np.minimum(off_road, np.abs(along - self.crossing[0]) - self.crossing[1])
            height = height + self.kerb * np.clip(off_road / softness + 0.5, 0, 1)
        return height

    def gradient(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Rise along x and y of the smooth ground, over the length of a vehicle."""
        reach, x, y = 1.0, np.asarray(x), np.asarray(y)
        east, west, north, south = self.smooth(
            np.stack([x + reach, x - reach, x, x]), np.stack([y, y, y + reach, y - reach])
        )
        return (east - west) / (2 * reach), (north - south) / (2 * reach)

    def mesh(self, along: tuple[float, float], across: tuple[float, float], step: float, rho: float) -> Mesh:
        """The ground between the given limits; grid lines run along both sides of each kerb."""
        rows = np.arange(along[0], along[1] + step, step)
        columns = np.arange(across[0], across[1] + step, step)
        if self.kerb:
            edge = np.array([-0.01, 0.01])
            columns = np.sort(np.concatenate([columns, edge - self.road, edge + self.road]))
            if self.crossing:
                middle, half = self.crossing
                rows = np.sort(np.concatenate([rows, middle - half + edge, middle + half + edge]))
        s, d = np.meshgrid(rows, columns, indexing='ij')
        x, y, _ = self.to_world(s, d)
        index = np.arange(s.size).reshape(s.shape)
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
        faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
        return Mesh.of(np.stack([x, y, self.height(x, y)], -1), faces, rho).named('ground')
